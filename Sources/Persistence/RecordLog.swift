import Glibc
import Kernels

/// A TFRecord file to which one writer appends records. Each is passed to the operating system at once, as length,
/// checksum of the length, data, and checksum of the data. If the writer is killed, all records but the last are
/// complete.
package final class RecordLog {
  package let path: String
  private let file: OpenFile
  private static let headerBytes = 12
  private static let checkBytes = 4

  /// Creates the file, which must not exist.
  package init(creating path: String) throws(Failure) {
    self.path = path
    file = try OpenFile(writing: path, flags: O_APPEND | O_CREAT | O_EXCL)
  }

  /// Appends one record. On failure (ENOSPC, EIO, ...) the file is cut back to its previous length.
  package func append(_ record: [UInt8]) throws(Failure) {
    let status = try file.status()
    let frame = RecordLog.frame(record)
    do throws(Failure) {
      try frame.withUnsafeBufferPointer { buffer throws(Failure) in try file.write(UnsafeRawBufferPointer(buffer)) }
    } catch {
      ftruncate(file.descriptor, status.st_size)
      throw error
    }
  }

  /// Flushes all records to disk, so that they survive a power failure.
  package func sync() throws(Failure) { try file.sync() }

  /// Whether the file still exists under its path.
  package var isInPlace: Bool {
    var own = stat(), found = stat()
    guard fstat(file.descriptor, &own) == 0, stat(path, &found) == 0 else { return false }
    return own.st_ino == found.st_ino && own.st_dev == found.st_dev
  }

  static func frame(_ record: [UInt8]) -> [UInt8] {
    let length = withUnsafeBytes(of: UInt64(record.count).littleEndian, Array.init)
    func check(_ bytes: [UInt8]) -> [UInt8] {
      withUnsafeBytes(of: bytes.withUnsafeBytes(CRC32C.masked).littleEndian, Array.init)
    }
    return length + check(length) + record + check(record)
  }

  /// Truncates a file before the first record that is damaged or for which `keeping` returns false. Returns the number
  /// of records kept.
  @discardableResult
  package static func cut(_ path: String, keeping: ([UInt8]) -> Bool) throws(Failure) -> Int {
    let reader = try OpenFile(reading: path)
    let size = Int(try reader.status().st_size)
    var (offset, count) = (0, 0)
    while let record = try record(of: reader, at: offset, size: size), keeping(record) {
      offset += headerBytes + record.count + checkBytes
      count += 1
    }
    guard offset < size else { return count }
    let writer = try OpenFile(writing: path, flags: 0)
    try Posix.check("cut", path) { ftruncate(writer.descriptor, off_t(offset)) }
    try writer.sync()
    return count
  }

  /// Returns the record that begins at an offset; nil at the end of the file or if there is no valid record.
  private static func record(of file: OpenFile, at offset: Int, size: Int) throws(Failure) -> [UInt8]? {
    guard size - offset >= headerBytes + checkBytes else { return nil }
    let header = try bytes(of: file, at: offset, count: headerBytes)
    let length = header.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(size - offset - headerBytes - checkBytes) else { return nil }
    let record = try bytes(of: file, at: offset + headerBytes, count: Int(length) + checkBytes)
    let body = Array(record.dropLast(checkBytes))
    return header + record == frame(body) ? body : nil
  }

  private static func bytes(of file: OpenFile, at offset: Int, count: Int) throws(Failure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBufferPointer { buffer throws(Failure) in
      try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
    }
    return bytes
  }
}
