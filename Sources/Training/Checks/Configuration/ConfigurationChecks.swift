import Communication
import RunConfiguration
import Data
import Kernels

/// The checks of configuration and data before the first step.
package enum ConfigurationChecks {
  package static let all: [any Check<ConfigurationFacts>] = [
    MeanReconstruction(), WideSigma(), BetaOfTask(), WarmUpLength(), GreyBernoulli(), WideLatent(),
  ]

  /// Reads samples of the training data and applies all checks. Returns the findings on rank 0 and an empty array on
  /// other ranks. Collective.
  static func findings(
    _ configuration: Configuration, _ data: Dataset, _ plan: BatchPlan, totalSteps: Int, _ communicator: Communicator,
    _ clock: PhaseClock
  ) throws(Failure) -> [Finding] {
    let slots = ReductionTree(leaves: plan.slots, ranks: communicator.size).range(of: communicator.rank)
    let rows = try spreadRows(of: data, count: plan.count, share: plan.strata(slots), communicator, clock)
    guard communicator.isRoot else { return [] }
    let width = data.shape.elementCount, isGrey = configuration.data.binarize == .none
    let facts = ConfigurationFacts(
      configuration, elements: width, stepsPerEpoch: plan.stepsPerEpoch, totalSteps: totalSteps,
      spectrum: PrincipalSpectrum(rows, width: width), greyShare: isGrey ? GreyBernoulli.greyShare(rows) : nil)
    return all.findings(in: facts)
  }
}
