import Communication
import Training

/// The facts gathered from all ranks of a job.
package struct JobFacts: Sendable {
  package var ranks: [RankFacts]
  package var launcher: Launcher.Kind
  /// The MPI library.
  package var library: String
  /// Threads per rank.
  package var threads: Int

  package init(ranks: [RankFacts], launcher: Launcher.Kind, library: String, threads: Int) {
    (self.ranks, self.launcher, self.library, self.threads) = (ranks, launcher, library, threads)
  }

  var placements: [Placement] { ranks.map(\.placement) }
}

/// The checks of a job's ranks and machines. They neither measure nor communicate, so the same facts always give the
/// same findings.
package enum JobChecks {
  package static let all: [any Check<JobFacts>] = [
    RankCount(), SameProducts(), KernelsForCPU(), VectorLevel(), CoreBinding(), MemoryRoom(), SharedMemoryRoom(),
    LockedMemory(), AddressSpace(), ClockDifference(), StartTime(),
  ]
}
