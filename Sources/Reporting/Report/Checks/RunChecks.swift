import Training

/// The checks of a run's record. A check has no finding if there is no data to judge by.
package enum RunChecks {
  package static let all: [any Check<RunRecord>] = [
    RunEnd(), Convergence(), ActiveUnits(), TrainingFindings(), UnfinishedWarmUp(), Rollbacks(), WaitingRanks(),
    DamagedFiles(),
  ]
}
