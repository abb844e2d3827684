import Data
import Glibc
import Kernels
import Persistence

/// Writes a data set as NumPy arrays that can be memory-mapped: uint8 if the source holds bytes, otherwise float32.
package struct DataConversion {
  /// A file that was written.
  package struct Output {
    package let path: String
    package let summary: String
  }

  private let sets: [(data: Dataset, path: String)]

  /// Opens the source and checks the output paths.
  ///
  /// - Parameter output: Path NAME.npy. Labels are written to NAME-labels.npy, and validation samples that the source
  ///   provides to NAME-valid.npy.
  /// - Throws: `Failure` if the path does not end in .npy, or if a file exists and `overwrites` is false.
  package init(_ spec: String, images: ImageOptions, to output: String, overwrites: Bool) throws(Failure) {
    guard output.hasSuffix(".npy"), !output.hasSuffix("/.npy"), output != ".npy" else {
      throw Failure(.usage, "\(output.printable): data is written as .npy", hint: "give -o NAME.npy")
    }
    let opened = try openWhole(spec, images: images)
    let stem = String(output.dropLast(4))
    sets = [(opened.train, output)] + (opened.valid.map { [($0, stem + "-valid.npy")] } ?? [])
    for path in sets.flatMap({ [$0.path, Self.labels($0.path)] }) where !overwrites && access(path, F_OK) == 0 {
      throw Failure(
        .cannotCreate, "\(path.printable): the file exists already", hint: "choose another name, or give --force")
    }
  }

  private static func labels(_ path: String) -> String { String(path.dropLast(4)) + "-labels.npy" }

  /// Writes the files and returns a summary of each.
  package func run() throws(Failure) -> [Output] {
    var outputs: [Output] = []
    for (data, path) in sets {
      outputs.append(try Self.writeSamples(of: data, to: path))
      let labels = Self.labels(path)
      if try data.loadLabels() {
        outputs.append(try Self.writeLabels(of: data, to: labels))
      } else if unlink(labels) == 0 {
        // Labels of the overwritten file would be mistaken for labels of this data.
        outputs.append(Output(path: labels, summary: "removed: it belonged to the file that was overwritten"))
      }
    }
    return outputs
  }

  private static let blockBytes = 4 << 20

  private static func writeSamples(of data: Dataset, to path: String) throws(Failure) -> Output {
    let shape = data.shape, width = shape.elementCount, isBytes = data.element == .u8
    let sizes = shape.isImage ? [data.count, shape.height, shape.width] : [data.count, shape.width]
    let dimensions = shape.channels > 1 ? sizes + [shape.channels] : sizes
    let rowBytes = isBytes ? width : 4 * width
    let rows = max(1, blockBytes / rowBytes)
    try data.prepare(0..<data.count)
    let activity = Activity("writing \(path)", of: data.count)
    defer { activity.end() }
    try DurableFile.write(to: path) { write throws(Failure) in
      try hand(NPYFile.header(isBytes ? "|u1" : "<f4", dimensions)[...], to: write)
      let values = Buffer(count: width)
      var block = [UInt8](repeating: 0, count: rows * rowBytes)
      for first in stride(from: 0, to: data.count, by: rows) {
        let count = min(rows, data.count - first)
        for row in 0..<count {
          try data.readStored(first + row, into: values.base)
          block.withUnsafeMutableBytes { block in
            let at = row * rowBytes
            if isBytes {
              for j in 0..<width { block[at + j] = UInt8(values.base[j]) }
            } else {
              for j in 0..<width {
                block.storeBytes(of: values.base[j].bitPattern.littleEndian, toByteOffset: at + 4 * j, as: UInt32.self)
              }
            }
          }
        }
        try hand(block.prefix(count * rowBytes), to: write)
        Activity.advance(by: count)
      }
    }
    return Output(path: path, summary: "\(data.count) x \(shape) \(isBytes ? "uint8" : "float32")")
  }

  private static func writeLabels(of data: Dataset, to path: String) throws(Failure) -> Output {
    let labels = (0..<data.count).map { Int64(data.label(at: $0) ?? 0).littleEndian }
    try DurableFile.write(to: path) { write throws(Failure) in
      try hand(NPYFile.header("<i8", [labels.count])[...], to: write)
      try hand(labels[...], to: write)
    }
    return Output(path: path, summary: "\(labels.count) labels")
  }

  private static func hand<T: BitwiseCopyable>(
    _ values: ArraySlice<T>, to write: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    try values.withUnsafeBufferPointer { values throws(Failure) in try write(UnsafeRawBufferPointer(values)) }
  }
}
