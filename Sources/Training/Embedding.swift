import Data
import Kernels

/// Where the posterior puts validation samples, with what is known of each.
package struct EmbeddingReport: Sendable {
  package var units: Int
  /// (count, units)
  package var mu: [Float]
  /// What `rows` say: the sample's number, its label, the factors that it was made from.
  package var columns: [String]
  package var rows: [[String]]
  package var shape: SampleShape
  /// (count, elements) of pictures, 0 to 255; empty where samples are none, or large.
  package var pixels: [UInt8]

  package var count: Int { rows.count }
}

/// Makes embeddings of the first validation samples; rank 0 only.
final class EmbeddingMaker {
  private static let mostSamples = 2_000
  private static let mostValues = 1 << 20
  /// Larger samples are not shown; of those that are, fewer where they are large.
  private static let mostElements = 1 << 14
  private static let mostPixels = 1 << 23

  private let validator: Validator
  private let data: Dataset
  private let units: Int
  private let seed: UInt64
  private let count: Int

  init(_ validator: Validator, data: Dataset, configuration: Configuration) {
    self.validator = validator
    self.data = data
    units = configuration.model.latent
    seed = UInt64(configuration.train.seed)
    count = EmbeddingMaker.count(of: data, configuration)
  }

  /// Validation samples that rank 0 reads for it.
  static func count(of data: Dataset, _ configuration: Configuration) -> Int {
    guard configuration.log.tensorboard else { return 0 }
    let room = isShown(data.shape) ? mostPixels / data.shape.elementCount : mostSamples
    return min(
      mostSamples, room, max(1, mostValues / configuration.model.latent), Validator.count(of: data, configuration))
  }

  private static func isShown(_ shape: SampleShape) -> Bool {
    shape.isImage && [1, 3].contains(shape.channels) && shape.elementCount <= mostElements
  }

  func make() throws(Failure) -> EmbeddingReport {
    let shape = data.shape, elements = shape.elementCount
    let isShown = EmbeddingMaker.isShown(shape)
    var mu: [Float] = [], pixels: [UInt8] = []
    mu.reserveCapacity(count * units)
    try validator.encode(first: count, seed: seed) { rows, x, means in
      mu += UnsafeBufferPointer(start: means, count: rows * units)
      if isShown { pixels += (0..<rows * elements).map { UInt8(max(0, min(1, x[$0])) * 255 + 0.5) } }
    }
    let labels = (try? data.loadLabels()) ?? false, factors = data.factorNames ?? []
    let rows = (0..<count).map { index in
      let label = labels ? data.label(at: index) : nil
      return ["\(index)"] + (labels ? [text(label)] : []) + data.factors(of: index..<index + 1).map(String.init)
    }
    return EmbeddingReport(
      units: units, mu: mu, columns: ["sample"] + (labels ? ["label"] : []) + factors, rows: rows, shape: shape,
      pixels: pixels)
  }

  private func text(_ label: Int?) -> String {
    guard let label else { return "" }
    guard let names = data.classNames, names.indices.contains(label) else { return "\(label)" }
    return names[label]
  }
}
