import Settings
import Training

/// The ranks of a machine need more memory than it has. Reports the machine with the smallest margin.
struct MemoryRoom: Check {
  func findings(in job: JobFacts) -> [Finding] {
    let machines = Dictionary(grouping: job.ranks, by: \.placement.machine).values.map { ranks in
      let need: Int = ranks.map(\.memoryNeed).reduce(0, +), available: Int = ranks.map(\.memoryAvailable).min() ?? 0
      return (host: ranks[0].placement.host, need: need, available: available)
    }
    guard let machine = machines.min(by: { $0.available - $0.need < $1.available - $1.need }) else {
      return [.ok("memory", "no ranks")]
    }
    let text =
      "\(machine.host): \(machine.available, .bytes) available, training needs \(machine.need, .bytes) besides the data"
    guard machine.need > machine.available else { return [.ok("memory", text)] }
    return [
      Finding(
        .problem, "memory", text,
        advice: "use a smaller --microbatch or model, fewer ranks on the machine, or ask the scheduler for more memory")
    ]
  }
}
