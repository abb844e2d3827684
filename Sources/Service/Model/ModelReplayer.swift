#if Service
import Evaluation
import Training

/// Runs a trained model for the batcher with the same graphs as the `score` command.
final class ModelReplayer: Replayer {
  private let scorer: RowScorer
  private let prior: PriorSampler
  private let decoder: LatentDecoder

  init(_ model: TrainedModel, _ scorer: RowScorer) {
    self.scorer = scorer
    scorer.admitSmallReplays(of: model.autoencoder)
    prior = PriorSampler(model.autoencoder)
    decoder = LatentDecoder(model.autoencoder)
  }

  var rows: Int { scorer.rows }
  var elements: Int { scorer.elements }

  func width(_ work: RowWork) -> Int {
    switch work {
    case .score: 1
    case .encode: 2 * scorer.latent
    case .reconstruct: scorer.elements
    }
  }

  func put(_ row: ArraySlice<Float>, at place: Int) {
    row.withUnsafeBufferPointer { row in
      guard let base = row.baseAddress else { return }
      (scorer.x + place * scorer.elements).update(from: base, count: row.count)
    }
  }

  func replay(_ work: RowWork, filled: Int) -> [Double] {
    switch work {
    case .score: return scorer.scores(of: filled)
    case .encode:
      scorer.replayAtMean(of: filled)
      let latent = scorer.latent
      return (0..<filled).flatMap { row in
        [scorer.mu, scorer.logvar].flatMap { values in (0..<latent).map { Double(values[row * latent + $0]) } }
      }
    case .reconstruct:
      scorer.replayAtMean(of: filled)
      return (0..<filled * scorer.elements).map { Double(scorer.mean[$0]) }
    }
  }

  /// Draws new samples as the `sample` command does.
  func sample(_ work: SampleWork) -> [Double] {
    let noise = PriorNoise(columns: scorer.noiseColumns, seed: work.seed, temperature: work.temperature).draw(
      work.count)
    return decoder.decode(prior.draw(noise, given: []), given: []).map(Double.init)
  }
}
#endif
