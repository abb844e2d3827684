import Autograd
import Communication
import Data
import Kernels
import Settings
import VAE

// Enumerations for keys that do not choose from a registry.

/// How values are scaled for the likelihood.
package enum Scale: String, CaseIterable, Sendable { case auto, none, unit, minmax, standardize }
/// The types of table columns: numbers only, or also categories (words) and missing values (empty cells).
package enum ColumnKind: String, CaseIterable, Sendable { case numbers, mixed }
/// Whether grey values are binarised: never, or with new draws in each epoch, where the value is the probability of 1.
package enum Binarization: String, CaseIterable, Sendable { case none, dynamic }
/// The schedule of beta, the weight of the KL: `objective.beta.schedule`.
package enum BetaShape: String, CaseIterable, Sendable {
  case constant, linear, cyclical, sigmoid
  /// Schedules that adapt beta to the state of training (`BetaControl`).
  case geco, controlvae, capacity

  package var isControlled: Bool { [.geco, .controlvae, .capacity].contains(self) }
}
package enum RateShape: String, CaseIterable, Sendable { case constant, warmupCosine = "warmup_cosine", step }
package enum Sharding: String, CaseIterable, Sendable { case auto, node, none }
package enum TimeUnit: String, CaseIterable, Sendable { case epoch, step }
package enum ProgressStyle: String, CaseIterable, Sendable { case auto, bar, plain, json, none }

/// Whether a separate thread loads the next microbatch while the current one is computed.
package enum Prefetch: String, CaseIterable, Sendable {
  /// Prefetches if loading is slow enough and a core is free or waiting.
  case auto
  case on
  case off
}

/// The reaction to a posterior collapse: `monitor.on_collapse`.
package enum CollapseResponse: String, CaseIterable, BitwiseCopyable, Sendable {
  case warn, stop
  /// Restarts beta at 0 and raises it to the value of its schedule, so that the encoder learns again before the KL has
  /// weight.
  case restartAnnealing = "restart-annealing"
  /// Uses free bits: the first nats of KL of each unit are not penalised. Source: Kingma et al., "Improved variational
  /// inference with inverse autoregressive flow", NeurIPS 2016.
  case freeBits = "free-bits"
}

/// The validation metric by which epochs are compared. Lower is better.
package enum EpochMetric: String, CaseIterable, Sendable {
  case negativeELBO = "neg_elbo"
  case reconstruction = "recon"
  case reconstructionOfMean = "recon_of_mean"
  case kl
  /// The training loss, with the beta of the epoch's last step.
  case loss
}

extension Scale: ConfigurationValue {}
extension ColumnKind: ConfigurationValue {}
extension Binarization: ConfigurationValue {}
extension BetaShape: ConfigurationValue {}
extension ModelTask: ConfigurationValue {}
extension CollapseResponse: ConfigurationValue {}
extension RateShape: ConfigurationValue {}
extension TimeUnit: ConfigurationValue {}
extension ProgressStyle: ConfigurationValue {}
extension ConditionKind: ConfigurationValue {}
extension Reduction: ConfigurationValue {}
extension ExchangeRoute: ConfigurationValue {}
extension WireFormat: ConfigurationValue {}
extension Sharding: ConfigurationValue {}
extension EpochMetric: ConfigurationValue {}
extension Products.Library: ConfigurationValue {}
