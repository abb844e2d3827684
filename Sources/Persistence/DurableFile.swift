import Glibc
import Kernels

/// Writes files so that they are either complete or absent, whenever the process is killed.
package enum DurableFile {
  /// Replaces a file atomically: writes a temporary in the same directory, flushes and closes it, renames it, and
  /// flushes the directory. On failure the target is unchanged and the temporary is removed. Symbolic links are
  /// followed. Throws if the target exists and is not a regular file.
  package static func write(_ chunks: [UnsafeRawBufferPointer], to path: String) throws(Failure) {
    try write(to: path) { write throws(Failure) in for chunk in chunks { try write(chunk) } }
  }

  /// Replaces a file atomically with content that need not be in memory at once: `body` passes on its bytes in order.
  package static func write(
    to path: String, _ body: ((UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) -> Void
  ) throws(Failure) {
    var existing = stat()
    let exists = stat(path, &existing) == 0
    let kind = existing.st_mode & S_IFMT
    guard !exists || kind == S_IFREG else {
      throw kind == S_IFDIR
        ? Failure(.cannotCreate, "\(path.printable) is a directory", hint: "name a file in it")
        : Failure(
          .cannotCreate, "\(path.printable) is not a regular file", hint: "remove it, or choose another directory")
    }
    let target = exists ? resolved(path) : path
    let (directory, name) = Posix.split(target)
    guard !name.isEmpty else {
      throw Failure(.cannotCreate, "\"\(path.printable)\" names no file", hint: "add a file name")
    }
    let temporary = "\(directory)/.tmp-\(unique())"
    let file = try OpenFile(writing: temporary, flags: O_CREAT | O_EXCL, called: path)
    do throws(Failure) {
      if exists { try Posix.check("set the mode of", path) { fchmod(file.descriptor, existing.st_mode & 0o777) } }
      try body { bytes throws(Failure) in try file.write(bytes) }
      try file.sync()
      try file.close()
      try Posix.rename(temporary, to: target)
    } catch {
      unlink(temporary)
      throw error
    }
    try Posix.syncDirectory(directory)
  }

  /// Replaces a file atomically with text that need not be in memory at once.
  package static func write(_ parts: some Sequence<String>, to path: String) throws(Failure) {
    try write(to: path) { write throws(Failure) in
      for part in parts {
        try Array(part.utf8).withUnsafeBufferPointer { bytes throws(Failure) in try write(UnsafeRawBufferPointer(bytes))
        }
      }
    }
  }

  /// Replaces a file atomically by text.
  package static func write(_ text: String, to path: String) throws(Failure) {
    try write(Array(text.utf8), to: path)
  }

  /// Replaces a file atomically by bytes.
  package static func write(_ bytes: [UInt8], to path: String) throws(Failure) {
    try bytes.withUnsafeBufferPointer { buffer throws(Failure) in
      try write([UnsafeRawBufferPointer(buffer)], to: path)
    }
  }

  /// Reads a regular file of at most `limit` bytes. 16 MiB are more than any text file of a run has.
  package static func read(_ path: String, limit: Int = 16 << 20) throws(Failure) -> [UInt8] {
    try OpenFile(reading: path).contents(limit: limit)
  }

  /// Returns a random token that no other process or host will choose.
  static func unique() -> String {
    let number = String(UInt64.random(in: .min ... .max), radix: 16)
    return String(repeating: "0", count: 16 - number.count) + number
  }

  /// Returns the path that a symbolic link resolves to, or `path` if it cannot be resolved.
  private static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }
}
