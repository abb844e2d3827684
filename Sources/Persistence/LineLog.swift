import Glibc
import Kernels

/// A file to which one writer appends lines (metrics.jsonl). Each line is passed to the operating system at once.
package final class LineLog {
  private let path: String
  private var file: OpenFile
  /// Whether the file ends in an incomplete line, as after a killed writer. The next line must not be joined to it.
  private var startsWithinLine: Bool

  package init(path: String) throws(Failure) {
    self.path = path
    file = try OpenFile(writing: path, flags: O_APPEND | O_CREAT)
    startsWithinLine = try LineLog.endsWithinLine(path, file)
  }

  /// Appends one line. On failure (ENOSPC, EIO, ...) the file is cut back to its previous length.
  package func append(_ line: String) throws(Failure) {
    let status = try file.status()
    var bytes = Array(line.utf8)
    bytes.append(UInt8(ascii: "\n"))
    if startsWithinLine { bytes.insert(UInt8(ascii: "\n"), at: 0) }
    do throws(Failure) {
      try bytes.withUnsafeBufferPointer { buffer throws(Failure) in try file.write(UnsafeRawBufferPointer(buffer)) }
    } catch {
      ftruncate(file.descriptor, status.st_size)
      throw error
    }
    startsWithinLine = false
  }

  /// Flushes all lines to disk, so that they survive a power failure.
  package func sync() throws(Failure) {
    try file.sync()
  }

  package func isEmpty() throws(Failure) -> Bool { try file.status().st_size == 0 }

  /// Replaces the file atomically by its lines for which `keeping` returns true, in their order.
  package func truncate(keeping: (String) -> Bool) throws(Failure) {
    let old = try OpenFile(reading: path).contents()
    var kept: [UInt8] = []
    for line in old.split(separator: UInt8(ascii: "\n")) where keeping(String(decoding: line, as: UTF8.self)) {
      kept.append(contentsOf: line)
      kept.append(UInt8(ascii: "\n"))
    }
    guard kept != old else { return }
    try DurableFile.write(kept, to: path)
    file = try OpenFile(writing: path, flags: O_APPEND | O_CREAT)
    startsWithinLine = false
  }

  private static func endsWithinLine(_ path: String, _ file: OpenFile) throws(Failure) -> Bool {
    let status = try file.status()
    guard status.st_size > 0 else { return false }
    let reader = try OpenFile(reading: path)
    var last: UInt8 = 0
    try withUnsafeMutableBytes(of: &last) { buffer throws(Failure) in
      try reader.read(into: buffer, at: Int(status.st_size) - 1)
    }
    return last != UInt8(ascii: "\n")
  }
}
