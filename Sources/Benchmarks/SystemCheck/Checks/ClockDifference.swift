import Kernels
import Training

/// The clocks of machines differ. Ranks of one machine share a clock. The measured differences include the time by
/// which ranks leave a barrier at different moments.
struct ClockDifference: Check {
  /// Seconds.
  private static let most = 1.0

  func findings(in job: JobFacts) -> [Finding] {
    let machines = Set(job.placements.map(\.machine)).count
    guard machines > 1, let low = job.ranks.map(\.clock).min(), let high = job.ranks.map(\.clock).max() else {
      return [.ok("clocks", "one machine, one clock")]
    }
    let text = "the clocks of \(counted(machines, "machine")) differ by \(Int((high - low) * 1_000)) ms at most"
    guard high - low > Self.most else { return [.ok("clocks", text)] }
    return [
      Finding(
        .warning, "clocks", text,
        advice: "synchronise them with NTP or chrony, so that times in logs and job limits match")
    ]
  }
}
