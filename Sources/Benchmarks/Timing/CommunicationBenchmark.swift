import Training
import Communication
import RunConfiguration
import Kernels

/// Speed of collective operations and messages for a gradient of `count` float32 values, in seconds. Values that these
/// ranks cannot measure are nil.
package struct CommunicationBenchmark: Sendable {
  /// Speed of messages between two ranks of the same node or of two nodes.
  package struct Link: Sendable {
    /// Seconds for a message of 8 bytes, one way.
    package var latency: Double
    /// Seconds of the sender's or receiver's time for one additional small message.
    package var overhead: Double
    /// Seconds per byte, one way, for messages of the size of the gradient, but at least 64 KiB.
    package var secondsPerByte: Double
  }

  package var count = 0
  package var ranks = 1
  package var nodes = 1
  package var barrier: Double?
  package var sameNode: Link?
  package var otherNode: Link?
  /// Seconds per byte and direction between two nodes when all of their ranks exchange data in pairs.
  package var nodeSecondsPerByte: Double?
  /// Seconds of an MPI_Allreduce of the gradient.
  package var allreduce: Double?
  /// Seconds of the exchange that training uses, for the gradient and for a single value.
  package var exchange = 0.0
  package var exchangeRoute = ""
  package var emptyExchange = 0.0
  /// Seconds per byte for adding one gradient to another on the slowest rank, while all ranks do the same.
  package var addSecondsPerByte = 0.0
  package var bytes: Int { 4 * count }

  /// Minimum number of elements in a message, so that its size and not its latency determines its time.
  private static let leastMessage = 1 << 14

  /// Runs the benchmark. Every rank returns the results of rank 0. Collective.
  package static func run(
    count: Int, _ train: Configuration.Train, _ communicator: Communicator
  ) throws(Failure) -> CommunicationBenchmark {
    var result = CommunicationBenchmark()
    let watch = Stopwatch(communicator)
    (result.count, result.ranks) = (count, communicator.size)
    let nodes = communicator.topology.nodes.map(Array.init)
    result.nodes = nodes.count
    let message = max(count, leastMessage)
    let a = Buffer(count: message), b = Buffer(count: message)
    let activity = Activity("timing messages and sums")
    defer { activity.end() }
    if communicator.size > 1 {
      result.barrier = try slowest(watch.median(of: 0.002) { () throws(Failure) in try communicator.barrier() }, watch)
      if let pair = nodes.first(where: { $0.count > 1 }) {
        result.sameNode = try link(pair[0], pair[1], a.base, message, communicator)
      }
      if nodes.count > 1 {
        result.otherNode = try link(nodes[0][0], nodes[1][0], a.base, message, communicator)
        result.nodeSecondsPerByte = try lanes(nodes[0], nodes[1], a.base, b.base, message, watch)
      }
      result.allreduce = try slowest(
        watch.median(of: 0.05) { () throws(Failure) in try communicator.sumByMPI(a.base, count: count) }, watch)
    }
    (result.exchange, result.exchangeRoute) = try exchange(count: count, leaves: communicator.size, train, watch)
    result.emptyExchange = try exchange(count: 1, leaves: communicator.size, train, watch).seconds
    a.base.zero(count)
    result.addSecondsPerByte =
      try slowest(watch.median { () throws(Failure) in vd_add(a.base, b.base, count) }, watch) / Double(4 * count)
    return result
  }

  static func slowest(_ seconds: Double, _ watch: Stopwatch) throws(Failure) -> Double {
    try watch.all(seconds).max() ?? seconds
  }

  /// Seconds of an exchange of `count` values with at least one leaf per rank, as in a step after the backward pass.
  static func exchange(
    count: Int, leaves: Int, _ train: Configuration.Train, _ watch: Stopwatch
  ) throws(Failure) -> (seconds: Double, route: String) {
    let communicator = watch.communicator
    let exchange = try GradientExchange(
      communicator, tree: ReductionTree(leaves: leaves, ranks: communicator.size), count: count,
      rowWidth: StepRow.width, route: train.exchange, buckets: train.buckets, wire: train.wire)
    for leaf in exchange.leaves { exchange.row(of: leaf.index).update(repeating: 0, count: StepRow.width) }
    let seconds = try watch.median(of: 0.005) { () throws(Failure) in
      exchange.awaitBuffers()
      for leaf in exchange.leaves { exchange.merge(after: leaf) }
      _ = try exchange.sum { _ in SIMD8<Double>() }
      exchange.release()
    }
    let route = exchange.routeName
    try communicator.barrier()
    exchange.close()
    return (try slowest(seconds, watch), route)
  }

  private static func link(
    _ a: Int, _ b: Int, _ buffer: UnsafeMutablePointer<Float>, _ count: Int, _ communicator: Communicator
  ) throws(Failure) -> Link {
    var latencies = [Double](), bulk = [Double](), streams = [Double]()
    _ = try communicator.pingPong(a, b, buffer, bytes: 8, count: 100)
    for _ in 0..<9 {
      latencies.append(try communicator.pingPong(a, b, buffer, bytes: 8, count: 200))
      bulk.append(try communicator.pingPong(a, b, buffer, bytes: 4 * count, count: 3))
      streams.append(try communicator.stream(a, b, count: 64))
      try communicator.barrier()
    }
    let latency = Distribution(latencies).median
    var values = SIMD3(
      latency, max(0, Distribution(streams).median - 2 * latency) / 63,
      max(0, Distribution(bulk).median - latency) / Double(4 * count))
    // Only the two ranks have the results so far.
    for i in 0..<3 {
      var value = values[i]
      try communicator.broadcastValue(&value, from: a)
      values[i] = value
    }
    return Link(latency: values[0], overhead: values[1], secondsPerByte: values[2])
  }

  /// Exchanges data between rank i of one node and rank i of the other, for all i at once. Each rank has an equal share
  /// of the gradient. Returns seconds per byte.
  private static func lanes(
    _ left: [Int], _ right: [Int], _ out: UnsafeMutablePointer<Float>, _ into: UnsafeMutablePointer<Float>,
    _ count: Int, _ watch: Stopwatch
  ) throws(Failure) -> Double {
    let communicator = watch.communicator, lanes = min(left.count, right.count)
    let peer = zip(left, right).first { $0 == communicator.rank || $1 == communicator.rank }
      .map { $0 == communicator.rank ? $1 : $0 }
    let share = 4 * count / lanes
    let seconds = try watch.median(of: 0.1) { () throws(Failure) in
      if let peer { try communicator.swap(with: peer, out, into, bytes: share) }
    }
    return try slowest(peer == nil ? 0 : seconds, watch) / Double(share * lanes)
  }
}
