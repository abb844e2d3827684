import Settings

/// A configuration key: its path, help text, and functions that read and write its value.
package struct ConfigurationKey: Sendable {
  package let path: String
  package let help: String
  /// Sets the key from the text of a YAML scalar. Returns an error message, or nil if the text is valid.
  let set: @Sendable (inout Configuration, String) -> String?
  package let text: @Sendable (Configuration) -> String
  var isListOfWords = false

  package var section: Substring { path.split(separator: ".")[0] }
  /// Whether a resumed run may change the key without a warning. Such keys affect duration, output and display of a
  /// run, and not its computation.
  package var isFreeOnResume: Bool {
    ["checkpoint", "log"].contains(section)
      || section == "monitor" && !["monitor.on_collapse", "monitor.max_treatments"].contains(path)
      || [
        "data.source", "data.validation", "data.prefetch", "train.max_epochs", "train.max_steps", "train.max_time",
        "train.watchdog", "train.exchange", "train.buckets", "optimizer.sharding", "train.threads", "train.products",
        "train.init_from", "train.init_partial",
      ].contains(path)
  }
  /// The environment variable of the key, such as VAE_DIST_MODEL_LATENT for `model.latent`.
  package var environmentName: String {
    "VAE_DIST_" + path.uppercased().map { $0 == "." ? "_" : String($0) }.joined()
  }
}

extension ConfigurationSchema {
  /// A key for a field of the configuration.
  static func key<Value: ConfigurationValue>(
    _ path: String, _ place: WritableKeyPath<Configuration, Value> & Sendable, _ help: String,
    _ requirement: String = "", where holds: @escaping @Sendable (Value) -> Bool = { _ in true }
  ) -> ConfigurationKey {
    ConfigurationKey(
      path: path, help: help,
      set: { configuration, text in
        read(text, into: &configuration[keyPath: place], requirement: requirement, where: holds)
      },
      text: { $0[keyPath: place].configurationText }, isListOfWords: Value.self == [String].self)
  }

  /// The key that chooses a member of a registry by name.
  static func choice(
    _ source: some SettingSource, _ place: WritableKeyPath<Configuration, String> & Sendable, _ help: String
  ) -> ConfigurationKey {
    let names = source.names
    return ConfigurationKey(
      path: source.key, help: help,
      set: { configuration, text in
        guard names.contains(text) else { return misfit(text, "one of " + names.joined(separator: ", "), among: names) }
        configuration[keyPath: place] = text
        return nil
      }, text: { $0[keyPath: place].configurationText })
  }

  /// The keys that the members of a registry declare.
  static func settingKeys(of source: some SettingSource) -> [ConfigurationKey] {
    let section = source.key.prefix { $0 != "." }
    return source.settings.flatMap(\.settings).map { setting in
      precondition(setting.path.hasPrefix(section + "."), "\(setting.path) is a setting of a member of \(source.key)")
      return ConfigurationKey(
        path: setting.path, help: setting.help, set: { setting.set($1, in: &$0.settings) },
        text: { setting.text(in: $0.settings) }, isListOfWords: setting.isListOfWords)
    }
  }
}
