import Data
import Kernels
import Training

/// Synthetic rows and what is known of them.
package struct AugmentationReport {
  package let model: ModelFile
  package let data: Dataset
  package let shape: SampleShape
  package let options: AugmentationOptions
  package let real: RealRows
  package let gate: QualityGate
  package let synthesis: Synthesis
  package let warnings: [String]
  /// nil where too few rows passed the gate to say more of them.
  package private(set) var diversity: Diversity?
  package private(set) var memorisation: MemorisationVerdict?
  /// nil where there are not two classes.
  package private(set) var classifier: ClassifierCheck?
  package private(set) var findings: [Finding] = []

  /// Fewer rows say nothing of a set.
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
        classifier = ClassifierCheck(
          real: real.training, synthetic: synthesis.rows, test: real.test, classes: real.classes.count,
          seed: model.seed)
      }
    }
    findings = AugmentationFindings(self).all
  }

  /// Why the rows ought not to be used.
  package var reasons: [Finding] { findings.filter { $0.level == .problem } }
  package var isRefused: Bool { !reasons.isEmpty }
  package var rows: LabelledRows { synthesis.rows }

  package func name(_ place: Int) -> String { real.classes.isEmpty ? "all rows" : real.classes[place].name }
}

/// How varied synthetic rows are beside real ones.
package struct Diversity: Equatable, Sendable {
  /// Rows of each part that was compared.
  package let compared: Int
  /// Of synthetic rows with real ones, and of other real rows with the same ones: what is usual.
  package let overlap: ManifoldOverlap
  package let usual: ManifoldOverlap
  /// Of each class: total variance of synthetic rows over that of real ones; nil where there are too few.
  package let variances: [Double?]
  /// Of each cluster of real rows.
  package let modes: [Mode]

  /// The share of real and of synthetic rows that are in it.
  package struct Mode: Equatable, Sendable {
    package let real: Double
    package let synthetic: Double
  }

  private static let mostCompared = 4_000
  private static let leastOfClass = 5
  /// Of a cluster's due share, what counts as having it.
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
