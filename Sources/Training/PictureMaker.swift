import Data
import Kernels
import VAE

/// Prior samples from noise that never changes, reconstructions of validation samples, and ways through the latent
/// space; rank 0 only.
package final class PictureMaker {
  private static let sampleCount = 64
  private static let stripCount = 16
  /// Most rows of traversals.
  private static let mostUnits = 20
  /// Most values of all pictures of a kind: of large images fewer are shown, or none.
  private static let mostValues = 40_000_000

  private let data: Dataset
  private let latent: Int
  private let decoder: LatentDecoder
  /// (at most sampleCount, latent)
  private let noise: [Float]
  /// Of the samples that are shown.
  private let indices: [Int]
  private lazy var labels = data.labels(of: indices)

  package init(
    _ autoencoder: VariationalAutoencoder, showing indices: [Int], of data: Dataset, _ configuration: Configuration,
    parameters: UnsafeMutablePointer<Float>? = nil
  ) {
    (self.data, self.indices) = (data, indices)
    latent = autoencoder.model.latent
    decoder = LatentDecoder(autoencoder, parameters: parameters)
    noise = LatentPaths.prior(
      PictureMaker.rows(of: 1, PictureMaker.sampleCount, elements: data.shape.elementCount), latent: latent,
      seed: UInt64(configuration.train.seed), stream: "pictures")
  }

  package func make(epoch: Int, step: Int, klPerUnit: [Double], of shown: ShownSamples) -> PictureReport {
    let elements = data.shape.elementCount
    let strip = shown.pictured.indices.spaced(rows(of: 2, PictureMaker.stripCount))
    return PictureReport(
      epoch: epoch, step: step, shape: data.shape, samples: decoder.decode(noise),
      originals: strip.flatMap { shown.pixels[$0 * elements..<($0 + 1) * elements].map { Float($0) / 255 } },
      reconstructions: decoder.decode(strip.flatMap { shown.mu(shown.pictured[$0]) }), space: space(klPerUnit, shown))
  }

  private func space(_ klPerUnit: [Double], _ shown: ShownSamples) -> LatentSpaceReport {
    let codes = LatentCodes(latent: latent, mu: shown.mu, labels: labels, labelNames: data.classNames)
    let units = Array(
      klPerUnit.prefix(latent).descending.prefix(rows(of: LatentPaths.traversalSteps, PictureMaker.mostUnits)))
    let pairs = codes.fixedPairs(rows(of: LatentPaths.steps, LatentPaths.pairs))
    let between = pairs.flatMap {
      LatentPaths.interpolate(codes[$0.0], codes[$0.1], steps: LatentPaths.steps, .linear)
    }
    let origin = [Float](repeating: 0, count: latent)
    let side = LatentPaths.manifoldSide
    return LatentSpaceReport(
      interpolations: decoder.decode(between), units: units, klPerUnit: units.map { klPerUnit[$0] },
      traversals: decoder.decode(LatentPaths.traverse(origin, units: units)),
      manifold: latent == 2 && rows(of: side, side) == side ? decoder.decode(LatentPaths.manifold()) : [],
      codes: codes)
  }

  private func rows(of pictures: Int, _ most: Int) -> Int {
    PictureMaker.rows(of: pictures, most, elements: data.shape.elementCount)
  }

  /// Rows of so many pictures that are not too much to show every epoch.
  private static func rows(of pictures: Int, _ most: Int, elements: Int) -> Int {
    min(most, mostValues / (pictures * elements))
  }

  /// What the pictures of an epoch take, beside the decoder's graph and the samples that are shown.
  static func bytes(elements: Int, latent: Int) -> Int {
    let side = LatentPaths.manifoldSide
    let kinds = [
      (1, sampleCount), (2, stripCount), (LatentPaths.steps, LatentPaths.pairs),
      (LatentPaths.traversalSteps, mostUnits), (side, latent == 2 ? side : 0),
    ]
    let pictures = kinds.reduce(0) { $0 + $1.0 * rows(of: $1.0, $1.1, elements: elements) }
    return pictures * elements * MemoryLayout<Float>.stride
  }
}

extension LatentPaths {
  /// z ~ N(0, temperature^2 I), keyed by place. (count, latent)
  package static func prior(
    _ count: Int, latent: Int, seed: UInt64, stream: String, temperature: Float = 1
  ) -> [Float] {
    var z = [Float](repeating: 0, count: count * latent)
    KeyedGenerator(seed: seed, stream: stream).normal(
      into: &z, samples: (0..<count).map(UInt64.init), rows: count, columns: latent, epoch: 0)
    if temperature != 1 { for i in z.indices { z[i] *= temperature } }
    return z
  }
}

extension Dataset {
  /// The labels of samples, where each has one that can be read.
  package func labels(of indices: [Int]) -> [Int]? {
    guard (try? loadLabels()) == true else { return nil }
    let labels = indices.compactMap { label(at: $0) }
    return labels.count == indices.count ? labels : nil
  }
}
