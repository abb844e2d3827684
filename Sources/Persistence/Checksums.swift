import Kernels

/// The file SHA256SUMS in the format of `sha256sum -c`. A comment holds the number of files, so that a lost line is
/// detected.
enum Checksums {
  static let fileName = "SHA256SUMS"

  struct Entry: Equatable {
    let digest: String
    let name: String
  }

  static func text(_ entries: [Entry]) -> String {
    let lines = entries.map { "\($0.digest)  \($0.name)\n" }
    return "# \(entries.count) files\n" + lines.joined()
  }

  /// Parses the entries. Throws for names outside the directory, because the file may come from an untrusted source.
  static func parse(_ bytes: [UInt8], path: String) throws(Failure) -> [Entry] {
    guard bytes.last == UInt8(ascii: "\n"), let text = String(validating: bytes, as: UTF8.self) else {
      throw damaged(path, "it ends within a line or is not text")
    }
    var entries: [Entry] = []
    var expected: Int?
    for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("#") {
        let words = line.split(separator: " ")
        guard words.count == 3, words[2] == "files", let count = Int(words[1]), expected == nil else {
          throw damaged(path, "its comment does not say how many files there are")
        }
        expected = count
        continue
      }
      let digest = line.prefix(64)
      let rest = line.dropFirst(64)
      guard digest.utf8.count == 64, digest.allSatisfy({ $0.isASCII && $0.isHexDigit }),
        rest.hasPrefix("  ") || rest.hasPrefix(" *")
      else {
        throw damaged(path, "it has the line \"\(String(line).printable)\"")
      }
      let name = String(rest.dropFirst(2))
      guard isPlain(name) else {
        throw damaged(path, "\"\(name.printable)\" is not the name of a file in its directory")
      }
      entries.append(Entry(digest: digest.lowercased(), name: name))
    }
    guard !entries.isEmpty, expected ?? entries.count == entries.count else {
      throw damaged(path, "it lists \(entries.count) files and should list \(expected ?? 1)")
    }
    return entries
  }

  /// Whether a name stays within its directory and needs no escaping by sha256sum.
  static func isPlain(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && name != fileName && name.utf8.count <= 255
      && name.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\") }
  }

  /// Reads every listed file of an open directory and throws unless its digest matches.
  static func verify(_ directory: OpenFile) throws(Failure) {
    let sums = try OpenFile(reading: fileName, in: directory)
    for entry in try parse(sums.contents(limit: 1 << 20), path: sums.path) {
      let file = try OpenFile(reading: entry.name, in: directory)
      guard try digest(file) == entry.digest else {
        throw Failure(
          .badData, "\(file.path.printable) is damaged: its SHA-256 is not the one in \(fileName)",
          hint: "use an older checkpoint, or copy it again")
      }
    }
  }

  private static func digest(_ file: OpenFile) throws(Failure) -> String {
    let hash = SHA256()
    var rest = Int(try file.status().st_size)
    var offset = 0
    var block = [UInt8](repeating: 0, count: min(rest, 1 << 20))
    let activity = Activity("verifying \(file.path)", of: rest)
    defer { activity.end() }
    while rest > 0 {
      let count = min(rest, block.count)
      try block.withUnsafeMutableBufferPointer { buffer throws(Failure) in
        let part = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count])
        try file.read(into: part, at: offset)
        hash.update(UnsafeRawBufferPointer(part))
      }
      offset += count
      rest -= count
      Activity.advance(by: count)
    }
    return hash.finish()
  }

  private static func damaged(_ path: String, _ reason: String) -> Failure {
    Failure(.badData, "\(path.printable) is damaged: \(reason)", hint: "use an older checkpoint, or copy it again")
  }
}
