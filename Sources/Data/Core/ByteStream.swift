import CZlib
import Glibc
import Kernels

/// Bytes that are read in order, from a mapped file or a decompressor. The bytes read count as progress of the current
/// activity.
protocol ByteStream: AnyObject {
  var name: String { get }
  /// Reads exactly `count` bytes. Throws where fewer are left.
  func read(into target: UnsafeMutableRawPointer, count: Int) throws(Failure)
  func skip(_ count: Int) throws(Failure)
  /// Checks that no bytes are left and that the checksum holds where the format has one.
  func finish() throws(Failure)
}

extension ByteStream {
  func skip(_ count: Int) throws(Failure) {
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: min(count, 1 << 16), alignment: 16)
    defer { scratch.deallocate() }
    var left = count
    while left > 0 {
      let part = min(left, 1 << 16)
      try read(into: scratch, count: part)
      left -= part
    }
  }

  func bytes(_ count: Int) throws(Failure) -> [UInt8] {
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 16)
    defer { buffer.deallocate() }
    try read(into: buffer, count: count)
    return Array(UnsafeRawBufferPointer(start: buffer, count: count))
  }
}

/// The bytes of an uncompressed file.
final class MappedStream: ByteStream {
  private let file: InputFile
  private let base: UnsafeRawPointer
  private var offset = 0

  var name: String { file.name }

  init(_ file: InputFile) throws(Failure) {
    self.file = file
    try file.checkUnchanged()
    base = try file.mapped()
  }

  func read(into target: UnsafeMutableRawPointer, count: Int) throws(Failure) {
    try skip(count)
    target.copyMemory(from: base + offset - count, byteCount: count)
  }

  func skip(_ count: Int) throws(Failure) {
    guard count <= file.size - offset else {
      throw .malformed(name, "the file ends early, at byte \(file.size)", hint: "copy or download it again")
    }
    offset += count
    Activity.advance(by: count)
  }

  func finish() throws(Failure) {
    guard offset == file.size else {
      throw .malformed(name, "\(file.size - offset) bytes follow the data that the header describes")
    }
  }
}

/// Bytes that are read at a time.
let streamPart = 1 << 22

/// Bytes that are decompressed in parts.
protocol InflatedStream: ByteStream {
  /// Reads at most `count` bytes and returns their number, which is 0 at the end. Throws if the data are damaged.
  func readPart(into target: UnsafeMutableRawPointer, count: Int) throws(Failure) -> Int
}

extension InflatedStream {
  fileprivate var truncated: Failure {
    .malformed(name, "the compressed data end early: the file is truncated", hint: "copy or download it again")
  }

  func read(into target: UnsafeMutableRawPointer, count: Int) throws(Failure) {
    var done = 0
    while done < count {
      let got = try readPart(into: target + done, count: min(count - done, streamPart))
      guard got > 0 else { throw truncated }
      done += got
      Activity.advance(by: got)
    }
  }

  func finish() throws(Failure) {
    var extra: UInt8 = 0
    guard try readPart(into: &extra, count: 1) == 0 else {
      throw .malformed(name, "more data follows than the header describes")
    }
  }
}

/// The decompressed bytes of a gzip file.
final class GzipStream: InflatedStream {
  let name: String
  private let handle: gzFile

  init(_ file: InputFile) throws(Failure) {
    name = file.name
    let descriptor = dup(file.descriptor)
    guard descriptor >= 0, lseek(descriptor, 0, SEEK_SET) == 0, let handle = gzdopen(descriptor, "rb") else {
      if descriptor >= 0 { close(descriptor) }
      throw Failure(.inputOutput, "\(file.name): cannot be read: \(describe(errno))")
    }
    gzbuffer(handle, 1 << 17)
    self.handle = handle
  }

  deinit { gzclose_r(handle) }

  func readPart(into target: UnsafeMutableRawPointer, count: Int) throws(Failure) -> Int {
    let got = gzread(handle, target, UInt32(count))
    var code: Int32 = Z_OK
    if got == 0 { gzerror(handle, &code) }
    guard got >= 0, code == Z_OK || code == Z_STREAM_END else { throw broken() }
    return Int(got)
  }

  private func broken() -> Failure {
    var code: Int32 = Z_OK
    // zlib begins its message with a name of its own, which is removed here.
    let words = gzerror(handle, &code).map { String(cString: $0) } ?? ""
    let text = words.split(separator: ": ", maxSplits: 1).last ?? ""
    switch code {
    case Z_BUF_ERROR: return truncated
    case Z_ERRNO: return Failure(.inputOutput, "\(name): cannot be read: \(describe(errno))")
    default:
      return .malformed(name, "the compressed data are damaged: \(text)", hint: "copy or download it again")
    }
  }
}

/// Whether `stored` compressed bytes can inflate to `claimed` bytes.
///
/// Deflate compresses by a factor of at most 1032, so a header that claims more is wrong.
func couldInflate(_ stored: Int, to claimed: Int) -> Bool {
  claimed / 1032 <= stored + 1
}
