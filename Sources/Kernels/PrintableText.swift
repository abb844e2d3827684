extension Unicode.Scalar {
  /// Whether this is a control character, or another one that has no glyph of its own.
  package var isInvisible: Bool {
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: true
    default: false
    }
  }
}

extension String {
  /// The text for use in messages: control and invisible characters are escaped, and at most 500 characters are kept.
  package var printable: String {
    var text = ""
    for (index, scalar) in unicodeScalars.enumerated() {
      if index == 500 { return text + "..." }
      if scalar.isInvisible {
        text += scalar.escaped(asASCII: true)
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}
