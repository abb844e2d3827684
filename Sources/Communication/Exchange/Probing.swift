import CMPIShim
import Kernels

// For measuring: the training itself uses none of these.
extension Communicator {
  /// Seconds that a message takes from rank a to rank b, the mean over `count` ways to and fro; 0 on other ranks.
  package func pingPong(_ a: Int, _ b: Int, _ buffer: UnsafeMutableRawPointer, bytes: Int, count: Int)
    throws(Failure) -> Double
  {
    var seconds = 0.0
    try Communicator.check(
      vd_bench_ping_pong(world, Int32(a), Int32(b), buffer, UInt64(bytes), Int32(count), &seconds), "timing messages")
    return seconds
  }

  /// Seconds of `count` (at most 64) small messages from rank a to rank b in a row, and one back; 0 on other ranks.
  package func stream(_ a: Int, _ b: Int, count: Int) throws(Failure) -> Double {
    var seconds = 0.0
    try Communicator.check(
      vd_bench_stream(world, Int32(a), Int32(b), Int32(count), &seconds), "timing a stream of messages")
    return seconds
  }

  /// Sends to a peer and receives as much from it, at once.
  package func swap(
    with peer: Int, _ out: UnsafeRawPointer, _ into: UnsafeMutableRawPointer, bytes: Int
  ) throws(Failure) {
    try Communicator.check(vd_bench_swap(world, Int32(peer), out, into, UInt64(bytes)), "swapping \(bytes) bytes")
  }

  /// Sums over all ranks as MPI does it, in whatever order.
  package func sumByMPI(_ values: UnsafeMutablePointer<Float>, count: Int) throws(Failure) {
    try Communicator.check(vd_bench_sum(world, values, UInt64(count)), "summing \(count) values")
  }

  /// A barrier whose waiters sleep: who is not there yet has the machine for itself.
  package func sleepingBarrier() throws(Failure) {
    try Communicator.check(vd_bench_sleeping_barrier(world), "waiting for all ranks")
  }
}
