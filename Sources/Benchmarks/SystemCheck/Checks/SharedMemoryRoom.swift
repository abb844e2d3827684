import Settings
import Training

/// The shared memory of a host is too small for what its ranks share.
struct SharedMemoryRoom: Check {
  func findings(in job: JobFacts) -> [Finding] {
    let hosts = Dictionary(grouping: job.ranks, by: \.placement.host).values.map { ranks in
      let nodes = Dictionary(grouping: ranks, by: \.placement.node).values
      return (
        name: ranks[0].placement.host, need: UInt64(nodes.reduce(0) { $0 + $1[0].windowNeed }),
        place: ranks[0].sharedMemory
      )
    }
    let short = hosts.first { $0.place.free < $0.need }
    guard let host = short ?? hosts.min(by: { $0.place.free < $1.place.free }) else {
      return [.ok("shared-memory", "no ranks")]
    }
    let text =
      "\(host.place.path) of \(host.name): \(host.place.free, .bytes) free of \(host.place.size, .bytes), "
      + "ranks share \(host.need, .bytes)"
    guard short != nil else { return [.ok("shared-memory", text)] }
    return [
      Finding(
        .problem, "shared-memory", text,
        advice: "enlarge it (`mount -o remount,size=50% /dev/shm`; `docker run --shm-size=...`), remove what crashed "
          + "programs left in it, or use --set train.exchange=messages")
    ]
  }
}
