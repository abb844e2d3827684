import Communication
import Training

/// Ranks compete for cores.
struct CoreBinding: Check {
  func findings(in job: JobFacts) -> [Finding] {
    let faults = Binding.faults(job.placements, threads: job.threads, launcher: job.launcher)
    guard !faults.isEmpty else {
      let cores = job.threads == 1 ? "a core" : "\(job.threads) cores"
      return [.ok("binding", "every rank can have \(cores) of its own")]
    }
    return faults.map {
      Finding($0.fault == .crowded ? .problem : .warning, "binding", $0.message, advice: $0.advice)
    }
  }
}
