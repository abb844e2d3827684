import Data
import Kernels
import VAE

/// Prior samples from noise that never changes, reconstructions of the first validation samples, and ways through the
/// latent space; rank 0 only.
package final class PictureMaker {
  package static let sampleCount = 64
  package static let stripCount = 16
  /// Most rows of traversals, and most values of all pictures of a kind: large images are shown fewer times.
  private static let mostUnits = 20
  private static let mostValues = 1 << 23

  private let validator: Validator
  private let data: Dataset
  private let shape: SampleShape
  private let latent: Int
  private let seed: UInt64
  private let decoder: LatentDecoder
  /// (sampleCount, latent)
  private let noise: [Float]
  /// Labels of the samples whose codes are shown, looked up once.
  private lazy var labels = data.labels(of: Validator.codeIndices(of: validator.count, latent: latent))

  package init(
    _ autoencoder: VariationalAutoencoder, validator: Validator, data: Dataset, _ configuration: Configuration,
    parameters: UnsafeMutablePointer<Float>? = nil
  ) {
    self.validator = validator
    self.data = data
    shape = data.shape
    latent = autoencoder.model.latent
    seed = UInt64(configuration.train.seed)
    decoder = LatentDecoder(autoencoder, parameters: parameters)
    noise = LatentPaths.prior(PictureMaker.sampleCount, latent: latent, seed: seed, stream: "pictures")
  }

  package func make(epoch: Int, step: Int, klPerUnit: [Double]) throws(Failure) -> PictureReport {
    let strip = try validator.reconstructions(PictureMaker.stripCount, seed: seed)
    return PictureReport(
      epoch: epoch, step: step, shape: shape, samples: decoder.decode(noise), originals: strip.originals,
      reconstructions: strip.means, space: space(klPerUnit))
  }

  private func space(_ klPerUnit: [Double]) -> LatentSpaceReport {
    let codes = LatentCodes(latent: latent, mu: validator.codes, labels: labels, labelNames: data.classNames)
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
    PictureMaker.rows(of: pictures, most, elements: shape.elementCount)
  }

  /// Rows of so many pictures that are not too much to show every epoch.
  private static func rows(of pictures: Int, _ most: Int, elements: Int) -> Int {
    max(1, min(most, mostValues / (pictures * elements)))
  }

  /// What the pictures of an epoch take, beside the decoder's graph.
  static func bytes(elements: Int) -> Int {
    let between = LatentPaths.steps * rows(of: LatentPaths.steps, LatentPaths.pairs, elements: elements)
    let along = LatentPaths.traversalSteps * rows(of: LatentPaths.traversalSteps, mostUnits, elements: elements)
    return (sampleCount + 2 * stripCount + between + along) * elements * MemoryLayout<Float>.stride
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
