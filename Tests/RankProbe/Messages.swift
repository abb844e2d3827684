import Benchmarks
import CMPIShim
import CMessageRecorder
import Communication
import RunConfiguration
import Foundation
import Kernels
import Training

extension RankProbe {
  /// One step of an exchange in which ranks begin the sum after `late` microseconds.
  private static func step(_ exchange: GradientExchange, _ clock: PhaseClock, late: Int = 0) throws(Failure) {
    clock.enter(.wait)
    exchange.awaitBuffers()
    clock.enter(.backward)
    usleep(UInt32(late))
    for leaf in exchange.leaves { exchange.merge(after: leaf) }
    _ = try exchange.sum { _ in SIMD8() }
    clock.enter(.update)
    exchange.release()
  }

  /// tags: checks that every library allows the tags of a gradient in many pieces.
  static func tags(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    vd_mpi_set_chunk(640)
    for buckets in [1, 16] {
      let clock = PhaseClock()
      let exchange = try GradientExchange(
        communicator, tree: ReductionTree(leaves: 13, ranks: communicator.size), count: 70_000, rowWidth: 3,
        route: .auto, buckets: buckets, clock: clock)
      try step(exchange, clock)
      exchange.close()
    }
    try check((1...32_767).contains(vd_recorded_tag()), "tag \(vd_recorded_tag()) is one that MPI promises")
  }

  /// phases: checks that waiting for a rank on any node is in the phase `wait`, and an exchange is not.
  static func phases(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    let rank = communicator.rank, last = communicator.size - 1
    let clock = PhaseClock()
    let exchange = try GradientExchange(
      communicator, tree: ReductionTree(leaves: communicator.size, ranks: communicator.size), count: 100_000,
      rowWidth: 1, route: .auto, buckets: 1, clock: clock)
    func seconds(late: Int) throws(Failure) -> (waiting: Double, reducing: Double) {
      try communicator.barrier()
      let before = (clock.seconds(in: .wait), clock.seconds(in: .reduce))
      for _ in 0..<3 { try step(exchange, clock, late: late) }
      clock.enter(.start)
      return (clock.seconds(in: .wait) - before.0, clock.seconds(in: .reduce) - before.1)
    }
    // Gradients and sums take a tenth of a second each.
    vd_recorder_slow(0.1)
    let even = try seconds(late: 0)
    let uneven = try seconds(late: rank == last ? 200_000 : 0)
    exchange.close()
    try check(
      even.reducing > 0.5 && even.waiting < 0.3,
      "rank \(rank) exchanges \(even.reducing) of 0.6 s, and waits \(even.waiting) s for nobody")
    if rank == last {
      try check(uneven.waiting < 0.3, "rank \(rank), which is late, waits \(uneven.waiting) s")
    } else {
      try check(uneven.waiting > 0.5, "rank \(rank) waits \(uneven.waiting) of 0.6 s for the late one")
    }
  }

  /// progress: checks that a rank that waits for its neighbour lets MPI progress with messages of other nodes.
  static func progress(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    let clock = PhaseClock()
    let exchange = try GradientExchange(
      communicator, tree: ReductionTree(leaves: communicator.size, ranks: communicator.size), count: 20_000,
      rowWidth: 1, route: .auto, buckets: 2, clock: clock)
    exchange.awaitBuffers()
    var polls = vd_recorded_polls()
    for leaf in exchange.leaves {
      exchange.advance(leaf, readyFrom: 20_000)
      try check(vd_recorded_polls() > polls, "MPI goes on before the first bucket is there")
      exchange.merge(after: leaf)
    }
    _ = try exchange.sum { _ in SIMD8() }
    if communicator.rank % 2 == 1 { usleep(200_000) }
    exchange.release()
    polls = vd_recorded_polls()
    exchange.awaitRelease()
    let meanwhile = vd_recorded_polls() - polls
    try check(communicator.rank % 2 == 1 || meanwhile > 10, "MPI went on \(meanwhile) times in a wait for a neighbour")
    try communicator.barrier()
    exchange.close()
  }

  /// spinning yes|no: checks whether waiting ranks keep their cores.
  static func spinning(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    let exchange = try GradientExchange(
      communicator, tree: ReductionTree(leaves: communicator.size, ranks: communicator.size), count: 1, rowWidth: 1,
      route: .auto)
    try check(exchange.isSpinning == (arguments.first == "yes"), "spinning: \(arguments)")
    exchange.close()
  }

  /// lost: checks that after an MPI error no memory is freed that messages may still be written to.
  static func lost(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    func lose() throws(Failure) {
      let clock = PhaseClock()
      let exchange = try GradientExchange(
        communicator, tree: ReductionTree(leaves: 2, ranks: communicator.size), count: 10_000, rowWidth: 100,
        route: .messages, buckets: 2, wire: .bfloat16, clock: clock)
      try step(exchange, clock)
      if communicator.isRoot { vd_recorder_fail() } else { sleep(30) }
      try step(exchange, clock)
    }
    do { try lose() } catch {
      // The next allocation would get the memory that was freed last.
      for receive in 0..<vd_recorded_receives() {
        let bytes = Int(vd_recorded_bytes(receive))
        for _ in 0..<8 {
          let place = UnsafeMutableRawPointer(Buffer.allocate(UInt8.self, count: bytes))
          for other in 0..<vd_recorded_receives() {
            let start = vd_recorded_place(other)!
            try check(
              place + bytes <= start || place >= start + Int(vd_recorded_bytes(other)),
              "the place of receive \(other) is still its own")
          }
        }
      }
      throw error
    }
  }

  /// sizes: checks that timed messages are cut like others, and that no size is 0.
  static func sizes(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    vd_mpi_set_chunk(640)
    let (rank, count) = (communicator.rank, 1_001)
    let mine = Buffer(count: count), theirs = Buffer(count: count)
    for i in 0..<count { mine.base[i] = Float(i * (rank + 1)) }
    let peer = rank ^ 1
    try communicator.swap(with: peer, mine.base, theirs.base, bytes: 4 * count)
    try check((0..<count).allSatisfy { theirs.base[$0] == Float($0 * (peer + 1)) }, "what was swapped came over")
    try communicator.sumByMPI(mine.base, count: count)
    let ranks = (1...communicator.size).reduce(0, +)
    try check((0..<count).allSatisfy { mine.base[$0] == Float($0 * ranks) }, "MPI's sum is one of all ranks")
    _ = try communicator.pingPong(0, 1, mine.base, bytes: 4 * count, count: 2)
    try check(vd_recorded_count() <= 640, "a message of \(vd_recorded_count()) bytes is within the limit")
    let result = try CommunicationBenchmark.run(count: 1, Configuration().train, communicator)
    for link in [result.sameNode, result.otherNode] {
      guard let link else { continue }
      try check(link.secondsPerByte.isNormal && link.secondsPerByte > 0, "\(link)")
    }
    if let seconds = result.nodeSecondsPerByte {
      try check(seconds.isNormal && seconds > 0, "node to node: \(seconds)")
    }
  }
}
