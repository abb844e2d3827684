import Communication
import Kernels

/// How much a fixed piece of work, done over and over, differs from itself: what all ranks wait for.
package struct Jitter: Sendable {
  /// Seconds, all ranks' samples together.
  package let median: Double
  package let p99: Double
  /// Standard deviation over time, of the rank where it is median.
  package let sigma: Double

  /// Collective; `work` must not wait for other ranks if their jitter is to be told apart.
  package static func measure(
    _ communicator: Communicator, samples: Int, _ work: () throws(Failure) -> Void
  ) throws(Failure) -> Jitter {
    let mine = try Stopwatch(communicator).each(of: samples, work)
    let all = try communicator.gather(mine.withUnsafeBytes { Array($0) })
      .map { bytes in bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) } }
    let together = Distribution(all.flatMap { $0 })
    return Jitter(
      median: together.median, p99: together.p99,
      sigma: Distribution(all.map { Distribution($0).standardDeviation }).median)
  }
}
