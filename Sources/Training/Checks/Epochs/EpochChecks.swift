import RunConfiguration

/// The history of a run's epochs, and what else is needed to judge it.
package struct EpochFacts: Sendable {
  package var history: EpochHistory
  package var configuration: Configuration
  /// Dimensions of a sample.
  package var elements: Int

  package init(_ history: EpochHistory, _ configuration: Configuration, elements: Int) {
    (self.history, self.configuration, self.elements) = (history, configuration, elements)
  }
}

/// The checks after each epoch of a training.
package enum EpochChecks {
  package static let all: [any Check<EpochFacts>] = [
    DeadFromStart(), Collapsing(), ExplodingKL(), StuckReconstruction(), Overfitting(), SlowRank(),
  ]

  /// Names of the checks whose findings are redundant after a posterior collapse has been reported.
  package static let ofCollapse: Set = [DeadFromStart.name, Collapsing.name]
}
