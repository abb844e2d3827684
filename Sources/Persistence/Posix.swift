import Glibc
import Kernels

/// The system calls of this target. EINTR is retried, and a result of -1 becomes a `Failure` that names the file.
enum Posix {
  @discardableResult
  static func check<Result: FixedWidthInteger>(
    _ action: String, _ path: String, _ status: Failure.Status = .inputOutput, _ call: () -> Result
  ) throws(Failure) -> Result {
    while true {
      let result = call()
      if result != -1 { return result }
      let code = errno
      if code != EINTR { throw failure(action, path, status, code) }
    }
  }

  static func failure(_ action: String, _ path: String, _ status: Failure.Status, _ code: Int32) -> Failure {
    let message = "cannot \(action) \(path.printable): \(String(cString: strerror(code)))"
    switch code {
    case ENOSPC, EDQUOT:
      return Failure(.inputOutput, message, hint: "free some space or quota, or choose another directory")
    case EROFS, EACCES, EPERM:
      return Failure(status, message, hint: "check the permissions, or choose another directory")
    case ENOENT, ENOTDIR:
      let hint = status == .cannotCreate ? "create its parent directory first" : "check the path"
      return Failure(status == .inputOutput ? .missingInput : status, message, hint: hint)
    case EFBIG:
      return Failure(.inputOutput, message, hint: "raise the file size limit (ulimit -f)")
    case ENXIO:  // a FIFO without a reader, or a socket
      return Failure(status, "\(path.printable) is not a regular file", hint: "remove it, or choose another directory")
    case ELOOP:
      return Failure(status, message, hint: "it is a symbolic link or a loop of links; replace it with the real file")
    default:
      return Failure(status, message)
    }
  }

  /// Splits a path into its directory and its last component: "a/b" gives ("a", "b") and "b" gives (".", "b").
  static func split(_ path: String) -> (directory: String, name: String) {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
    let directory = slash == path.utf8.startIndex ? "/" : String(path[..<slash])
    return (directory, String(path[path.utf8.index(after: slash)...]))
  }

  /// Creates a directory unless it exists.
  static func makeDirectory(_ path: String) throws(Failure) {
    do throws(Failure) {
      try check("create the directory", path, .cannotCreate) { mkdir(path, 0o777) }
    } catch {
      var status = stat()
      guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { throw error }
      return
    }
    try syncDirectory(split(path).directory)
  }

  static func rename(_ source: String, to target: String) throws(Failure) {
    try check("put in place", target, .cannotCreate) { Glibc.rename(source, target) }
  }

  /// Swaps two names atomically. Returns false if the C library or the file system does not support it. Glibc's module
  /// map lacks renameat2, so it is looked up at run time.
  static func swap(_ first: String, _ second: String) -> Bool {
    typealias Renameat2 = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
    guard let symbol = dlsym(nil, "renameat2") else { return false }
    let exchange: UInt32 = 1 << 1  // RENAME_EXCHANGE, linux/fs.h
    return unsafeBitCast(symbol, to: Renameat2.self)(AT_FDCWD, first, AT_FDCWD, second, exchange) == 0
  }

  /// Flushes the names in a directory to disk. File systems that cannot flush a directory return EINVAL, which is
  /// ignored.
  static func syncDirectory(_ path: String) throws(Failure) {
    let directory = try OpenFile(directory: path)
    try check("flush the directory", path) {
      fsync(directory.descriptor) == 0 || errno == EINVAL ? 0 : Int32(-1)
    }
  }

  /// Returns the names in an open directory without "." and "..".
  static func names(in directory: OpenFile) throws(Failure) -> [String] {
    let path = directory.path
    let copy = try check("read the directory", path) { openat(directory.descriptor, ".", O_RDONLY | O_CLOEXEC) }
    guard let stream = fdopendir(copy) else {
      let code = errno
      close(copy)
      throw failure("read the directory", path, .inputOutput, code)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        let code = errno
        if code == 0 { return names }
        throw failure("read the directory", path, .inputOutput, code)
      }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
  }

  /// Removes a file, a symbolic link (never its target) or a whole directory. Each level holds one descriptor, so that
  /// a nesting that is deep enough to exhaust the stack fails with EMFILE first.
  static func removeTree(_ name: String, in parent: OpenFile) throws(Failure) {
    let path = parent.path + "/" + name
    if unlinkat(parent.descriptor, name, 0) == 0 { return }
    let code = errno
    if code == ENOENT { return }
    guard code == EISDIR else { throw failure("remove", path, .inputOutput, code) }
    let directory = try OpenFile(directory: path, name: name, in: parent)
    for entry in try names(in: directory) { try removeTree(entry, in: directory) }
    try check("remove", path) { unlinkat(parent.descriptor, name, AT_REMOVEDIR) }
  }
}

/// An open file descriptor with its path for messages. It is closed on deinitialisation.
final class OpenFile {
  let path: String
  private(set) var descriptor: Int32

  /// Opens a regular file for reading. Throws for FIFOs and devices, which could block or never end.
  init(reading path: String) throws(Failure) {
    self.path = path
    descriptor = try Posix.check("open", path) { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
    try requireRegular()
  }

  /// Opens a regular file in an open directory for reading. Symbolic links are not followed.
  init(reading name: String, in directory: OpenFile) throws(Failure) {
    let path = directory.path + "/" + name
    self.path = path
    descriptor = try Posix.check("open", path) {
      openat(directory.descriptor, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW)
    }
    try requireRegular()
  }

  init(directory path: String) throws(Failure) {
    self.path = path
    descriptor = try Posix.check("open the directory", path) { open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY) }
  }

  /// Opens a directory in an open directory. Symbolic links are not followed.
  init(directory path: String, name: String, in parent: OpenFile) throws(Failure) {
    self.path = path
    descriptor = try Posix.check("open the directory", path) {
      openat(parent.descriptor, name, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW)
    }
  }

  /// Opens a regular file for writing. Throws without blocking if the path is anything but a regular file.
  ///
  /// - flags: further flags such as O_CREAT | O_EXCL or O_APPEND.
  /// - called: the name that the user knows if `path` is a temporary.
  init(writing path: String, flags: Int32, called: String? = nil) throws(Failure) {
    self.path = called ?? path
    descriptor = try Posix.check("create", self.path, .cannotCreate) {
      open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags, 0o666)
    }
    try requireRegular(.cannotCreate, hint: "remove it, or choose another directory")
  }

  deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

  private func requireRegular(
    _ status: Failure.Status = .badData, hint: String = "name a regular file, not a directory or a device"
  ) throws(Failure) {
    guard try self.status().st_mode & S_IFMT == S_IFREG else {
      throw Failure(status, "\(path.printable) is not a regular file", hint: hint)
    }
  }

  func status() throws(Failure) -> stat {
    var status = stat()
    try Posix.check("examine", path) { fstat(descriptor, &status) }
    return status
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    var rest = bytes
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      let count = try Posix.check("write", path) { Glibc.write(descriptor, part.baseAddress, part.count) }
      guard count > 0 else { throw Posix.failure("write", path, .inputOutput, ENOSPC) }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
    }
  }

  /// Fills `bytes` from `offset`. Throws if the file ends before that.
  func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(Failure) {
    var done = 0
    while done < bytes.count {
      let part = UnsafeMutableRawBufferPointer(rebasing: bytes[done..<min(bytes.count, done + 1 << 30)])
      let count = try Posix.check("read", path) { pread(descriptor, part.baseAddress, part.count, offset + done) }
      guard count > 0 else {
        throw Failure(.badData, "\(path.printable) ends early, at byte \(offset + done)", hint: "copy it again")
      }
      done += count
    }
  }

  /// Reads the whole file. Throws before allocating memory if it has more than `limit` bytes.
  func contents(limit: Int = .max) throws(Failure) -> [UInt8] {
    let size = Int(try status().st_size)
    guard size <= limit else {
      throw Failure(.badData, "\(path.printable) has \(size) bytes, more than the \(limit) expected")
    }
    var bytes = [UInt8](repeating: 0, count: size)
    try bytes.withUnsafeMutableBufferPointer { buffer throws(Failure) in
      try read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
    }
    return bytes
  }

  func sync() throws(Failure) {
    try Posix.check("flush", path) { fsync(descriptor) }
  }

  /// Closes the file. Network file systems report lost writes here. Linux closes the descriptor even on EINTR.
  func close() throws(Failure) {
    let closing = descriptor
    descriptor = -1
    guard Glibc.close(closing) == 0 || errno == EINTR else {
      throw Posix.failure("close", path, .inputOutput, errno)
    }
  }
}
