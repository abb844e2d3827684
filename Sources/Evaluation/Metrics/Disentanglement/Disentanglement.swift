import Communication
import Data
import Kernels
import Persistence

/// Disentanglement metrics for data that records the factors each sample was generated from.
package struct DisentanglementReport: Sendable, Equatable {
  /// Maximum number of samples used.
  package static let most = 10_000

  package var samples: Int
  package var factors: [String]
  package var gap: MutualInformationGap
  package var dci: DCI
  package var scores: FixedFactorScores

  /// Computes the metrics, or returns nil if the data has fewer than two varying factors or there are fewer than 100
  /// samples. The metrics, and the factors of DCI, are divided among the ranks. This call is collective.
  package init?(
    _ posteriors: Posteriors, _ data: Dataset, activeVariance: Double, seed: UInt64, _ communicator: Communicator
  ) throws(Failure) {
    guard let codes = FactorizedCodes(posteriors, data) else { return nil }
    let activity = Activity("measuring disentanglement")
    defer { activity.end() }
    samples = codes.count
    factors = codes.names
    gap = MutualInformationGap(codes)
    let n = codes.names.count
    let parts = try communicator.divided(parts: n + 2, width: codes.units + 1) { part in
      switch part {
      case n: [FixedFactorScores.betaVAE(codes, seed: seed)]
      case n + 1: [FixedFactorScores.factorVAE(codes, activeVariance: activeVariance, seed: seed)]
      default: DCI.importance(codes, of: part, seed: seed)
      }
    }
    dci = DCI(parts.prefix(n).map { $0 })
    scores = FixedFactorScores(betaVAE: parts[n][0], factorVAE: parts[n + 1][0])
  }

  var json: JSON {
    .object([
      ("samples", .integer(samples)), ("factors", .array(factors.map(JSON.text))), ("mig", .number(gap.mean)),
      ("mig_per_factor", .numbers(gap.gaps)), ("dci_disentanglement", .number(dci.disentanglement)),
      ("dci_completeness", .number(dci.completeness)), ("dci_informativeness", .number(dci.informativeness)),
      ("beta_vae_score", .number(scores.betaVAE)), ("factor_vae_score", .number(scores.factorVAE)),
    ])
  }
}
