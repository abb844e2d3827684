import Kernels

/// The header of a PNG or JPEG file. It is read before anything is allocated or decoded.
struct ImageHeader: Equatable {
  enum Kind { case png, jpeg }

  let kind: Kind
  /// The stored extents. An orientation of 5 to 8 swaps them.
  let width, height: Int
  /// Number of channels after decoding: 1 or 3.
  let channels: Int
  /// The EXIF orientation; 1 is upright.
  var orientation = 1
  /// Whether the image has four inks, and whether 255 means no ink, as in files written by Adobe's programs.
  var isCMYK = false
  var isInverted = false

  /// The extents of the upright image.
  var shownSize: (width: Int, height: Int) { orientation > 4 ? (height, width) : (width, height) }

  /// Largest number of pixels of an image that is decoded: 200 MB of RGB.
  static let maximumPixels = 1 << 26
  /// Largest size of an image file in bytes.
  static let maximumBytes = 1 << 28

  init(_ file: InputFile) throws(Failure) {
    guard file.size <= Self.maximumBytes else {
      throw .malformed(
        file.name, "has \(file.size) bytes, more than the \(Self.maximumBytes) of an image that is read",
        hint: "make it smaller, or move it out of the folder")
    }
    let start = try file.bytes(at: 0, count: 4096)
    if start.starts(with: pngMagic) {
      self = try Self.png(start, file)
    } else if start.starts(with: jpegMagic) {
      var walk = JPEGHeader(file, start)
      self = try walk.read()
    } else {
      throw .malformed(
        file.name, "is neither PNG nor JPEG: it begins with \(printable(start.prefix(8)))",
        hint: "convert it, or move it out of the folder")
    }
    guard width > 0, height > 0 else {
      throw .malformed(
        file.name, "claims a size of \(width) x \(height) pixels", hint: "copy or download it again")
    }
    guard let pixels = checkedProduct([width, height]), pixels <= Self.maximumPixels else {
      throw .malformed(
        file.name, "claims \(width) x \(height) pixels, more than the \(Self.maximumPixels) that are read",
        hint: "make it smaller, or move it out of the folder")
    }
  }

  init(kind: Kind, width: Int, height: Int, channels: Int) {
    self.kind = kind
    self.width = width
    self.height = height
    self.channels = channels
  }

  /// Reads the header chunk that every PNG begins with.
  private static func png(_ start: [UInt8], _ file: InputFile) throws(Failure) -> ImageHeader {
    guard start.count >= 33, Array(start[12..<16]) == Array("IHDR".utf8) else {
      throw .malformed(file.name, "a PNG without its header", hint: "copy or download it again")
    }
    let (width, height) = (bigEndian(start[16..<20]), bigEndian(start[20..<24]))
    let (depth, colour) = (Int(start[24]), start[25])
    guard let samples = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][colour], [1, 2, 4, 8, 16].contains(depth) else {
      throw .malformed(
        file.name, "a PNG of colour type \(colour) and depth \(depth), which there is not",
        hint: "copy or download it again")
    }
    let header = ImageHeader(kind: .png, width: width, height: height, channels: colour & 2 == 0 ? 1 : 3)
    // Deflate's greatest compression ratio limits the number of pixels that a file can hold.
    guard let bits = checkedProduct([width, height, samples, depth]), couldInflate(file.size, to: bits / 8) else {
      throw .malformed(
        file.name, "claims \(width) x \(height) pixels, more than its \(file.size) bytes can hold",
        hint: "copy or download it again")
    }
    return header
  }
}

private let pngMagic: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
private let jpegMagic: [UInt8] = [0xff, 0xd8, 0xff]

private func bigEndian(_ bytes: some Collection<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }

/// Walks through the segments of a JPEG, including EXIF and Adobe's marker, up to the frame header.
private struct JPEGHeader {
  private let file: InputFile
  private let start: [UInt8]
  private var orientation = 1
  private var isAdobe = false

  init(_ file: InputFile, _ start: [UInt8]) {
    self.file = file
    self.start = start
  }

  private func damaged(_ what: String) -> Failure {
    .malformed(file.name, "a damaged JPEG: \(what)", hint: "copy or download it again")
  }

  private func bytes(at offset: Int, count: Int) throws(Failure) -> ArraySlice<UInt8> {
    guard offset + count <= file.size else { throw damaged("it ends before its frame begins") }
    if offset + count <= start.count { return start[offset..<offset + count] }
    return try file.bytes(at: offset, count: count)[...]
  }

  /// Largest number of segments before the frame header. No camera or program writes as many.
  private static let maximumSegments = 4096

  mutating func read() throws(Failure) -> ImageHeader {
    var at = 2
    for _ in 0..<Self.maximumSegments {
      let head = Array(try bytes(at: at, count: 4))
      guard head[0] == 0xff else { throw damaged("no segment begins at byte \(at)") }
      let marker = head[1]
      if marker == 0xff {  // padding
        at += 1
        continue
      }
      let length = bigEndian(head[2..<4])
      guard length >= 2 else { throw damaged("a segment of \(length) bytes") }
      switch marker {
      case 0xc0, 0xc1, 0xc2, 0xc9, 0xca: return try frame(at: at + 4, length: length - 2)
      case 0xc3, 0xc5...0xc7, 0xcb, 0xcd...0xcf:
        throw .malformed(file.name, "a lossless or hierarchical JPEG, which is not read", hint: "save the image as PNG")
      case 0xe1: orientation = exifOrientation(try bytes(at: at + 4, count: min(length - 2, 4096))) ?? orientation
      case 0xee:
        if try bytes(at: at + 4, count: min(length - 2, 5)).elementsEqual("Adobe".utf8) { isAdobe = true }
      case 0xd9, 0xda: throw damaged("its image begins without a frame")
      default: break
      }
      at += 2 + length
    }
    throw damaged("more than \(Self.maximumSegments) segments before its frame")
  }

  private func frame(at offset: Int, length: Int) throws(Failure) -> ImageHeader {
    guard length >= 6 else { throw damaged("a frame header of \(length) bytes") }
    let frame = Array(try bytes(at: offset, count: 6))
    let components = Int(frame[5])
    guard frame[0] == 8 else {
      throw .malformed(file.name, "a JPEG of \(frame[0]) bits a sample; 8 are read", hint: "save the image as PNG")
    }
    guard [1, 3, 4].contains(components) else { throw damaged("\(components) colour components") }
    var header = ImageHeader(
      kind: .jpeg, width: bigEndian(frame[3..<5]), height: bigEndian(frame[1..<3]), channels: components == 1 ? 1 : 3)
    header.orientation = orientation
    header.isCMYK = components == 4
    header.isInverted = isAdobe
    return header
  }
}

/// Returns the orientation in an EXIF segment, or nil if the segment holds no valid one.
private func exifOrientation(_ segment: ArraySlice<UInt8>) -> Int? {
  let identifier = Array("Exif\0\0".utf8)
  guard segment.starts(with: identifier) else { return nil }
  let tiff = Array(segment.dropFirst(identifier.count))
  let isBig = tiff.starts(with: Array("MM".utf8))
  guard tiff.count >= 8, isBig || tiff.starts(with: Array("II".utf8)) else { return nil }
  func number(_ at: Int, _ count: Int) -> Int {
    let bytes = tiff[at..<at + count]
    return isBig ? bigEndian(bytes) : bigEndian(bytes.reversed())
  }
  let directory = number(4, 4)
  guard directory + 2 <= tiff.count else { return nil }
  for entry in 0..<min(number(directory, 2), 64) {
    let at = directory + 2 + 12 * entry
    guard at + 12 <= tiff.count else { return nil }
    guard number(at, 2) == 0x0112 else { continue }
    let value = number(at + 8, 2)
    return (1...8).contains(value) ? value : nil
  }
  return nil
}
