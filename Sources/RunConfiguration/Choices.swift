import Autograd
import Communication
import Data
import Kernels
import Settings
import VAE

// What keys choose from that is no registry.

/// How values are scaled for the likelihood.
package enum Scale: String, CaseIterable, Sendable { case auto, none, unit, minmax, standardize }
/// What cells of a table may be: numbers alone, or words (categories) and nothing (missing values) as well.
package enum ColumnKind: String, CaseIterable, Sendable { case numbers, mixed }
/// Whether grey values become 0 or 1: never, or anew each epoch with probability equal to the value.
package enum Binarization: String, CaseIterable, Sendable { case none, dynamic }
package enum BetaShape: String, CaseIterable, Sendable {
  case constant, linear, cyclical, sigmoid
  /// Answers to what training does (`BetaControl`).
  case geco, controlvae, capacity

  package var isControlled: Bool { [.geco, .controlvae, .capacity].contains(self) }
}
package enum RateShape: String, CaseIterable, Sendable { case constant, warmupCosine = "warmup_cosine", step }
package enum Sharding: String, CaseIterable, Sendable { case auto, node, none }
package enum TimeUnit: String, CaseIterable, Sendable { case epoch, step }
package enum ProgressStyle: String, CaseIterable, Sendable { case auto, bar, plain, json, none }

/// Whether the next microbatch is loaded by a thread of its own while this one is computed.
package enum Prefetch: String, CaseIterable, Sendable {
  /// Where loading takes time that a spare core or a waiting one can give.
  case auto
  case on
  case off
}

/// What is done about a collapse: `monitor.on_collapse`.
package enum CollapseResponse: String, CaseIterable, BitwiseCopyable, Sendable {
  case warn, stop
  /// Beta begins at 0 anew and rises to where its schedule is: the encoder learns again before the KL counts.
  case restartAnnealing = "restart-annealing"
  /// A unit's first nats of KL cost nothing: Kingma et al., "Inverse autoregressive flow", 2016.
  case freeBits = "free-bits"
}

/// What epochs are compared by, on validation data; less is better.
package enum EpochMetric: String, CaseIterable, Sendable {
  case negativeELBO = "neg_elbo"
  case reconstruction = "recon"
  case reconstructionOfMean = "recon_of_mean"
  case kl
  /// What training minimises, with the beta of the epoch's last step.
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
