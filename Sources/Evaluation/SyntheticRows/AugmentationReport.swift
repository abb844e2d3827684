import Data
import Kernels
import Training

/// Synthetic rows and their evaluation.
package struct AugmentationReport {
  package let model: ModelFile
  package let data: Dataset
  package let shape: SampleShape
  package let options: AugmentationOptions
  package let real: RealRows
  package let gate: QualityGate
  package let synthesis: Synthesis
  package let warnings: [String]
  /// Variety of the rows; nil, like `memorisation`, if fewer than `leastRows` rows passed the gate.
  package private(set) var diversity: Diversity?
  package private(set) var memorisation: MemorisationVerdict?
  /// Classifier test; nil if there are fewer than two classes, no test rows or too few synthetic rows.
  package private(set) var classifier: ClassifierTest?
  package private(set) var findings: [Finding] = []

  /// Minimum number of rows for an evaluation of the whole set.
  static let leastRows = 20

  init(
    _ model: TrainedModel, _ data: Dataset, _ options: AugmentationOptions, _ real: RealRows, _ gate: QualityGate,
    _ synthesis: Synthesis, warnings: [String]
  ) {
    (self.model, self.data, shape, self.options) = (model.file, data, model.shape, options)
    (self.real, self.gate, self.synthesis) = (real, gate, synthesis)
    let known = real.training.count
    self.warnings =
      warnings
      + (known < real.available
        ? ["rows are compared with \(known) of the \(real.available) training rows, evenly spaced"] : [])
    if synthesis.rows.count >= Self.leastRows {
      diversity = Diversity(real.training, synthesis.rows, classes: max(1, real.classes.count), seed: model.seed)
      memorisation = gate.memorisation.verdict(on: synthesis.judgements.map(\.nearness))
      if real.classes.count > 1, real.test.count > 0 {
        classifier = ClassifierTest(
          real: real.training, synthetic: synthesis.rows, test: real.test, classes: real.classes.count,
          seed: model.seed)
      }
    }
    findings = AugmentationChecks.all.findings(in: self)
  }

  /// Findings because of which the rows should not be used.
  package var reasons: [Finding] { findings.filter { $0.level == .problem } }
  package var isRefused: Bool { !reasons.isEmpty }
  package var rows: LabelledRows { synthesis.rows }

  /// The name of a class, given its index in `RealRows.classes`.
  package func name(_ place: Int) -> String { real.classes.isEmpty ? "all rows" : real.classes[place].name }
}

/// The variety of synthetic rows, compared with real rows.
package struct Diversity: Equatable, Sendable {
  /// Number of rows compared in each set.
  package let compared: Int
  /// Overlap of synthetic rows with half of the real rows. `usual` is the overlap of the other half with the same rows.
  package let overlap: ManifoldOverlap
  package let usual: ManifoldOverlap
  /// Total variance of synthetic rows relative to real rows, for each class; nil if a class has too few rows.
  package let variances: [Double?]
  /// The clusters of real rows.
  package let modes: [Mode]

  /// Share of real rows and share of synthetic rows in one cluster.
  package struct Mode: Equatable, Sendable {
    package let real: Double
    package let synthetic: Double
  }

  private static let mostCompared = 4_000
  private static let leastOfClass = 5
  /// A cluster counts as covered if its share of synthetic rows is at least this part of its share of real rows.
  private static let covered = 0.1

  package init(_ real: LabelledRows, _ synthetic: LabelledRows, classes: Int, seed: UInt64) {
    let halves = real.halves, one = real.rows(halves.one), other = real.rows(halves.other)
    let most = min(one.count, other.count, synthetic.count, Self.mostCompared)
    let ours = one.spaced(most), made = synthetic.spaced(most), width = real.width
    compared = most
    let k = max(1, min(ManifoldOverlap.neighbours, most - 1))
    overlap = ManifoldOverlap(real: ours.x, synthetic: made.x, width: width, k: k)
    usual = ManifoldOverlap(real: ours.x, synthetic: other.spaced(most).x, width: width, k: k)
    variances = (0..<classes).map { place in
      let known = real.of(class: place), drawn = synthetic.of(class: place)
      let variance = totalVariance(known.x, width: width)
      guard min(known.count, drawn.count) >= Self.leastOfClass, variance > 0 else { return nil }
      return totalVariance(drawn.x, width: width) / variance
    }
    let sample = real.spaced(Self.mostCompared)
    let clusters = Clusters(sample.x, width: width, count: Clusters.count(ofRows: sample.count), seed: seed)
    modes = zip(clusters.shares(of: sample.x), clusters.shares(of: made.x)).map(Mode.init)
  }

  package var coveredModes: Int { modes.count { $0.synthetic >= Self.covered * $0.real } }
}
