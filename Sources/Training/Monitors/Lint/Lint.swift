import Communication
import RunConfiguration
import Data
import Kernels

/// A setting that will come to grief, as can be known before the first step. One file each, one line in `Lint.rules`.
package protocol LintRule: Sendable {
  func examine(_ facts: LintFacts) -> Finding?
}

package struct LintFacts: Sendable {
  package var configuration: Configuration
  /// Values of a sample.
  package var elements: Int
  package var stepsPerEpoch: Int
  package var totalSteps: Int
  /// Of the training data; nil where it would take too long.
  package var spectrum: PrincipalSpectrum?
  /// Part of the values that is neither nearly 0 nor nearly 1; nil where that is of no interest.
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

  /// What beta is to end at; nil where another than the schedule decides.
  package var finalBeta: Double? {
    configuration.objective.betaSchedule.isControlled ? nil : configuration.objective.betaEnd
  }

  /// How much the KL weighs against the sum of log p(x | z) over dimensions, at this beta.
  package func weight(beta: Double) -> Double {
    configuration.objective.reconstruction == .mean ? beta * Double(elements) : beta
  }
}

package enum Lint {
  package static let rules: [any LintRule] = [
    MeanReconstruction(), WideSigma(), BetaOfTask(), WarmUpLength(), GreyBernoulli(), WideLatent(),
  ]

  /// Looks at the training data and judges it with the configuration. Collective; findings on rank 0.
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
