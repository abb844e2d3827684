import CMPIShim
import Communication
import Foundation
import Kernels

extension RankProbe {
  /// exchange ROUTE STEPS [CHUNK]: compares gradients and rows of several trees with a serial sum, bit for bit.
  static func exchange(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    guard arguments.count >= 2, let route = ExchangeRoute(rawValue: arguments[0]), let steps = Int(arguments[1]) else {
      throw Failure(.usage, "exchange ROUTE STEPS [CHUNK]")
    }
    if arguments.count > 2 { vd_mpi_set_chunk(UInt64(arguments[2]) ?? 0) }
    // Fewer elements than ranks, exactly one chunk, an end in the middle of a chunk, and more chunks than ranks.
    for (leaves, count) in [(5, 3), (6, 4096), (7, 10_007), (8, 33_000), (13, 4097), (16, 20_480)] {
      for buckets in communicator.topology.isOneNode && route != .messages ? [1] : [0, 1, 3] {
        try exchange(communicator, route, steps, buckets: buckets, leaves: leaves, count: count, width: 3)
      }
    }
  }

  /// wire: checks that sums that were sent as bfloat16 are the same on all ranks and near those of float32.
  static func wire(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    let count = 20_011, leaves = 2 * communicator.size
    let tree = ReductionTree(leaves: leaves, ranks: communicator.size)
    let exchange = try GradientExchange(
      communicator, tree: tree, count: count, rowWidth: 1, route: .auto, buckets: 2, wire: .bfloat16)
    let gradients = (0..<leaves).map { leaf in (0..<count).map { noise(3, leaf, $0) } }
    for _ in 0..<3 {
      exchange.awaitBuffers()
      for leaf in exchange.leaves {
        exchange.buffers[leaf.buffer].update(from: gradients[leaf.index], count: count)
        exchange.row(of: leaf.index)[0] = 1
        exchange.merge(after: leaf)
      }
      let result = try exchange.sum { _ in SIMD8() }
      let exact = serialTreeSum(gradients)
      var worst: Float = 0
      for i in 0..<count {
        let scale = gradients.reduce(0) { $0 + abs($1[i]) }
        worst = max(worst, abs(result.gradient[i] - exact[i]) / max(scale, 1e-30))
      }
      // Numbers with 8 bits of precision are rounded once on the way to the owner and once on the way back.
      try check(worst < 1.0 / 128, "bfloat16 is off by \(worst) of the sum of magnitudes")
      try check(communicator.topology.isOneNode || worst > 0, "nothing was rounded")
      let bytes = UnsafeRawBufferPointer(start: result.gradient, count: count * 4)
      let hash = SHA256()
      hash.update(bytes)
      try communicator.agree(on: [("sum", hash.finish())])
      exchange.release()
    }
    exchange.close()
  }

  private static func exchange(
    _ communicator: Communicator, _ route: ExchangeRoute, _ steps: Int, buckets: Int, leaves: Int, count: Int,
    width: Int
  ) throws(Failure) {
    let tree = ReductionTree(leaves: leaves, ranks: communicator.size)
    let exchange = try GradientExchange(
      communicator, tree: tree, count: count, rowWidth: width, route: route, buckets: buckets)
    let rank = communicator.rank
    for step in 0..<steps {
      let place = "\(exchange.routeName), \(leaves) leaves, \(count) elements, step \(step)"
      // At every point some rank is late, and at each step another one.
      func dawdle(_ point: Int) { if (step + rank + point) % 3 == 0 { usleep(UInt32(100 * ((step + rank) % 4))) } }
      let gradients = (0..<leaves).map { leaf in (0..<count).map { noise(step, leaf, $0) } }
      let rows = (0..<leaves).map { leaf in (0..<width).map { Double(noise(step + 1000, leaf, $0)) / 3 } }
      dawdle(0)
      exchange.awaitBuffers()
      for leaf in exchange.leaves {
        exchange.buffers[leaf.buffer].update(from: gradients[leaf.index], count: count)
        exchange.row(of: leaf.index).update(from: rows[leaf.index], count: width)
        // As in backward, the gradients of the last parameters are final first.
        for from in [count, count * 2 / 3, count / 3] { exchange.advance(leaf, readyFrom: from) }
        exchange.merge(after: leaf)
        dawdle(1)
      }
      var asked = false
      let result = try exchange.sum { sums in
        asked = true
        return [sums[0], sums[1], Double(step), 4, 5, 6, 7, Double(rank)]
      }
      dawdle(2)
      let gradient = serialTreeSum(gradients), sums = serialTreeSum(rows)
      var squares = 0.0
      for start in stride(from: 0, to: count, by: 4096) {
        squares += gradient.withUnsafeBufferPointer {
          vd_sum_of_squares($0.baseAddress! + start, min(4096, count - start))
        }
      }
      let inLeafOrder = (0..<count).map { i in gradients.dropFirst().reduce(gradients[0][i]) { $0 + $1[i] } }
      try check(count < 100 || inLeafOrder != gradient, "\(place): the order of a sum shows in its bits")
      try check(asked == (rank == 0), "\(place): only the root decides")
      try check(
        (0..<count).allSatisfy { gradient[$0].bitPattern == result.gradient[$0].bitPattern }, "\(place): gradient")
      try check((0..<width).allSatisfy { sums[$0].bitPattern == result.sums[$0].bitPattern }, "\(place): sums")
      try check(squares.bitPattern == result.squares.bitPattern, "\(place): squares \(squares) \(result.squares)")
      try check(result.answer == [sums[0], sums[1], Double(step), 4, 5, 6, 7, 0], "\(place): answer \(result.answer)")
      exchange.release()
    }
    exchange.close()
  }

  /// collectives [CHUNK]: compares treeSum, gather, broadcast and maximum with expected values.
  static func collectives(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    if let chunk = arguments.first { vd_mpi_set_chunk(UInt64(chunk) ?? 0) }
    let (rank, size) = (communicator.rank, communicator.size)
    for leaves in [1, 2, 3, 7, 8, 12, 100] {
      for width in [1, 31] {
        let all = (0..<leaves).map { leaf in (0..<width).map { Double(noise(leaf, $0, width)) / 7 } }
        var visited: [Int] = []
        let sum = try communicator.treeSum(leaves: leaves, width: width) { leaf, row throws(Failure) in
          visited.append(leaf)
          for i in 0..<width { row[i] = all[leaf][i] }
        }
        let own = ReductionTree(leaves: leaves, ranks: size).range(of: rank)
        try check(visited == Array(own), "treeSum of \(leaves): rank \(rank) was asked for \(visited)")
        try check(
          sum.map(\.bitPattern) == serialTreeSum(all).map(\.bitPattern), "treeSum of \(leaves) leaves of \(width)")
      }
    }
    for scale in [0, 1, 3, 1000] {
      func text(_ rank: Int) -> [UInt8] {
        (0..<scale * (size - rank - 1)).map { UInt8(truncatingIfNeeded: $0 * 31 + rank) }
      }
      let gathered = try communicator.gather(text(rank))
      try check(gathered == (0..<size).map(text), "gather of ragged lengths, scale \(scale)")
      let onRoot = try communicator.gatherOnRoot(text(rank))
      try check(
        onRoot.values == (rank == 0 ? gathered.flatMap { $0 } : [])
          && onRoot.counts == (rank == 0 ? gathered.map(\.count) : []),
        "gather on the root of ragged lengths, scale \(scale)")
      let parts = try communicator.divided(parts: scale % 50 + 1, width: 2) { [Double($0), -Double(rank)] }
      let tree = ReductionTree(leaves: scale % 50 + 1, ranks: size)
      let finders = (0..<size).flatMap { rank in tree.range(of: rank).map { _ in -Double(rank) } }
      try check(parts == finders.enumerated().map { [Double($0.offset), $0.element] }, "divided: \(parts)")
      for root in 0..<size {
        let sent = rank == root ? [UInt8](repeating: UInt8(root + 1), count: scale * 7) : []
        let received = try communicator.broadcast(sent, from: root)
        try check(received == [UInt8](repeating: UInt8(root + 1), count: scale * 7), "broadcast from \(root)")
      }
    }
    var value = rank == size - 1 ? 42.5 : -1
    try communicator.broadcastValue(&value, from: size - 1)
    try check(value == 42.5, "broadcastValue: \(value)")
    try check(try communicator.broadcast("grüße", from: 0) == "grüße", "broadcast of text")
    try check(try communicator.broadcast("", from: 0).isEmpty, "broadcast of nothing")
    let largest = try communicator.maximum([Int64(rank), Int64(-rank), .min, rank == 0 ? .max : 0])
    try check(largest == [Int64(size - 1), 0, .min, .max], "maximum: \(largest)")
    try communicator.barrier()
  }

  /// together RANK...: these ranks fail, and all ranks must throw the failure of the lowest one.
  static func together(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    let failing = arguments.compactMap { Int($0) }
    let value = try communicator.together { () throws(Failure) -> Int in
      // The lowest rank fails last.
      usleep(UInt32(20_000 * (communicator.size - communicator.rank)))
      guard failing.contains(communicator.rank) else { return communicator.rank }
      throw Failure(.badData, "rank \(communicator.rank) has bad data", hint: "look at rank \(communicator.rank)")
    }
    try check(failing.isEmpty && value == communicator.rank, "together went on although ranks \(failing) failed")
  }

  /// agree RANK...: these ranks have another colour.
  static func agree(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    let odd = arguments.compactMap { Int($0) }
    try communicator.agree(on: [
      ("shape", "round"), ("colour", odd.contains(communicator.rank) ? "red \(communicator.rank)" : "blue"), ("", ""),
    ])
    try check(odd.isEmpty, "ranks agreed although \(odd) differ")
  }

  /// lonely RANK: one rank fails alone, while the others wait for it.
  static func lonely(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    guard arguments.first.flatMap({ Int($0) }) == communicator.rank else { return try communicator.barrier() }
    usleep(100_000)
    throw Failure(.badData, "this rank alone has bad data", hint: "look at it")
  }
}
