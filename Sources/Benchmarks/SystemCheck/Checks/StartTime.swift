import Settings
import Training

/// Starting all ranks takes long.
struct StartTime: Check {
  /// Seconds.
  private static let most = 15.0

  func findings(in job: JobFacts) -> [Finding] {
    let seconds = job.ranks.map(\.startSeconds).max() ?? 0
    let text = "the slowest rank took \(seconds, .fixed(2)) s from its start until all had met"
    guard seconds > Self.most else { return [.ok("start", text)] }
    return [
      Finding(
        .warning, "start", text,
        advice: "put program and libraries on a local disk, and name the network (`--mca btl_tcp_if_include eth0`)")
    ]
  }
}
