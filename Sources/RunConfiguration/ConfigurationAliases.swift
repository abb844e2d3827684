/// The first line of YAML text, counted from 1, that uses an alias (`*name`); nil if no line does.
///
/// This check runs before parsing. The parser expands aliases and compares keys as it goes, so a few lines of nested
/// aliases as a key would take forever. Ambiguous text (a line of a block scalar that begins with a star) counts as an
/// alias.
func lineOfAlias(in yaml: String) -> Int? {
  var line = 1, quote: UInt8?, isComment = false
  // A token begins after an indicator, with or without a space in between.
  var beginsToken = true, afterSpace = true
  let bytes = Array(yaml.utf8)
  for (i, byte) in bytes.enumerated() {
    let isSpace = byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
      if byte == UInt8(ascii: "\n") { line += 1 }
      isComment = false
      if quote == nil { (beginsToken, afterSpace) = (true, true) }
      continue
    }
    if isComment { continue }
    if let open = quote {
      let isEscaped = open == UInt8(ascii: "\"") && oddBackslashes(before: i, in: bytes)
      if byte == open, !isEscaped { (quote, beginsToken, afterSpace) = (nil, false, false) }
      continue
    }
    if isSpace {
      afterSpace = true
      continue
    }
    switch byte {
    case UInt8(ascii: "#") where afterSpace: isComment = true
    case UInt8(ascii: "\"") where beginsToken, UInt8(ascii: "'") where beginsToken: quote = byte
    case UInt8(ascii: "*") where beginsToken: return line
    case UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: ","):
      beginsToken = true
    case UInt8(ascii: ":"), UInt8(ascii: "-"), UInt8(ascii: "?"):
      // These characters are indicators only before a space, or, for a colon, after a quoted key. Dashes may also start
      // a document.
      let next = i + 1 < bytes.count ? bytes[i + 1] : UInt8(ascii: "\n")
      let afterQuote = i > 0 && (bytes[i - 1] == UInt8(ascii: "\"") || bytes[i - 1] == UInt8(ascii: "'"))
      let isColon = byte == UInt8(ascii: ":")
      beginsToken =
        [0x20, 0x09, 0x0a, 0x0d].contains(next) && (isColon || beginsToken) || isColon && afterQuote
        || byte == UInt8(ascii: "-") && next == byte && beginsToken
    case UInt8(ascii: "&") where beginsToken, UInt8(ascii: "!") where beginsToken: break  // of the token that follows
    default:
      // The token that follows an anchor or a tag has not begun yet.
      beginsToken = beginsToken && isInProperty(i, in: bytes)
    }
    afterSpace = false
  }
  return nil
}

/// Whether the byte belongs to a word that begins with `&` or `!`.
private func isInProperty(_ index: Int, in bytes: [UInt8]) -> Bool {
  var at = index
  while at > 0,
    ![0x20, 0x09, 0x0a, 0x0d, UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "{")].contains(bytes[at - 1])
  {
    at -= 1
    if index - at > 200 { return false }
  }
  return bytes[at] == UInt8(ascii: "&") || bytes[at] == UInt8(ascii: "!")
}

private func oddBackslashes(before index: Int, in bytes: [UInt8]) -> Bool {
  var count = 0
  while index - count > 0, bytes[index - count - 1] == UInt8(ascii: "\\") { count += 1 }
  return count % 2 == 1
}
