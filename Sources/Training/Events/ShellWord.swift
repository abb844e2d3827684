extension String {
  /// As a word of a shell: in quotes where a shell would take some of its characters for more than themselves.
  package var shellWord: String {
    let isPlain = !isEmpty && unicodeScalars.allSatisfy { $0.isPlainInShell || "/=:,@%+".unicodeScalars.contains($0) }
    return isPlain ? self : "'" + replacing("'", with: "'\\''") + "'"
  }
}

extension Unicode.Scalar {
  /// A letter or digit of ASCII, or one of `._-`: no shell and no job script takes it for anything else.
  package var isPlainInShell: Bool {
    switch self {
    case "a"..."z", "A"..."Z", "0"..."9", ".", "_", "-": true
    default: false
    }
  }
}
