import Foundation
import Kernels
import Training

/// Generates candidates for synthetic rows in blocks. Candidate j of a class is determined by the model, seed, class
/// and j.
package final class CandidateSource {
  /// Rows in a block. A multiple of the decoder's batch size, so that a candidate always has the same position in a
  /// batch.
  package static let block = 4 * LatentDecoder.rows

  /// The distribution of z.
  package enum Origin {
    case prior
    /// The posteriors of training rows, the indices of the rows of each class, and the width of z in standard
    /// deviations of the posterior.
    case around(Posteriors, [[Int]], width: Float)
  }

  /// What candidates are conditioned on.
  package enum Condition {
    case nothing
    /// One y for each class.
    case classes([[Float]])
    /// The y of the training row that the candidate is generated around. (training rows, width)
    case sources([Float], width: Int)
  }

  private let origin: Origin
  private let condition: Condition
  private let prior: PriorSampler
  private let decoder: LatentDecoder
  private let latent: Int
  private let seed: UInt64

  /// - usesMean: Whether to generate E[x | z] instead of a draw from p(x | z).
  package init(_ model: TrainedModel, _ origin: Origin, _ condition: Condition, usesMean: Bool, seed: UInt64) {
    (self.origin, self.condition) = (origin, condition)
    self.seed = seed
    latent = model.autoencoder.latent
    prior = PriorSampler(model.autoencoder)
    decoder = LatentDecoder(
      model.autoencoder, drawing: usesMean ? nil : seed)
  }

  /// Generates one block of candidates and their y. x (block, elements), y (block, condition)
  package func block(_ number: Int, ofClass place: Int) -> (x: [Float], y: [Float]) {
    // The index space of each class has room for 2^40 candidates.
    let first = UInt64(place) << 40 + UInt64(number * Self.block)
    var z = [Float](repeating: 0, count: Self.block * latent), sources: [Int] = []
    KeyedGenerator(seed: seed, stream: "augment z").normal(
      into: &z, samples: (0..<UInt64(Self.block)).map { first + $0 }, rows: Self.block, columns: latent, epoch: 0)
    if case .around(let posteriors, let classes, let width) = origin {
      sources = (0..<Self.block).map { source(number * Self.block + $0, of: classes[place], place) }
      for (row, source) in sources.enumerated() {
        for unit in 0..<latent {
          let at = source * latent + unit
          z[row * latent + unit] = posteriors.mu[at] + width * exp(posteriors.logvar[at] / 2) * z[row * latent + unit]
        }
      }
    }
    let y: [Float] =
      switch condition {
      case .nothing: []
      case .classes(let told): repeated(told[place], Self.block)
      case .sources(let told, let width): sources.flatMap { told[$0 * width..<($0 + 1) * width] }
      }
    if case .prior = origin { z = prior.draw(z, given: y) }
    decoder.first = first
    return (decoder.decode(z, given: y), y)
  }

  /// The training row for a candidate. Each pass uses all rows of the class, in a different order.
  private func source(_ candidate: Int, of rows: [Int], _ place: Int) -> Int {
    let (turn, number) = candidate.quotientAndRemainder(dividingBy: rows.count)
    let order = KeyedPermutation(
      count: rows.count, generator: KeyedGenerator(seed: seed, stream: "augment source"), epoch: UInt32(turn),
      part: UInt32(place))
    return rows[order[number]]
  }
}
