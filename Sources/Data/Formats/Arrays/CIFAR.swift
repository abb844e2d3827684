import Glibc
import Kernels

extension Format {
  /// CIFAR-10's binary format: records of a label byte and three planes (red, green, blue) of 32x32 bytes.
  static let cifar = Format(
    summary: "CIFAR-10 .bin",
    suffixes: [".bin"],
    matches: { _ in false },
    open: { candidate throws(Failure) in
      guard let file = candidate.file else { throw Failure.unopened(candidate.spec, 0) }
      return Opened(try CIFARReader.source(candidate.spec, [file]))
    })

  /// A folder with CIFAR-10's file names. The training batches are for training and the test batch is for validation.
  static let cifarFolder = Format(
    summary: "a folder with CIFAR-10's data_batch_*.bin",
    matches: { candidate in candidate.isFolder && !batches(in: candidate.spec).isEmpty },
    open: { candidate throws(Failure) in
      let files = try batches(in: candidate.spec).map { path throws(Failure) in try InputFile(path) }
      var opened = Opened(try CIFARReader.source(candidate.spec, files))
      let test = inside(candidate.spec, "test_batch.bin")
      if access(test, F_OK) == 0 {
        let valid = try CIFARReader.source(test, [try InputFile(test)])
        opened.valid = (valid, 0..<valid.reader.count)
      }
      return opened
    })
}

/// The paths of data_batch_1.bin, data_batch_2.bin, ... up to the first that is missing.
private func batches(in folder: String) -> [String] {
  Array((1...99).lazy.map { inside(folder, "data_batch_\($0).bin") }.prefix { access($0, F_OK) == 0 })
}

/// Joins a folder and a file name; the folder may end in a slash.
func inside(_ folder: String, _ name: String) -> String { folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)" }

/// The records of one or more files, in order. Colour planes on disk become channels-last samples in memory.
final class CIFARReader: SampleReader {
  private static let pixels = 32 * 32
  private static let recordBytes = 1 + 3 * pixels

  let name: String
  let shape = SampleShape.image(height: 32, width: 32, channels: 3)
  let element = ElementType.u8
  let count: Int
  let fingerprint: String
  let classNames: [String]? = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
  ]
  private let files: [InputFile]
  /// The index of the first record of each file, followed by the total number of records.
  private let starts: [Int]
  private var mapped: [UnsafeRawPointer] = []

  private init(_ name: String, _ files: [InputFile]) throws(Failure) {
    self.name = name
    self.files = files
    var starts = [0], prints = [String]()
    for file in files {
      guard file.size % Self.recordBytes == 0 else {
        throw .malformed(
          file.name, "has \(file.size) bytes, which are no whole number of CIFAR-10's records of \(Self.recordBytes)",
          hint: file.size % (Self.recordBytes + 1) == 0
            ? "CIFAR-100 has two labels a record and is not read" : "copy or download it again")
      }
      starts.append((starts.last ?? 0) + file.size / Self.recordBytes)
      prints.append(try file.fingerprint("CIFAR-10"))
    }
    self.starts = starts
    count = starts.last ?? 0
    if prints.count == 1 {
      fingerprint = prints[0]
    } else {
      let digest = SHA256()
      digest.update(prints.joined(separator: " "))
      fingerprint = digest.finish()
    }
  }

  static func source(_ name: String, _ files: [InputFile]) throws(Failure) -> Source {
    let reader = try CIFARReader(name, files)
    return Source(reader, labels: Labels { () throws(Failure) in try reader.labels() })
  }

  func prepare(_ ranges: [Range<Int>]) throws(Failure) {
    for file in files { try file.checkUnchanged() }
    if mapped.isEmpty { mapped = try files.map { file throws(Failure) in try file.mapped() } }
  }

  func read(row: Int, into target: UnsafeMutablePointer<Float>) {
    precondition(row >= 0 && row < count && !mapped.isEmpty, "\(name): row \(row) of \(count)")
    let file = starts.lastIndex { $0 <= row } ?? 0
    let record = mapped[file] + (row - starts[file]) * Self.recordBytes + 1
    vd_interleave(target, record.assumingMemoryBound(to: UInt8.self), Self.pixels, 3)
  }

  private func labels() throws(Failure) -> [Int] {
    try prepare([])
    var labels: [Int] = []
    labels.reserveCapacity(count)
    for (number, file) in files.enumerated() {
      for record in 0..<starts[number + 1] - starts[number] {
        let label = Int(mapped[number].load(fromByteOffset: record * Self.recordBytes, as: UInt8.self))
        guard label < (classNames?.count ?? 0) else {
          throw .malformed(
            file.name, "record \(record + 1): label \(label); CIFAR-10 has labels 0 to 9",
            hint: "the file is damaged, or it is not in CIFAR-10's binary format")
        }
        labels.append(label)
      }
    }
    return labels
  }
}
