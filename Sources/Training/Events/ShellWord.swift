extension String {
  /// The string as one word of a shell command, quoted if it contains characters that are special to a shell.
  package var shellWord: String {
    let isPlain = !isEmpty && unicodeScalars.allSatisfy { $0.isPlainInShell || "/=:,@%+".unicodeScalars.contains($0) }
    return isPlain ? self : "'" + replacing("'", with: "'\\''") + "'"
  }
}

extension Unicode.Scalar {
  /// Whether this is an ASCII letter, a digit, or one of `._-`, which have no special meaning in a shell or a job
  /// script.
  package var isPlainInShell: Bool {
    switch self {
    case "a"..."z", "A"..."Z", "0"..."9", ".", "_", "-": true
    default: false
    }
  }
}
