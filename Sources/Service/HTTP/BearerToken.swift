#if Service
import Glibc
import Kernels
import Persistence

/// A secret token that requests carry in the header `Authorization: Bearer ...`.
package struct BearerToken: Sendable {
  private let bytes: [UInt8]
  private static let least = 16

  /// Reads the token from the first line of a file. Throws if other users can read the file or if the token is too
  /// short or contains characters other than printable ASCII.
  package init(file path: String) throws(Failure) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw Failure(
        .missingInput, "--token-file \(path.printable): \(String(cString: strerror(errno)))",
        hint: "make one: (umask 077; openssl rand -hex 32 > \(path.printable))")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw Failure(
        .usage, "--token-file \(path.printable): others can read it, so it is not secret",
        hint: "chmod 600 \(path.printable), after writing a new token into it")
    }
    let line = try DurableFile.read(path).prefix { $0 != 0x0a && $0 != 0x0d }
    guard line.count >= Self.least, line.allSatisfy({ (0x21...0x7e).contains($0) }) else {
      throw Failure(
        .badData, "--token-file \(path.printable): its first line is not a token",
        hint: "write \(Self.least) characters or more, without spaces: openssl rand -hex 32")
    }
    bytes = Array(line)
  }

  /// Compares the header with the token. The time does not depend on where the two differ.
  func admits(_ authorization: String?) -> Bool {
    let given = Array((authorization ?? "").utf8), scheme = Array("bearer ".utf8)
    let hasScheme = given.count >= scheme.count && zip(given, scheme).allSatisfy { $0 | 0x20 == $1 | 0x20 }
    let secret = hasScheme ? Array(given.dropFirst(scheme.count)) : []
    var difference = secret.count ^ bytes.count
    for place in bytes.indices {
      difference |= Int(bytes[place] ^ (secret.isEmpty ? 0 : secret[place % secret.count]))
    }
    return difference == 0
  }
}
#endif
