import Glibc
import Kernels

/// A data SPEC that has yet to be matched to a format: a word, a folder, or an open file with its first bytes.
struct Candidate {
  let spec: String
  let isFolder: Bool
  let file: InputFile?
  let head: [UInt8]
  /// Options for image files.
  var images = ImageOptions()

  func begins(with magic: [UInt8]) -> Bool { head.starts(with: magic) }
}

/// An opened source: all rows for training, or with a validation set of its own.
struct Opened {
  var train: (source: Source, rows: Range<Int>)
  var valid: (source: Source, rows: Range<Int>)?

  init(_ source: Source) {
    train = (source, 0..<source.reader.count)
  }
}

/// A data format.
struct Format: Sendable {
  /// Description for messages: what the format is and how its files are named.
  let summary: String
  /// Lower-case file name suffixes of the format.
  var suffixes: [String] = []
  /// Whether a word, a folder, or a file without a known suffix is of this format.
  let matches: @Sendable (Candidate) -> Bool
  let open: @Sendable (Candidate) throws(Failure) -> Opened
}

/// All formats in order of precedence. A new format needs one file and one line here.
let formats: [Format] = [
  .digits,
  .random,
  .shapes,
  .mnistFolder,
  .cifarFolder,
  .imageFolder,
  .cifar,
  .idx,
  .npy,
  .npz,
  .csv,
]

/// Opens a SPEC as the format of its suffix or, failing that, as the first format that its content matches.
func open(
  spec: String, images: ImageOptions = ImageOptions(), among formats: [Format] = formats
) throws(Failure) -> Opened {
  var candidate = try candidate(spec, among: formats)
  candidate.images = images
  let lowered = spec.lowercased()
  let named = formats.first { candidate.file != nil && $0.suffixes.contains(where: lowered.hasSuffix) }
  guard let format = named ?? formats.first(where: { $0.matches(candidate) }) else {
    throw .malformed(
      spec, "neither its name nor its content is of a known format",
      hint: "use one of: " + formats.map(\.summary).joined(separator: "; "))
  }
  let opened = try format.open(candidate)
  try images.requireMet(by: opened.train.source.reader)
  return opened
}

private func candidate(_ spec: String, among formats: [Format]) throws(Failure) -> Candidate {
  guard !spec.isEmpty, !spec.utf8.contains(0) else {
    throw Failure(
      .missingInput, "'\(spec.printable)': not a data specification", hint: "name a file, or `digits`")
  }
  let word = Candidate(spec: spec, isFolder: false, file: nil, head: [])
  if formats.contains(where: { $0.matches(word) }) { return word }
  var status = stat()
  guard stat(spec, &status) == 0 else { throw Failure.unopened(spec, errno) }
  if status.st_mode & S_IFMT == S_IFDIR { return Candidate(spec: spec, isFolder: true, file: nil, head: []) }
  let file = try InputFile(spec)
  return Candidate(spec: spec, isFolder: false, file: file, head: try file.bytes(at: 0, count: 4096))
}

/// Returns bytes of a file, whose encoding is not known, as text for messages. Bytes that are not printable ASCII are
/// escaped, so that none can control the terminal.
func printable(_ bytes: some Collection<UInt8>, limit: Int = 24) -> String {
  var text = ""
  for byte in bytes.prefix(limit) {
    switch byte {
    case 0x20..<0x7f: text.unicodeScalars.append(Unicode.Scalar(byte))
    default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
  }
  return bytes.count > limit ? text + "..." : text
}
