import Communication
import Data
import Kernels
import Persistence
import Training
import VAE

/// The evaluation of a trained model on a data set, in nats per sample. The numbers do not depend on the number of
/// ranks.
package struct EvaluationReport: Sendable {
  package var data: String
  package var samples: Int
  package var elbo: ValidationReport
  /// The estimate of log p(x), or nil unless it was requested.
  package var likelihood: LikelihoodEstimate?
  package var aggregate: AggregatePosterior
  package var bits: BitsPerDimension?
  package var generation: GenerationReport
  package var interpolation: InterpolationReport
  /// Disentanglement scores, or nil when the data does not record the factors it was generated from.
  package var disentanglement: DisentanglementReport?
  package var facts: EvaluationFacts
  /// Problems found in the model, the most serious first.
  package var findings: [Finding]

  /// Bits per dimension, computed from the importance-weighted estimate when there is one and from the ELBO otherwise.
  package var bitsPerDimension: Double? { bits.map { $0(nats: likelihood?.nll ?? elbo.means.negativeELBO) } }
}

/// Evaluates a trained model on a data set. The samples are divided among the ranks.
package final class Evaluator {
  private let model: TrainedModel
  private let data: Dataset
  private let communicator: Communicator

  /// Opens and checks this rank's share of the data. This call is collective.
  /// - limit: The maximum number of samples. They are evenly spaced in the set.
  package init(
    _ model: TrainedModel, data spec: String?, limit: Int? = nil, _ communicator: Communicator
  ) throws(Failure) {
    self.model = model
    self.communicator = communicator
    let data = try communicator.together { () throws(Failure) in try model.open(spec).spaced(limit ?? .max) }
    try communicator.agree(
      on: [("samples", "\(data.count)"), ("digest of the data", data.fingerprint)], when: "before evaluation",
      status: .badData, hint: "give every host the same data files")
    let share = Validator.share(of: data.count, rank: communicator.rank, size: communicator.size)
    try communicator.together { () throws(Failure) in try data.prepare(share) }
    self.data = data
  }

  /// Runs all measurements. This call is collective.
  /// - importanceSamples: Number of draws of z for each sample in the likelihood estimate; 0 skips the estimate.
  package func evaluate(importanceSamples: Int) throws(Failure) -> EvaluationReport {
    try requireRoom()
    let elbo = try validate(), encoder = Encoder(model, data, communicator)
    let hasFactors = data.factorNames != nil
    let posteriors = try encoder.encode(
      (0..<data.count).spaced(hasFactors ? DisentanglementReport.most : AggregatePosterior.limit))
    let spaced = posteriors.spaced(AggregatePosterior.limit)
    let aggregate = try AggregatePosterior(
      spaced, PriorDraws(model, data, spaced), seed: model.seed, communicator)
    let generation = try GenerationMetrics(model, data, encoder, communicator).measure(posteriors)
    var likelihood: LikelihoodEstimate?
    if importanceSamples > 0 {
      likelihood = try ImportanceEstimator(model, data, communicator).estimate(samples: importanceSamples)
    }
    let facts = try facts(elbo, aggregate, spaced)
    return EvaluationReport(
      data: data.name, samples: data.count, elbo: elbo, likelihood: likelihood, aggregate: aggregate,
      bits: model.bits, generation: generation,
      interpolation: try InterpolationReport(posteriors.codes(data), model.autoencoder, communicator),
      disentanglement: try DisentanglementReport(
        posteriors, data, activeVariance: model.configuration.monitor.activeVariance, seed: model.seed, communicator),
      facts: facts, findings: EvaluationChecks.findings(in: facts))
  }

  /// Computes the ELBO. The validator's graph is the largest of all, and it is freed when this function returns.
  private func validate() throws(Failure) -> ValidationReport {
    try Validator(
      model.autoencoder, data: data, communicator: communicator, configuration: model.configuration,
      clock: PhaseClock()
    ).validate(seed: model.seed)
  }

  private func requireRoom() throws(Failure) {
    let autoencoder = model.autoencoder, rows = Validator.chunk
    let graphs = max(
      autoencoder.elboBytes(batch: rows, gradients: false),
      autoencoder.scoringBytes(batch: rows, ImportanceEstimator.outputs)
        + autoencoder.scoringBytes(batch: rows, Encoder.outputs))
    try communicator.together { () throws(Failure) in
      try MemoryNeed.requireRoom(
        for: graphs, what: "this evaluation", ranks: communicator.topology.machineSize, details: "its graphs",
        hint: "start fewer ranks on the machine")
    }
  }

  private func facts(
    _ elbo: ValidationReport, _ aggregate: AggregatePosterior, _ posteriors: Posteriors
  ) throws(Failure) -> EvaluationFacts {
    let share = Validator.share(of: data.count, rank: communicator.rank, size: communicator.size)
    let rows = try spreadRows(of: data, count: data.count, share: share, communicator, PhaseClock())
    let elements = model.shape.elementCount
    return EvaluationFacts(
      configuration: model.configuration, elements: elements, elbo: elbo, priorMismatch: aggregate.mismatch,
      use: try LatentProbe(model, data, posteriors, communicator).measure(),
      spectrum: PrincipalSpectrum(rows, width: elements), training: model.file.training, step: model.file.step)
  }
}

extension EvaluationReport {
  /// The report as JSON. The names are stable because other programs rely on them.
  package func json(_ file: ModelFile) -> JSON {
    let known: [(String, JSON)] = [
      ("model", .text(file.path)), ("digest", .text(file.digest)), ("step", .integer(file.step)),
      ("epoch", .integer(file.epoch)), ("data", .text(data)), ("samples", .integer(samples)),
      ("recon", .number(elbo.means.reconstruction)), ("kl", .number(elbo.means.kl)),
      ("neg_elbo", .number(elbo.means.negativeELBO)), ("recon_of_mean", .number(elbo.reconstructionOfMean)),
      ("nll", .optional(likelihood?.nll)), ("nll_standard_error", .optional(likelihood?.standardError)),
      ("importance_samples", .integer(likelihood?.samples ?? 0)), ("bits_per_dimension", .optional(bitsPerDimension)),
      ("active_units", .integer(elbo.activeUnits)), ("kl_per_unit", .numbers(elbo.klPerUnit)),
      ("variance_per_unit", .numbers(elbo.variancePerUnit)),
      (
        "aggregate_posterior",
        .object([
          ("samples", .integer(aggregate.samples)), ("mean", .numbers(aggregate.mean)),
          ("variance", .numbers(aggregate.variance)), ("largest_correlation", .number(aggregate.largestCorrelation)),
          ("mutual_information", .number(aggregate.mutualInformation)),
          ("marginal_kl", .optional(aggregate.marginalKL)), ("mmd_imq", .number(aggregate.mmd)),
        ])
      ),
      ("generation", generation.json), ("interpolation", interpolation.json),
      ("diagnosis", facts.json), ("findings", .array(findings.map { .object($0.entries) })),
    ]
    let groups = elbo.klPerGroup.count > 1 ? [("kl_per_group", elbo.klPerGroupJSON)] : []
    return .object(known + groups + (disentanglement.map { [("disentanglement", $0.json)] } ?? []))
  }
}
