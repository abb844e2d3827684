import CZip
import Glibc
import Kernels

extension Format {
  /// A zip archive of NumPy arrays: X (or the only other array), labels y, and attributes. x_train and x_test form a
  /// split.
  static let npz = Format(
    summary: "NumPy .npz (arrays X and y)",
    suffixes: [".npz"],
    matches: { $0.begins(with: Array("PK".utf8) + [3, 4]) },
    open: { candidate throws(Failure) in
      guard let file = candidate.file else { throw Failure.unopened(candidate.spec, 0) }
      let names = try Archive(file).memberNames()
      func open(_ member: String, labels: String, attributes: String) throws(Failure) -> Source {
        let reader = try openMember(member, of: file, use: .samples)
        let described =
          names.contains(attributes)
          ? try openMember(attributes, of: file, use: .samples).attributes(of: reader.count) : nil
        guard names.contains(labels) else { return Source(reader, attributes: described) }
        return Source(
          reader,
          labels: Labels { () throws(Failure) in
            try openMember(labels, of: file, use: .labels).wholeNumbers()
          }, attributes: described)
      }
      if names.contains("x_train.npy"), names.contains("x_test.npy") {
        var opened = Opened(try open("x_train.npy", labels: "y_train.npy", attributes: "attributes_train.npy"))
        let valid = try open("x_test.npy", labels: "y_test.npy", attributes: "attributes_test.npy")
        opened.valid = (valid, 0..<valid.reader.count)
        return opened
      }
      let arrays = names.filter { $0.hasSuffix(".npy") && !["y.npy", "attributes.npy"].contains($0) }
      guard let member = arrays.contains("X.npy") ? "X.npy" : arrays.first else {
        let list = names.prefix(8).map(\.printable).joined(separator: ", ")
        throw .malformed(
          file.name, "has no array X; its members are: \(list)",
          hint: "save with np.savez(path, X=samples, y=labels)")
      }
      return Opened(try open(member, labels: "y.npy", attributes: "attributes.npy"))
    })
}

/// Opens one array. Memory is allocated only after the array's size is known to match its header and to be possible for
/// its compressed bytes.
private func openMember(_ member: String, of file: InputFile, use: ArrayLayout.Use) throws(Failure) -> ArrayReader {
  let name = "\(file.name)[\(member.printable)]"
  let stream = try MemberStream(file, member: member, name: name)
  guard stream.storedSize <= file.size else {
    throw .malformed(name, "claims \(stream.storedSize) compressed bytes, but the archive has \(file.size)")
  }
  guard couldInflate(stream.storedSize, to: stream.size) else {
    throw .malformed(name, "claims \(stream.size) bytes, more than \(stream.storedSize) compressed bytes can hold")
  }
  let layout = try NPYHeader(stream).layout(use: use, length: stream.size, name: name)
  return ArrayReader(
    name: name, layout: layout, fingerprint: try file.fingerprint(member),
    backing: .stream { () throws(Failure) in
      let stream = try MemberStream(file, member: member, name: name)
      try stream.skip(layout.dataOffset)
      return stream
    })
}

/// A zip archive that is open for reading.
private final class Archive {
  let handle: OpaquePointer
  private let name: String

  init(_ file: InputFile) throws(Failure) {
    name = file.name
    try file.checkUnchanged()
    let descriptor = dup(file.descriptor)
    var code: Int32 = 0
    guard descriptor >= 0, lseek(descriptor, 0, SEEK_SET) == 0, let handle = zip_fdopen(descriptor, 0, &code) else {
      if descriptor >= 0 { close(descriptor) }
      var error = zip_error_t()
      zip_error_init_with_code(&error, code)
      defer { zip_error_fini(&error) }
      throw .malformed(
        file.name, "is not a whole zip archive: \(String(cString: zip_error_strerror(&error)))",
        hint: "copy or download it again")
    }
    self.handle = handle
  }

  deinit { zip_discard(handle) }

  func memberNames() throws(Failure) -> [String] {
    let count = zip_get_num_entries(handle, 0)
    guard count > 0 else { throw .malformed(name, "is an empty archive") }
    var names: [String] = []
    for index in 0..<count {
      guard let member = zip_get_name(handle, zip_uint64_t(index), 0) else {
        throw .malformed(name, "its member \(index + 1) has no readable name")
      }
      names.append(String(cString: member))
    }
    return names
  }
}

/// A member of an archive, inflated while it is read. libzip checks its CRC at the end.
private final class MemberStream: InflatedStream {
  let name: String
  let size: Int
  let storedSize: Int
  private let archive: Archive
  private let member: OpaquePointer

  init(_ file: InputFile, member: String, name: String) throws(Failure) {
    let archive = try Archive(file)
    var status = zip_stat_t()
    zip_stat_init(&status)
    let needed = UInt64(ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD)
    guard zip_stat(archive.handle, member, 0, &status) == 0, status.valid & needed == needed,
      let size = Int(exactly: status.size), let storedSize = Int(exactly: status.comp_size)
    else { throw .malformed(name, "its size cannot be read: \(message(zip_get_error(archive.handle)))") }
    guard status.encryption_method == ZIP_EM_NONE else { throw .malformed(name, "is encrypted") }
    guard [ZIP_CM_STORE, ZIP_CM_DEFLATE].contains(Int32(status.comp_method)) else {
      throw .malformed(
        name, "is compressed by method \(status.comp_method), which NumPy does not write",
        hint: "save with np.savez_compressed")
    }
    guard let handle = zip_fopen(archive.handle, member, 0) else {
      throw .malformed(name, "cannot be opened: \(message(zip_get_error(archive.handle)))")
    }
    self.name = name
    self.size = size
    self.storedSize = storedSize
    self.archive = archive
    self.member = handle
  }

  deinit { zip_fclose(member) }

  func readPart(into target: UnsafeMutableRawPointer, count: Int) throws(Failure) -> Int {
    let got = zip_fread(member, target, zip_uint64_t(count))
    guard got >= 0 else { throw damaged() }
    return Int(got)
  }

  private func damaged() -> Failure {
    .malformed(
      name, "the compressed data are damaged: \(message(zip_file_get_error(member)))",
      hint: "copy or download it again")
  }
}

private func message(_ error: UnsafeMutablePointer<zip_error_t>?) -> String {
  zip_error_strerror(error).map { String(cString: $0) } ?? "unknown error"
}
