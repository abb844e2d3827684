import RunConfiguration
import Data

/// The facts about configuration and data that are checked before the first step.
package struct ConfigurationFacts: Sendable {
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
