extension Configuration {
  /// Messages about settings that have no effect because their model, prior, likelihood or optimiser is not chosen.
  /// There is one sentence for each such key that differs from the preset.
  package var settingsWithoutEffect: [String] {
    var preset = Configuration(schema)
    try? preset.apply(preset: self.preset)
    func chosen(_ key: String) -> String { schema.find(key)?.text(self) ?? "" }
    return schema.keys.compactMap { key in
      guard let readers = schema.readers[key.path], key.text(self) != key.text(preset),
        !readers.contains(where: { chosen($0.key) == $0.name })
      else { return nil }
      let owners = readers.map { "\($0.key) \($0.name)" }.joined(separator: ", ")
      var choices: [String] = []
      for reader in readers where !choices.contains(reader.key) { choices.append(reader.key) }
      let others = choices.map { "\($0) is \(chosen($0))" }.joined(separator: ", ")
      return "\(key.path) is \(key.text(self)) and has no effect: it is a setting of \(owners), and \(others)"
    }
  }
}
