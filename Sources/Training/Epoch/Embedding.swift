import Data

/// Posterior means of validation samples, with what is known about each sample.
package struct EmbeddingReport: Sendable {
  package var units: Int
  /// Posterior means. (count, units)
  package var mu: [Float]
  /// Names of the columns of `rows`: the sample's number, its label, and the factors that generated it.
  package var columns: [String]
  package var rows: [[String]]
  package var shape: SampleShape
  /// Pixels from 0 to 255. (count, elements) Empty if samples are not images or are too large.
  package var pixels: [UInt8]

  package var count: Int { rows.count }
}

extension EmbeddingReport {
  /// Samples with more elements are not shown as images.
  private static let mostElements = 1 << 14

  /// Takes the shown samples that have an image, or all of them if none has.
  init(_ shown: ShownSamples, of data: Dataset) {
    let hasPixels = !shown.pictured.isEmpty && shown.shape.elementCount <= EmbeddingReport.mostElements
    let places = hasPixels ? shown.pictured : Array(shown.indices.indices)
    let labels = (try? data.loadLabels()) ?? false
    func text(_ label: Int?) -> String {
      guard let label else { return "" }
      guard let names = data.classNames, names.indices.contains(label) else { return "\(label)" }
      return names[label]
    }
    self.init(
      units: shown.latent, mu: places.flatMap(shown.mu),
      columns: ["sample"] + (labels ? ["label"] : []) + (data.factorNames ?? []),
      rows: places.map { place in
        let index = shown.indices[place]
        return ["\(index)"] + (labels ? [text(data.label(at: index))] : [])
          + data.factors(of: index..<index + 1).map(String.init)
      }, shape: shown.shape, pixels: hasPixels ? shown.pixels : [])
  }
}
