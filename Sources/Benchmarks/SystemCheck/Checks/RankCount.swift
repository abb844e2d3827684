import Communication
import Kernels
import Training

/// The number of ranks and their hosts, for information.
struct RankCount: Check {
  func findings(in job: JobFacts) -> [Finding] {
    let hosts = Set(job.placements.map(\.host)).sorted(), nodes = Set(job.placements.map(\.node)).count
    let names = hosts.prefix(8).joined(separator: ", ") + (hosts.count > 8 ? ", ..." : "")
    let who = job.launcher == .none ? "no launcher" : job.launcher.rawValue
    return [
      .ok(
        "ranks", "\(counted(job.ranks.count, "rank")) on \(counted(nodes, "node")) (\(names)), \(who), \(job.library)")
    ]
  }
}
