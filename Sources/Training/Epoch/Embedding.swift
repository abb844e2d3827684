import Data

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

extension EmbeddingReport {
  /// Larger samples are not shown.
  private static let mostElements = 1 << 14

  /// Of samples that are shown those with a picture, or all.
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
