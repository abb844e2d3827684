import Settings
import Training

/// InfiniBand may lock less memory than it needs for its buffers.
struct LockedMemory: Check {
  func findings(in job: JobFacts) -> [Finding] {
    let smallest = job.ranks.compactMap(\.lockedMemory).min()
    guard let smallest, smallest < 1 << 30, job.ranks.contains(where: \.hasInfiniBand) else {
      let text = smallest.map { "\($0, .bytes), and there is no InfiniBand that needs more" }
      return [.ok("locked-memory", text ?? "no limit")]
    }
    return [
      Finding(
        .warning, "locked-memory", "the limit is \(smallest, .bytes), but InfiniBand needs to lock its buffers",
        advice: "`ulimit -l unlimited` in the shell or in /etc/security/limits.conf of every node")
    ]
  }
}
