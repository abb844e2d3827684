import Evaluation
import Foundation
import Reporting
import Settings
import Training

extension EvaluationReport {
  /// Returns the evaluation as text: one figure per line, with its unit and its meaning.
  package func text(_ file: ModelFile) -> String {
    var lines = [
      "model      \(file.path), step \(file.step)", "data       \(data), \(samples) samples", "",
    ]
    func add(_ name: String, _ value: String, _ meaning: String) {
      lines.append(name.padding(to: 22) + value.padding(to: 14) + meaning)
    }
    add("recon", decimals(elbo.means.reconstruction), "nats per sample: -log p(x | z), z ~ q(z | x)")
    add("recon of the mean", decimals(elbo.reconstructionOfMean), "the same with z = mu")
    add("kl", decimals(elbo.means.kl), "nats: KL(q(z | x) || N(0, I))")
    add("neg_elbo", decimals(elbo.means.negativeELBO), "recon + kl, an upper bound of -log p(x)")
    if let likelihood {
      add(
        "nll", decimals(likelihood.nll),
        "-log p(x) by \(likelihood.samples) importance samples, +- \(decimals(likelihood.standardError))")
    } else {
      add("nll", "-", "--iwae 200 estimates -log p(x)")
    }
    if let bitsPerDimension { add("bits per dimension", decimals(bitsPerDimension), "of the line above") }
    add("active units", "\(elbo.activeUnits) of \(elbo.variancePerUnit.count)", "Var[mu] above 0.01 or as configured")
    add("mutual information", decimals(aggregate.mutualInformation), "I(x; z), nats")
    if let marginal = aggregate.marginalKL {
      add("marginal KL", decimals(marginal), "KL(q(z) || p(z)), nats: 0 is a perfect match")
    }
    add("MMD", decimals(aggregate.mmd), "q(z) against the prior by inverse multiquadratics: 0 is a perfect match")
    addGeneration(add)
    if let disentanglement {
      lines += ["", "disentanglement of \(disentanglement.samples) samples"]
      addDisentanglement(disentanglement, add)
    }
    lines += ["", "unit   KL nats   Var[mu]   mean of q(z)   variance of q(z)"]
    for unit in elbo.klPerUnit.indices.sorted(by: { elbo.klPerUnit[$0] > elbo.klPerUnit[$1] }) {
      func column(_ value: Double?, _ width: Int) -> String {
        let text = value.map { decimals($0) } ?? "-"
        return String(repeating: " ", count: max(0, width - text.count)) + text
      }
      let at = { (values: [Double]) in unit < values.count ? values[unit] : nil }
      lines.append(
        "\(unit)".padding(to: 4) + column(elbo.klPerUnit[unit], 10) + column(at(elbo.variancePerUnit), 10)
          + column(at(aggregate.mean), 15) + column(at(aggregate.variance), 19))
    }
    return (lines + diagnosis).joined(separator: "\n")
  }

  private var diagnosis: [String] {
    let use = facts.use
    var lines = [
      "",
      "Diagnosis: another sample's z costs \(decimals(use.gap)) nats, reconstructions have "
        + "\(decimals(100 * use.varianceRatio)) % of the data's variance",
    ]
    if use.samples < EvaluationChecks.leastSamples {
      lines.append("  \(use.samples) samples are too few for further findings")
    } else if findings.isEmpty {
      lines.append("  none of the known problems was found: the decoder uses z, and z is worth its KL")
    }
    for (number, finding) in findings.enumerated() {
      lines.append("\(number + 1). \(finding.level.rawValue)  \(finding.check): \(finding.message)")
      if let advice = finding.advice { lines.append("   fix: \(advice)") }
    }
    return lines
  }

  private func addGeneration(_ add: (String, String, String) -> Void) {
    let ratio = { (value: Double?) in value.map { decimals($0) } ?? "-" }
    let drawn = "E[x | z], z from the prior,"
    add(
      "sharpness, recon", ratio(generation.sharpnessOfReconstructions), "E[x | z = mu] over the data's: below 1 blurs")
    add("sharpness, samples", ratio(generation.sharpnessOfSamples), "\(drawn) over the data's")
    add("variance of samples", ratio(generation.varianceRatio), "\(drawn) over the data's: below 1 they vary less")
    add(
      "Frechet distance", ratio(generation.frechetDistance),
      "of mu, data against samples, on the model's own features: compare within one model")
    add(
      "smoothness", ratio(interpolation.linear) + " " + ratio(interpolation.spherical),
      "linear, spherical: largest step over the median, \(interpolation.pairs) pairs: 1 is even")
  }

  private func addDisentanglement(_ report: DisentanglementReport, _ add: (String, String, String) -> Void) {
    add(
      "MIG", decimals(report.gap.mean),
      zip(report.factors, report.gap.gaps).map { "\($0) \(decimals($1))" }.joined(separator: ", "))
    add("DCI disentanglement", decimals(report.dci.disentanglement), "1: each unit describes one factor only")
    add("DCI completeness", decimals(report.dci.completeness), "1: each factor is described by one unit only")
    add("DCI informativeness", decimals(report.dci.informativeness), "share of right answers from mu, by a forest")
    add("beta-VAE score", decimals(report.scores.betaVAE), "a linear classifier names the factor held fixed")
    add("FactorVAE score", decimals(report.scores.factorVAE), "the unit that varies least names it")
  }

  private func decimals(_ value: Double) -> String {
    "\(value, .fixed(abs(value) >= 100 ? 2 : 3))"
  }
}
