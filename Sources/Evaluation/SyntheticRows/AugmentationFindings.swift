import Foundation
import Training

/// Findings about synthetic rows. A finding at the level of a problem prevents the rows from being written.
struct AugmentationFindings {
  private static let leastVariance = 0.25, lowVariance = 0.5, highVariance = 2.0
  /// Limits relative to the overlap of real rows with other real rows.
  private static let leastOverlap = 0.25, lowOverlap = 0.6
  private static let leastModes = 0.5
  private static let lowAcceptance = 0.5

  private let report: AugmentationReport

  init(_ report: AugmentationReport) { self.report = report }

  var all: [Finding] {
    [acceptance] + tooFew + (report.diversity.map { [variety($0), neighbourhoods($0), modes($0)] } ?? [])
      + (report.memorisation.map { [memorised($0)] } ?? []) + (report.classifier.map { [classifier($0)] } ?? [])
  }

  private func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }
  private func number(_ value: Double) -> String { String(format: "%.2f", value) }

  // MARK: Quality gate

  private var acceptance: Finding {
    let synthesis = report.synthesis, check = "quality gate"
    let counts = QualityGate.Reason.allCases.map { ($0, synthesis.rejected(for: $0)) }.filter { $0.1 > 0 }
    let words = counts.map { "\($0.1) because \($0.0.meaning)" }.joined(separator: ", ")
    let passed = "\(synthesis.rows.count) of \(synthesis.drawn) candidates passed (\(percent(synthesis.acceptance)))"
    let message = passed + (words.isEmpty ? "" : "; rejected: " + words)
    let advice = counts.max { $0.1 < $1.1 }.map { self.advice($0.0) }
    if let place = synthesis.outcomes.firstIndex(where: { !$0.isFull }) {
      let outcome = synthesis.outcomes[place]
      return Finding(
        .problem, check,
        "\(outcome.kept) of \(outcome.drawn) candidates for \(report.name(place)) passed, but \(outcome.wanted) were "
          + "requested; in total " + message, advice: advice)
    }
    return Finding(
      synthesis.acceptance < Self.lowAcceptance ? .warning : .ok, check, message,
      advice: synthesis.acceptance < Self.lowAcceptance ? advice : nil)
  }

  private func advice(_ reason: QualityGate.Reason) -> String {
    switch reason {
    case .reconstruction:
      report.options.usesMean
        ? "use a model that reconstructs better" + narrower
        : "use --mean, a model.likelihood whose draws look like the data, such as discretized_logistic for pictures "
          + "(docs/reference/likelihoods.md), or a model that overfits less" + narrower
    case .density: "use a model that fits held-out rows better" + narrower
    case .copy: "use a model that memorises less (fewer epochs, or a smaller one)" + wider
    }
  }

  private var narrower: String { report.options.width == nil ? "" : ", or a smaller --width" }
  private var wider: String { report.options.width == nil ? "" : ", or a larger --width" }

  private var tooFew: [Finding] {
    guard report.diversity == nil, report.synthesis.outcomes.allSatisfy(\.isFull) else { return [] }
    return [
      Finding(
        .warning, "number of rows",
        "\(report.rows.count) rows are too few to check for variety, copies and usefulness: only the gate "
          + "has judged them", advice: "use -n \(AugmentationReport.leastRows) or more")
    ]
  }

  // MARK: Variety

  private func variety(_ diversity: Diversity) -> Finding {
    let check = "variety"
    let known = diversity.variances.enumerated().compactMap { place, ratio in ratio.map { (place, $0) } }
    guard let least = known.min(by: { $0.1 < $1.1 }), let most = known.max(by: { $0.1 < $1.1 }) else {
      return Finding(.ok, check, "no class has enough rows for this check")
    }
    let message =
      "synthetic rows of a class have \(number(least.1)) (\(report.name(least.0))) to \(number(most.1)) "
      + "(\(report.name(most.0))) times the variance of real ones"
    let narrow = "use draws instead of --mean, or a model that uses its latent (vae-dist evaluate)" + wider
    if least.1 < Self.leastVariance { return Finding(.problem, check, "collapsed: " + message, advice: narrow) }
    if least.1 < Self.lowVariance { return Finding(.warning, check, message, advice: narrow) }
    let wide = "use a likelihood that is less noisy" + narrower
    return Finding(
      most.1 > Self.highVariance ? .warning : .ok, check, message, advice: most.1 > Self.highVariance ? wide : nil)
  }

  private func neighbourhoods(_ diversity: Diversity) -> Finding {
    let overlap = diversity.overlap, usual = diversity.usual
    let message =
      "precision \(number(overlap.precision)), recall \(number(overlap.recall)), coverage \(number(overlap.coverage)); "
      + "real rows compared with each other \(number(usual.precision)), \(number(usual.recall)), \(number(usual.coverage))"
    let shares = [
      overlap.precision / max(usual.precision, 1e-9), overlap.recall / max(usual.recall, 1e-9),
      overlap.coverage / max(usual.coverage, 1e-9),
    ]
    let least = shares.indices.min { shares[$0] < shares[$1] } ?? 0
    let advice = [
      "some rows lie where no real ones do: use a smaller --quantile, or --mean" + narrower,
      "some real rows lie where no synthetic ones do: use draws instead of --mean" + wider,
      "few real rows have a synthetic row near them: use a likelihood whose draws look like the data",
    ][least]
    let level =
      shares[least] < Self.leastOverlap ? Finding.Level.problem : shares[least] < Self.lowOverlap ? .warning : .ok
    return Finding(level, "neighbourhoods", message, advice: level == .ok ? nil : advice)
  }

  private func modes(_ diversity: Diversity) -> Finding {
    let count = diversity.modes.count, covered = diversity.coveredModes
    let missing = Double(covered) < Self.leastModes * Double(count)
    return Finding(
      missing ? .problem : covered < count ? .warning : .ok, "modes",
      "\(covered) of \(count) clusters of real rows have at least a tenth of their share of synthetic rows",
      advice: covered < count
        ? "some kinds of rows are missing: make more rows, or use a model that covers all kinds" + wider : nil)
  }

  // MARK: Copies

  private func memorised(_ verdict: MemorisationVerdict) -> Finding {
    let check = "memorisation"
    let shares =
      "a synthetic row is nearer to a training row than a real one in \(percent(verdict.distances.share)) of pairs, "
      + "and more closely tied to a single training row in \(percent(verdict.ratios.share))"
    let copies = "\(verdict.copies) of \(verdict.rows) rows are as near to a training row as a copy"
    let message = "\(copies); \(shares)"
    guard verdict.isMemorised else { return Finding(.ok, check, message) }
    return Finding(
      .problem, check, message,
      advice: report.options.width == nil
        ? "use a model that memorises less: fewer epochs, a smaller model, or more training rows"
        : "use a larger --width: rows hardly differ from those that they were made around")
  }

  // MARK: Usefulness

  private func classifier(_ found: ClassifierCheck) -> Finding {
    let message =
      "trained only on synthetic rows, a classifier is right for \(percent(found.share(found.synthetic))) of "
      + "\(found.tested) real held-out rows; trained on real rows for \(percent(found.share(found.real))), on both for "
      + "\(percent(found.share(found.both))) (the most common class has \(percent(found.share(found.commonest))))"
    if found.isFarBelow {
      return Finding(
        .problem, "classifier", message,
        advice: "synthetic rows do not represent the classes: make more rows, or train the model longer" + narrower)
    }
    return Finding(found.lost > 2 * found.standardError ? .warning : .ok, "classifier", message)
  }
}
