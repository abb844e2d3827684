import Autograd
import Data
import Foundation
import Kernels
import Testing
import Training
import VAE

@testable import Evaluation

/// A small model with initial weights, and rows to score.
private struct ScoredModel {
  let autoencoder: VariationalAutoencoder
  let scaling = Scaling(offset: [0.5, -1, 0, 2, 0, 0.25], scale: [2, 1, 0.5, 1, 3, 1])
  /// The rows, in the units of the data.
  var x: PortableArray
  let condition: Condition?
  static let elements = 6, rows = 9, seed: UInt64 = 12

  init(likelihood: String, columns: [Int] = [], prior: String = PriorRegistry.standard) throws {
    var settings = ModelSettings(), words = LikelihoodSettings()
    settings[.hidden] = [11]
    settings.latent = 3
    settings.image = ImageShape(rows: 1, columns: Self.elements, channels: 1)
    settings.missing = columns.isEmpty ? .none : .masked
    condition =
      prior == PriorRegistry.standard ? nil : .classes(labels: [0, 1, 2], names: ["a", "b", "c"])
    (settings.prior, settings.condition) = (prior, condition?.width ?? 0)
    (settings[.flowLayers], settings[.priorHidden]) = (4, [5])
    words.columns = columns
    autoencoder = try VariationalAutoencoder(
      settings, likelihood: LikelihoodRegistry.all.make(likelihood, words), objective: Objective(), seed: 5)
    for parameter in autoencoder.store.parameters where parameter.name.hasPrefix("prior.") {
      for at in parameter.range { autoencoder.store.values[at] = Float(0.4 * sin(Double(at) * 2.3)) }
    }
    x = PortableArray(
      [Self.rows, Self.elements], (0..<Self.rows * Self.elements).map { Double(Float(sin(Double($0) * 1.7) * 1.5)) })
  }

  var model: PortableModel { PortableModel(autoencoder, .vector(Self.elements), scaling, condition) }
  /// The condition, in which row i has class i mod 3. Empty without classes.
  private var y: [Float] {
    guard let condition else { return [] }
    return (0..<Self.rows).flatMap { condition.oneHot($0 % condition.classes) }
  }
  private var inputs: [String: PortableArray] {
    guard let condition else { return ["x": x] }
    return ["x": x, "y": PortableArray([Self.rows, condition.width], y.map(Double.init))]
  }

  func scores(_ score: Score, draws: Int) -> [Double] {
    let scorer = RowScorer(autoencoder, score, draws: draws, seed: Self.seed)
    return stride(from: 0, to: Self.rows, by: scorer.rows).flatMap { first in
      let filled = min(scorer.rows, Self.rows - first)
      for i in 0..<filled * Self.elements {
        let j = i % Self.elements
        scorer.x[i] = (Float(x.numbers[first * Self.elements + i]) - scaling.offset[j]) * scaling.scale[j]
      }
      if let input = scorer.y, let width = condition?.width {
        for i in 0..<filled * width { input[i] = y[first * width + i] }
      }
      return scorer.scores(of: filled)
    }
  }

  func calibration(_ score: Score, draws: Int, on scores: [Double], quantile: Double) -> Calibration {
    Calibration(
      model: "", score: score, draws: draws, data: "", available: scores.count, scores: scores, columns: nil,
      quantile: quantile)
  }

  /// Expects that the graph agrees with the program. The threshold is the score of one of the rows.
  func agrees(_ score: Score) throws {
    let draws = score.defaultDraws == nil ? 1 : 5, expected = scores(score, draws: draws)
    let calibration = calibration(score, draws: draws, on: expected, quantile: 0.5)
    #expect(expected.contains(calibration.threshold.value) && expected.contains(where: calibration.isAnomalous))
    let graph = try model.scorer(calibration, seed: Self.seed)
    let found = try PortableInterpreter(graph).run(inputs)
    for (found, expected) in zip(try #require(found["score"]).numbers, expected) {
      #expect(abs(found - expected) <= 1e-5 * max(1, abs(expected)))
    }
    #expect(try #require(found["anomalous"]).numbers == expected.map { calibration.isAnomalous($0) ? 1 : 0 })
    #expect(graph.outputs.map(\.isFlag) == [false, true] && graph.outputs.allSatisfy { $0.extents == [] })
  }
}

@Suite struct PortableScorerTests {
  @Test("The exported scorer gives the scores and decisions of the program", arguments: Score.allCases)
  func scores(score: Score) throws {
    try ScoredModel(likelihood: "gaussian_learned").agrees(score)
  }

  @Test(
    "The exported scorer equals the program for learned priors", arguments: Score.allCases, ["conditional", "flow"])
  func priors(score: Score, prior: String) throws {
    try ScoredModel(likelihood: "gaussian_learned", prior: prior).agrees(score)
  }

  @Test(
    "The exported scorer equals the program for tables with categories and missing values", arguments: Score.allCases)
  func tables(score: Score) throws {
    var planted = try ScoredModel(likelihood: "columns_learned", columns: [1, 3, 1, 1])
    for element in 1..<4 { planted.x.numbers[2 * ScoredModel.elements + element] = .nan }
    planted.x.numbers[4 * ScoredModel.elements] = .nan
    try planted.agrees(score)
  }

  @Test("A row whose score is NaN is anomalous")
  func noNumber() throws {
    var planted = try ScoredModel(likelihood: "laplace")
    let calibration = planted.calibration(.squaredError, draws: 1, on: [1, 2, 3], quantile: 0.9)
    planted.x.numbers[ScoredModel.elements + 2] = .nan
    let found = try PortableInterpreter(planted.model.scorer(calibration, seed: 0)).run(["x": planted.x])
    #expect(found["score"]?.numbers[1] == .infinity && found["score"]?.numbers[0].isFinite == true)
    #expect(found["anomalous"]?.numbers[1] == 1)
  }

  @Test("Rounding does not lift a row over the exported threshold, which is below the next score")
  func threshold() throws {
    let planted = try ScoredModel(likelihood: "laplace")
    func threshold(_ scores: [Double]) -> Float {
      planted.calibration(.nll, draws: 1, on: scores, quantile: 0.5).portableThreshold
    }
    #expect(threshold([1, 300, 900]) == Float(300.003) && threshold([-9, -2, 5]) == Float(-1.99998))
    #expect(threshold([1, 2, 2.000002]) == Float(2.000001))
    #expect(threshold([7]) == Float(7.00007))
  }
}
