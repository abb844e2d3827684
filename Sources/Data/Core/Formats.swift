import Glibc
import Kernels

/// What a user may have meant by a data SPEC: a word, a folder, or an open file and its first bytes.
struct Candidate {
  let spec: String
  let isFolder: Bool
  let file: InputFile?
  let head: [UInt8]
  /// What is wanted of image files.
  var images = ImageOptions()

  func begins(with magic: [UInt8]) -> Bool { head.starts(with: magic) }
}

/// A source as it was opened, whole or with its own split.
struct Opened {
  var train: (source: Source, rows: Range<Int>)
  var valid: (source: Source, rows: Range<Int>)?

  init(_ source: Source) {
    train = (source, 0..<source.reader.count)
  }
}

/// One kind of data.
struct Format: Sendable {
  /// For messages: what it is and how its files are named.
  let summary: String
  /// How its files' names end, in lower case.
  var suffixes: [String] = []
  /// Whether a word, a folder, or a file of unknown name is this kind.
  let matches: @Sendable (Candidate) -> Bool
  let open: @Sendable (Candidate) throws(Failure) -> Opened
}

/// All formats: a new one is one file and one line here.
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

/// Opens a SPEC: by its name, and where that says nothing, by its content.
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
      .missingInput, "'\(printable(spec.utf8))': not a data specification", hint: "name a file, or `digits`")
  }
  let word = Candidate(spec: spec, isFolder: false, file: nil, head: [])
  if formats.contains(where: { $0.matches(word) }) { return word }
  var status = stat()
  guard stat(spec, &status) == 0 else { throw Failure.unopened(spec, errno) }
  if status.st_mode & S_IFMT == S_IFDIR { return Candidate(spec: spec, isFolder: true, file: nil, head: []) }
  let file = try InputFile(spec)
  return Candidate(spec: spec, isFolder: false, file: file, head: try file.bytes(at: 0, count: 4096))
}

/// Bytes of a file as a message may show them: none that moves a terminal's cursor.
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
