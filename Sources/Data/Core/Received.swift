import Kernels

/// The encoding of rows that are received in a message and not read from a file.
package enum ReceivedKind: Sendable, CaseIterable {
  /// JSON such as {"rows": [[1.5, null, "word"]]}
  case json
  case npy
  case csv
  /// A single PNG or JPEG file.
  case image
}

/// The form in which a model expects its rows.
package struct ReceivedForm: Sendable {
  package var shape: SampleShape
  package var images = ImageOptions()
  package var table = TableOptions()
  /// The schema of a mixed table.
  package var schema: TableSchema?

  package init(shape: SampleShape) { self.shape = shape }
}

extension Dataset {
  /// Reads the rows of a message in the same way as a file of the same content.
  ///
  /// - name: the name of the message in error messages.
  package static func received(
    _ bytes: [UInt8], as kind: ReceivedKind, _ form: ReceivedForm, name: String
  ) throws(Failure) -> Dataset {
    var source: Source
    switch kind {
    case .json:
      let rows = try JSONRows(bytes, name: name, keepsText: form.table.isMixed)
      if form.table.isMixed, let schema = form.schema {
        let table = try TableReader(try JSONCells(rows, schema), schema.ofRows, dropped: form.table.dropped)
        source = Source(try table.windows(schema) ?? table)
      } else {
        guard rows.columns == nil else {
          throw .malformed(
            name, "names its columns, but the model's columns have no names",
            hint: "omit the names, and give the values in the order used in training")
        }
        source = Source(try JSONReader(rows, form.shape))
      }
    case .npy:
      let file = try InputFile(bytes, name: name)
      let layout = try NPYHeader(MappedStream(file)).layout(use: .samples, length: file.size, name: name)
      source = Source(ArrayReader(name: name, layout: layout, fingerprint: "", backing: .file(file)))
    case .csv:
      source = Source(try CSVReader(try InputFile(bytes, name: name)))
    case .image:
      source = Source(try ReceivedImage(bytes, form.images, name: name))
    }
    if form.table.isMixed, kind != .json {
      source = try source.table(form.table, form.schema, training: RowMap(rows: 0..<source.reader.count, part: .all))
        .source
    }
    return Dataset(source, RowMap(rows: 0..<source.reader.count, part: .all))
  }
}

/// A single image file, decoded once.
private final class ReceivedImage: SampleReader {
  let name: String
  let count = 1
  let shape: SampleShape
  let element = ElementType.u8
  let fingerprint = ""
  private let pixels: Pixels
  /// A small file can claim a large number of pixels, and decoding them would keep other requests waiting.
  private static let mostPixels = 1 << 24

  init(_ bytes: [UInt8], _ options: ImageOptions, name: String) throws(Failure) {
    let header = try ImageHeader(try InputFile(bytes, name: name))
    guard header.width * header.height <= ReceivedImage.mostPixels else {
      throw .malformed(
        name,
        "a picture of \(header.width) x \(header.height) pixels is too large: at most \(ReceivedImage.mostPixels) pixels are decoded",
        hint: "send a smaller picture")
    }
    let channels = options.channels == 0 ? header.channels : options.channels
    pixels = try ImageDecoder.decode(bytes, header, size: options.size, channels: channels, name: name)
    shape = .image(height: pixels.height, width: pixels.width, channels: pixels.channels)
    self.name = name
  }

  func prepare(_ ranges: [Range<Int>]) {}

  func read(row: Int, into target: UnsafeMutablePointer<Float>) {
    vd_u8_to_f32(target, pixels.bytes, shape.elementCount, 1, 0)
  }
}
