import Persistence
import Training

extension AugmentationReport {
  /// The report as JSON. The names are stable because other programs rely on them.
  /// - output: Path of the written rows, or nil if none were written.
  package func json(output: String?, page: String, isForced: Bool) -> JSON {
    let written = output.map(JSON.text) ?? .null
    let diversity = self.diversity.map(\.json) ?? .null
    let memorisation = self.memorisation.map(memorisationJSON) ?? .null
    let classifier = self.classifier.map(\.json) ?? .null
    return .object([
      ("model", .text(model.path)), ("digest", .text(model.digest)), ("data", .text(data.name)),
      ("output", written), ("report", .text(page)), ("refused", .flag(isRefused)),
      ("forced", .flag(isRefused && isForced)), ("rows", .integer(rows.count)),
      ("seed", .integer(Int(clamping: options.seed))),
      ("around", .flag(options.width != nil)), ("width", .optional(options.width)), ("mean", .flag(options.usesMean)),
      ("gate", gateJSON), ("classes", .array(synthesis.outcomes.indices.map(classJSON))),
      ("diversity", diversity), ("memorisation", memorisation),
      ("classifier", classifier), ("findings", .array(findings.map { .object($0.entries) })),
      ("warnings", .array(warnings.map(JSON.text))),
    ])
  }

  private var gateJSON: JSON {
    let criteria = gate.criteria.map { criterion in
      JSON.object([
        ("reason", .text(criterion.reason.rawValue)), ("score", .text(criterion.score.rawValue)),
        ("threshold", .number(criterion.threshold)), ("rejected", .integer(synthesis.rejected(for: criterion.reason))),
      ])
    }
    return .object([
      ("quantile", .number(gate.quantile)), ("real_rows", .integer(real.gate.count)),
      ("candidates", .integer(synthesis.drawn)), ("acceptance", .number(synthesis.acceptance)),
      ("criteria", .array(criteria)), ("copies_rejected", .integer(synthesis.rejected(for: .copy))),
      ("copy_distance", .number(gate.memorisation.distanceLimit)),
      ("copy_ratio", .number(gate.memorisation.ratioLimit)),
    ])
  }

  private func classJSON(_ place: Int) -> JSON {
    let outcome = synthesis.outcomes[place]
    let label = real.classes.isEmpty ? JSON.null : .integer(real.classes[place].label)
    let counts = classifier.map { $0.classes[place] }
    return .object([
      ("label", label), ("name", .text(name(place))), ("wanted", .integer(outcome.wanted)),
      ("rows", .integer(outcome.kept)), ("candidates", .integer(outcome.drawn)),
      ("acceptance", .number(outcome.acceptance)), ("variance_ratio", .optional(diversity?.variances[place] ?? nil)),
      ("tested", .integer(counts?.tested ?? 0)), ("right_by_real", .integer(counts?.real ?? 0)),
      ("right_by_synthetic", .integer(counts?.synthetic ?? 0)),
    ])
  }

  private func memorisationJSON(_ verdict: MemorisationVerdict) -> JSON {
    .object([
      ("memorised", .flag(verdict.isMemorised)), ("copies", .integer(verdict.copies)),
      ("usual_share_of_copies", .number(verdict.usualShare)), ("nearer_share", .number(verdict.distances.share)),
      ("tied_share", .number(verdict.ratios.share)), ("tied_z", .number(verdict.ratios.z)),
      ("real_rows", .integer(gate.memorisation.reference.count)),
    ])
  }
}

extension Diversity {
  fileprivate var json: JSON {
    func json(_ overlap: ManifoldOverlap) -> JSON {
      .object([
        ("precision", .number(overlap.precision)), ("recall", .number(overlap.recall)),
        ("coverage", .number(overlap.coverage)),
      ])
    }
    return .object([
      ("compared", .integer(compared)), ("synthetic", json(overlap)), ("real", json(usual)),
      ("modes", .integer(modes.count)), ("modes_covered", .integer(coveredModes)),
    ])
  }
}

extension ClassifierTest {
  fileprivate var json: JSON {
    .object([
      ("tested", .integer(tested)), ("accuracy_real", .number(share(real))),
      ("accuracy_synthetic", .number(share(synthetic))), ("accuracy_both", .number(share(both))),
      ("commonest_class", .number(share(commonest))), ("standard_error", .number(standardError)),
    ])
  }
}
