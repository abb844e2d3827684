import Communication
import Data
import Kernels
import Persistence
import Training
import VAE

/// What a trained model is worth on a set: the same numbers on any number of ranks. Nats per sample.
package struct EvaluationReport: Sendable {
  package var data: String
  package var samples: Int
  package var elbo: ValidationReport
  /// nil unless asked for.
  package var likelihood: LikelihoodEstimate?
  package var aggregate: AggregatePosterior
  package var bits: BitsPerDimension?
  package var generation: GenerationReport
  package var interpolation: InterpolationReport
  /// Of data that says what it was made from.
  package var disentanglement: DisentanglementReport?
  package var symptoms: Symptoms
  /// What is wrong with the model, the gravest first.
  package var findings: [Finding]

  /// Of the tightest bound there is.
  package var bitsPerDimension: Double? { bits.map { $0(nats: likelihood?.nll ?? elbo.means.negativeELBO) } }
}

package final class Evaluator {
  private let model: TrainedModel
  private let data: Dataset
  private let communicator: Communicator

  /// Collective: opens and checks this rank's share of the data. - limit: the first samples alone.
  package init(
    _ model: TrainedModel, data spec: String?, limit: Int? = nil, _ communicator: Communicator
  ) throws(Failure) {
    self.model = model
    self.communicator = communicator
    let data = try communicator.together { () throws(Failure) in try model.open(spec).prefix(limit ?? .max) }
    try communicator.agree(
      on: [("samples", "\(data.count)"), ("digest of the data", data.fingerprint)], when: "before evaluation",
      status: .badData, hint: "give every host the same data files")
    let share = Validator.share(of: data.count, rank: communicator.rank, size: communicator.size)
    try communicator.together { () throws(Failure) in try data.prepare(share) }
    self.data = data
  }

  /// Collective. - importanceSamples: 0 for no likelihood estimate.
  package func evaluate(importanceSamples: Int) throws(Failure) -> EvaluationReport {
    let validator = Validator(
      model.autoencoder, data: data, communicator: communicator, configuration: model.configuration,
      clock: PhaseClock())
    let elbo = try validator.validate(seed: model.seed)
    let hasFactors = data.factorNames != nil
    let posteriors = try Encoder(model, data, communicator).encode(
      limit: hasFactors ? DisentanglementReport.most : AggregatePosterior.limit)
    let aggregate = try AggregatePosterior(
      posteriors.spaced(AggregatePosterior.limit), seed: model.seed, communicator)
    let generation = try GenerationMetrics(model, data, communicator).measure(posteriors)
    var likelihood: LikelihoodEstimate?
    if importanceSamples > 0 {
      likelihood = try ImportanceEstimator(model, data, communicator).estimate(samples: importanceSamples)
    }
    let symptoms = try symptoms(elbo, aggregate, posteriors.spaced(AggregatePosterior.limit))
    return EvaluationReport(
      data: data.name, samples: data.count, elbo: elbo, likelihood: likelihood, aggregate: aggregate,
      bits: model.bits, generation: generation,
      interpolation: InterpolationReport(posteriors.codes(data), LatentDecoder(model.autoencoder)),
      disentanglement: DisentanglementReport(
        posteriors, data, activeVariance: model.configuration.monitor.activeVariance, seed: model.seed),
      symptoms: symptoms, findings: Diagnosis.findings(symptoms))
  }

  private func symptoms(
    _ elbo: ValidationReport, _ aggregate: AggregatePosterior, _ posteriors: Posteriors
  ) throws(Failure) -> Symptoms {
    let share = Validator.share(of: data.count, rank: communicator.rank, size: communicator.size)
    let rows = try spreadRows(of: data, count: data.count, share: share, communicator, PhaseClock())
    let elements = model.shape.elementCount
    return Symptoms(
      configuration: model.configuration, elements: elements, elbo: elbo, priorMismatch: aggregate.mismatch,
      use: try LatentProbe(model, data, posteriors, communicator).measure(),
      spectrum: PrincipalSpectrum(rows, width: elements), training: model.file.training, step: model.file.step)
  }
}

extension EvaluationReport {
  /// Stable names: programs rely on them.
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
          ("marginal_kl", .number(aggregate.marginalKL)), ("mmd_imq", .number(aggregate.mmd)),
        ])
      ),
      ("generation", generation.json), ("interpolation", interpolation.json),
      ("diagnosis", symptoms.json), ("findings", .array(findings.map { .object($0.entries) })),
    ]
    return .object(known + (disentanglement.map { [("disentanglement", $0.json)] } ?? []))
  }
}
