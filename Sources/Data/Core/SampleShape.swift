/// The shape of one sample: an image, stored row-major with channels last, or a vector.
package struct SampleShape: Sendable, Equatable, CustomStringConvertible {
  package let height, width, channels: Int
  package let isImage: Bool

  package static func vector(_ n: Int) -> SampleShape {
    SampleShape(height: 1, width: n, channels: 1, isImage: false)
  }

  package static func image(height: Int, width: Int, channels: Int) -> SampleShape {
    SampleShape(height: height, width: width, channels: channels, isImage: true)
  }

  /// Number of values in one sample.
  package var elementCount: Int { height * width * channels }

  /// Whether samples are images in grey or RGB.
  package var canBeDrawn: Bool { isImage && (channels == 1 || channels == 3) }

  /// The extents of a sample as an array. An image with a single channel has no channel axis.
  package var extents: [Int] {
    guard isImage else { return [width] }
    return channels == 1 ? [height, width] : [height, width, channels]
  }

  /// Text such as "28x28", "32x32x3" or "30".
  package var description: String {
    guard isImage else { return "\(width)" }
    return channels == 1 ? "\(height)x\(width)" : "\(height)x\(width)x\(channels)"
  }

  /// The 1-based place of an element for messages, such as "pixel (3, 28)" or "column 4 (pressure)".
  package func place(of element: Int, columnNames: [String]?) -> String {
    if isImage {
      let pixel = element / channels
      let place = "pixel (\(pixel / width + 1), \(pixel % width + 1))"
      return channels == 1 ? place : "\(place), channel \(element % channels + 1)"
    }
    guard let columnNames, columnNames.indices.contains(element) else { return "column \(element + 1)" }
    return "column \(element + 1) (\(columnNames[element]))"
  }
}
