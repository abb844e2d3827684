import CMPIShim
import Kernels

// Measurements of the network. Training does not use them.
extension Communicator {
  /// Returns the mean one-way time in seconds of `count` round trips between ranks a and b; 0 on other ranks.
  package func pingPong(_ a: Int, _ b: Int, _ buffer: UnsafeMutableRawPointer, bytes: Int, count: Int)
    throws(Failure) -> Double
  {
    var seconds = 0.0
    try Communicator.check(
      vd_bench_ping_pong(world, Int32(a), Int32(b), buffer, UInt64(bytes), Int32(count), &seconds), "timing messages")
    return seconds
  }

  /// Returns the time in seconds of `count` (at most 64) small messages in a row from rank a to rank b and one message
  /// back; 0 on other ranks.
  package func stream(_ a: Int, _ b: Int, count: Int) throws(Failure) -> Double {
    var seconds = 0.0
    try Communicator.check(
      vd_bench_stream(world, Int32(a), Int32(b), Int32(count), &seconds), "timing a stream of messages")
    return seconds
  }

  /// Sends `bytes` bytes to a peer and receives as many from it at the same time.
  package func swap(
    with peer: Int, _ out: UnsafeRawPointer, _ into: UnsafeMutableRawPointer, bytes: Int
  ) throws(Failure) {
    try Communicator.check(vd_bench_swap(world, Int32(peer), out, into, UInt64(bytes)), "swapping \(bytes) bytes")
  }

  /// Sums over all ranks with MPI's own reduction, whose order of summation is not specified.
  package func sumByMPI(_ values: UnsafeMutablePointer<Float>, count: Int) throws(Failure) {
    try Communicator.check(vd_bench_sum(world, values, UInt64(count)), "summing \(count) values")
  }

  /// A barrier in which waiting ranks sleep, so that they leave the cores to the ranks that have yet to arrive.
  package func sleepingBarrier() throws(Failure) {
    try Communicator.check(vd_bench_sleeping_barrier(world), "waiting for all ranks")
  }
}
