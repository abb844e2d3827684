import RunConfiguration
import Data
import Kernels
import VAE

/// Decodes images for display on rank 0: samples from fixed prior noise, reconstructions of validation samples, and
/// paths through the latent space.
package final class PictureMaker {
  private static let sampleCount = 64
  private static let stripCount = 16
  /// Number of samples of each class, for a class-conditional model.
  private static let classColumns = 8
  /// Maximum number of rows of traversals.
  private static let mostUnits = 20
  /// Maximum number of values in all images of a kind. Fewer large images are shown, or none.
  private static let mostValues = 40_000_000

  private let data: Dataset
  private let latent: Int
  private let prior: PriorSampler
  private let decoder: LatentDecoder
  private let drawn: PriorSamples
  /// Indices of the samples that are shown.
  private let indices: [Int]
  private lazy var labels = data.labels(of: indices)
  private lazy var conditions = data.conditions(of: indices)

  /// Builds the graphs of the prior and the decoder.
  ///
  /// - Parameters:
  ///   - indices: Indices of the samples that are shown in `data`.
  ///   - parameters: Values to use in place of the store's.
  package init(
    _ autoencoder: VariationalAutoencoder, showing indices: [Int], of data: Dataset, _ configuration: Configuration,
    parameters: UnsafeMutablePointer<Float>? = nil
  ) {
    (self.data, self.indices) = (data, indices)
    latent = autoencoder.latent
    prior = PriorSampler(autoencoder, parameters: parameters)
    decoder = LatentDecoder(autoencoder, parameters: parameters)
    let noise = PriorNoise(columns: autoencoder.latents.noiseColumns, seed: UInt64(configuration.train.seed))
    let elements = data.shape.elementCount
    if let condition = data.condition, condition.classes > 0 {
      let shown = PictureMaker.rows(of: PictureMaker.classColumns, condition.classes, elements: elements)
      drawn = PriorSamples(noise, each: PictureMaker.classColumns, of: Array(0..<shown), condition)
    } else {
      let count = PictureMaker.rows(of: 1, PictureMaker.sampleCount, elements: elements)
      drawn = PriorSamples(
        noise, count: count, y: data.conditions(of: (0..<count).map { $0 * data.count / max(1, count) }))
    }
  }

  /// Makes the images of an epoch from the samples that its validation has kept.
  package func make(epoch: Int, step: Int, klPerUnit: [Double], of shown: ShownSamples) -> PictureReport {
    let elements = data.shape.elementCount
    let strip = shown.pictured.indices.spaced(rows(of: 2, PictureMaker.stripCount))
    return PictureReport(
      epoch: epoch, step: step, shape: data.shape, samples: decode(drawn.noise, given: drawn.y),
      sampleColumns: drawn.columns, sampleNames: drawn.names,
      originals: strip.flatMap { shown.pixels[$0 * elements..<($0 + 1) * elements].map { Float($0) / 255 } },
      reconstructions: decoder.decode(
        strip.flatMap { shown.mu(shown.pictured[$0]) },
        given: data.conditions(of: strip.map { indices[shown.pictured[$0]] })), space: space(klPerUnit, shown))
  }

  private func space(_ klPerUnit: [Double], _ shown: ShownSamples) -> LatentSpaceReport {
    let codes = LatentCodes(
      latent: latent, mu: shown.mu, labels: labels, labelNames: data.classNames, conditions: conditions)
    let units = Array(
      klPerUnit.prefix(latent).descending.prefix(rows(of: LatentPaths.traversalSteps, PictureMaker.mostUnits)))
    let pairs = codes.fixedPairs(rows(of: LatentPaths.steps, LatentPaths.pairs))
    let between = codes.ways(pairs, steps: LatentPaths.steps, .linear)
    let origin = [Float](repeating: 0, count: latent)
    let side = LatentPaths.manifoldSide
    return LatentSpaceReport(
      interpolations: decoder.decode(between.z, given: between.y), units: units, klPerUnit: units.map { klPerUnit[$0] },
      traversals: decodeAsFirst(LatentPaths.traverse(origin, units: units)),
      manifold: latent == 2 && rows(of: side, side) == side ? decodeAsFirst(LatentPaths.manifold()) : [],
      codes: codes)
  }

  private func decode(_ noise: [Float], given y: [Float]) -> [Float] {
    decoder.decode(prior.draw(noise, given: y), given: y)
  }

  /// Decodes prior noise with the condition of the first validation sample.
  private func decodeAsFirst(_ noise: [Float]) -> [Float] {
    decode(noise, given: repeated(data.conditions(of: [0]), noise.count / latent))
  }

  private func rows(of pictures: Int, _ most: Int) -> Int {
    PictureMaker.rows(of: pictures, most, elements: data.shape.elementCount)
  }

  /// Number of rows of `pictures` images each, limited so that they can be shown after every epoch.
  private static func rows(of pictures: Int, _ most: Int, elements: Int) -> Int {
    min(most, mostValues / (pictures * elements))
  }

  /// Number of bytes for the images of an epoch, excluding the decoder's graph and the samples shown.
  ///
  /// - Parameter classes: Number of classes that the model is conditioned on, or an upper bound of it.
  static func bytes(elements: Int, latent: Int, classes: Int) -> Int {
    let side = LatentPaths.manifoldSide
    let kinds = [
      (1, sampleCount), (classColumns, classes), (2, stripCount), (LatentPaths.steps, LatentPaths.pairs),
      (LatentPaths.traversalSteps, mostUnits), (side, latent == 2 ? side : 0),
    ]
    let pictures = kinds.reduce(0) { $0 + $1.0 * rows(of: $1.0, $1.1, elements: elements) }
    return pictures * elements * MemoryLayout<Float>.stride
  }
}

extension Dataset {
  /// Labels of the samples; nil if labels cannot be read or a sample has none.
  package func labels(of indices: [Int]) -> [Int]? {
    guard (try? loadLabels()) == true else { return nil }
    let labels = indices.compactMap { label(at: $0) }
    return labels.count == indices.count ? labels : nil
  }
}
