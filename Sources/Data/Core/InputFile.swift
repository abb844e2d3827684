import Glibc
import Kernels

/// An open regular file, or bytes in memory that are read like a file. The size is fixed at opening and is compared
/// again before mapped rows are used.
final class InputFile {
  let name: String
  let size: Int
  /// Time of the last modification in nanoseconds since 1970.
  let modified: Int
  let descriptor: Int32
  private var base: UnsafeRawPointer?
  /// The content where it is not a file.
  private let memory: UnsafeMutablePointer<UInt8>?

  /// Reads from memory. Throws `badData` for empty bytes.
  ///
  /// - name: used in messages.
  init(_ bytes: [UInt8], name: String) throws(Failure) {
    guard !bytes.isEmpty else { throw .malformed(name, "is empty") }
    let memory = Buffer.allocate(UInt8.self, count: bytes.count)
    memory.update(from: bytes, count: bytes.count)
    self.name = name
    self.memory = memory
    base = UnsafeRawPointer(memory)
    size = bytes.count
    (descriptor, modified) = (-1, 0)
  }

  /// Opens a regular file. Throws `missingInput` where it is missing, unreadable or not a regular file, and `badData`
  /// where it is empty.
  init(_ name: String) throws(Failure) {
    // O_NONBLOCK: opening a named pipe must not wait for its writer.
    let descriptor = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Failure.unopened(name, errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw Failure(.missingInput, "\(name): not a regular file", hint: "copy the data into a file first")
    }
    guard status.st_size > 0 else {
      close(descriptor)
      throw .malformed(name, "the file is empty", hint: "copy or download it again")
    }
    self.name = name
    self.descriptor = descriptor
    memory = nil
    size = Int(status.st_size)
    modified = Int(status.st_mtim.tv_sec) * 1_000_000_000 + Int(status.st_mtim.tv_nsec)
  }

  deinit {
    if let memory { return memory.deallocate() }
    if let base {
      vd_mapping_forget(base)
      munmap(UnsafeMutableRawPointer(mutating: base), size)
    }
    close(descriptor)
  }

  /// Returns the whole file as mapped memory.
  func mapped() throws(Failure) -> UnsafeRawPointer {
    if let base { return base }
    guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
      throw Failure(.inputOutput, "\(name): cannot be mapped: \(describe(errno))")
    }
    base = UnsafeRawPointer(address)
    vd_mapping_watch(address, size, descriptor, name)
    return UnsafeRawPointer(address)
  }

  /// Throws if the size of the file has changed since it was opened, because mapped pages may no longer exist.
  func checkUnchanged() throws(Failure) {
    guard memory == nil else { return }
    var status = stat()
    guard fstat(descriptor, &status) == 0, Int(status.st_size) == size else {
      throw .malformed(
        name, "the file's size changed from \(size) to \(status.st_size) bytes while it was in use",
        hint: "write new data under another name and rename it into place")
    }
  }

  /// Returns up to `count` bytes from `offset`; fewer at the end of the file.
  func bytes(at offset: Int, count: Int) throws(Failure) -> [UInt8] {
    let length = max(0, min(count, size - offset))
    if let memory { return Array(UnsafeBufferPointer(start: memory + min(offset, size), count: length)) }
    var result = [UInt8](repeating: 0, count: length)
    var done = 0
    while done < result.count {
      let got = result.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done, off_t(offset + done))
      }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw Failure(.inputOutput, "\(name): cannot be read: \(describe(errno))") }
      guard got > 0 else { break }
      done += got
    }
    return Array(result.prefix(done))
  }

  /// Returns the SHA-256 of `salt`, the size and the content. Up to 256 MiB the whole content is hashed; of a larger
  /// file, 4,096 evenly spaced blocks of 64 KiB from the first to the last. Every rank computes it, so that files that
  /// differ between hosts are detected.
  func fingerprint(_ salt: String = "") throws(Failure) -> String {
    let digest = SHA256()
    digest.update("\(salt)\n\(size)\n")
    let blocks = (size + InputFile.block - 1) / InputFile.block
    let read = min(blocks, InputFile.blockLimit)
    let activity = Activity("reading \(name)", of: read)
    defer { activity.end() }
    for i in 0..<read {
      let at = read == blocks ? i : i * (blocks - 1) / (read - 1)
      try bytes(at: at * InputFile.block, count: InputFile.block).withUnsafeBytes { digest.update($0) }
      Activity.advance()
    }
    return digest.finish()
  }

  private static let block = 1 << 16
  private static let blockLimit = 4096
}

extension Failure {
  /// The failure for a file that could not be opened, from the value of `errno`.
  static func unopened(_ name: String, _ code: Int32) -> Failure {
    let hint: String? =
      switch code {
      case ENOENT, ENOTDIR: "check the path; `digits` needs no file"
      case EACCES, EPERM: "ask for permission to read it"
      default: nil
      }
    return Failure(.missingInput, "\(name): cannot be opened: \(describe(code))", hint: hint)
  }
}

/// The system's message for an errno value.
func describe(_ code: Int32) -> String {
  String(cString: strerror(code))
}
