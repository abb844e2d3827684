import Training
import Communication
import Kernels

/// Variation in the time of a fixed piece of work that is repeated. In a step, all ranks wait for the slowest one.
package struct Jitter: Sendable {
  /// Median and 99th percentile in seconds over the samples of all ranks.
  package let median: Double
  package let p99: Double
  /// Standard deviation over time in seconds, as the median of the ranks' values.
  package let sigma: Double

  /// Measures the variation of `work`. Collective.
  ///
  /// `work` must not wait for other ranks; otherwise the variation of single ranks cannot be separated.
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
