import Communication
import RunConfiguration
import Data
import Kernels

/// A check that finds a problematic setting before the first step. Each rule has a file of its own and an entry in
/// `Lint.rules`.
package protocol LintRule: Sendable {
  func examine(_ facts: LintFacts) -> Finding?
}

/// The facts about configuration and data that lint rules examine.
package struct LintFacts: Sendable {
  package var configuration: Configuration
  /// Number of values in a sample.
  package var elements: Int
  package var stepsPerEpoch: Int
  package var totalSteps: Int
  /// Spectrum of the training data; nil if it would take too long to compute.
  package var spectrum: PrincipalSpectrum?
  /// Share of the values that are neither nearly 0 nor nearly 1; nil if values are binarised.
  package var greyShare: Double?

  package init(
    _ configuration: Configuration, elements: Int, stepsPerEpoch: Int = 1, totalSteps: Int = 1,
    spectrum: PrincipalSpectrum? = nil, greyShare: Double? = nil
  ) {
    self.configuration = configuration
    self.elements = elements
    (self.stepsPerEpoch, self.totalSteps) = (stepsPerEpoch, totalSteps)
    (self.spectrum, self.greyShare) = (spectrum, greyShare)
  }

  /// Final value of beta; nil if beta does not follow a fixed schedule.
  package var finalBeta: Double? {
    configuration.objective.betaSchedule.isControlled ? nil : configuration.objective.betaEnd
  }

  /// Weight of the KL relative to the sum of log p(x | z) over dimensions, at this beta.
  package func weight(beta: Double) -> Double {
    configuration.objective.reconstruction == .mean ? beta * Double(elements) : beta
  }
}

/// The checks of configuration and data before the first step.
package enum Lint {
  package static let rules: [any LintRule] = [
    MeanReconstruction(), WideSigma(), BetaOfTask(), WarmUpLength(), GreyBernoulli(), WideLatent(),
  ]

  /// Reads samples of the training data and applies all rules. Returns the findings on rank 0 and an empty array on
  /// other ranks. Collective.
  static func findings(
    _ configuration: Configuration, _ data: Dataset, _ plan: BatchPlan, totalSteps: Int, _ communicator: Communicator,
    _ clock: PhaseClock
  ) throws(Failure) -> [Finding] {
    let slots = ReductionTree(leaves: plan.slots, ranks: communicator.size).range(of: communicator.rank)
    let rows = try spreadRows(of: data, count: plan.count, share: plan.strata(slots), communicator, clock)
    guard communicator.isRoot else { return [] }
    let width = data.shape.elementCount, isGrey = configuration.data.binarize == .none
    let facts = LintFacts(
      configuration, elements: width, stepsPerEpoch: plan.stepsPerEpoch, totalSteps: totalSteps,
      spectrum: PrincipalSpectrum(rows, width: width), greyShare: isGrey ? GreyBernoulli.greyShare(rows) : nil)
    return rules.compactMap { $0.examine(facts) }
  }
}
