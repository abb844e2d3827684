import Optimizers
import Settings
import VAE

/// All configuration keys. The reader, `--print-config`, the names of environment variables and
/// docs/reference/options.md are derived from this table.
///
/// Keys that a model, prior, likelihood or optimiser declares are taken from its registry.
package final class ConfigurationSchema: Sendable, Equatable {
  package static let version = 1
  package static let standard = ConfigurationSchema()

  package let registries: Registries
  package let optimizers: Registry<SettingValues, any UpdateRule>
  package let keys: [ConfigurationKey]
  /// For each key that registry members read: the keys that choose these members, and the members' names.
  let readers: [String: [(key: String, name: String)]]
  private let byPath: [String: ConfigurationKey]

  package init(
    _ registries: Registries = Registries(),
    optimizers: Registry<SettingValues, any UpdateRule> = OptimizerRegistry.all
  ) {
    (self.registries, self.optimizers) = (registries, optimizers)
    let declared =
      Self.dataKeys + Self.modelKeys(registries) + Self.objectiveKeys + Self.optimizerKeys(optimizers)
      + Self.scheduleKeys + Self.trainKeys + Self.monitorKeys + Self.checkpointKeys + Self.logKeys
    var byPath: [String: ConfigurationKey] = [:], keys: [ConfigurationKey] = []
    for key in declared {
      // Several members may share a setting.
      if let other = byPath[key.path] {
        precondition(other.help == key.help, "\(key.path) is declared twice, and not as the same")
        continue
      }
      byPath[key.path] = key
      keys.append(key)
    }
    (self.byPath, self.keys) = (byPath, keys)
    var readers: [String: [(key: String, name: String)]] = [:]
    let sources: [any SettingSource] = [registries.models, registries.priors, registries.likelihoods, optimizers]
    for source in sources {
      for (name, settings) in source.settings {
        for setting in settings { readers[setting.path, default: []].append((source.key, name)) }
      }
    }
    self.readers = readers
  }

  package static func == (a: ConfigurationSchema, b: ConfigurationSchema) -> Bool { a === b }

  /// The key with this path; nil if there is none.
  package func find(_ path: String) -> ConfigurationKey? { byPath[path] }

  /// The keys as the Markdown table of docs/reference/options.md.
  package var markdown: String {
    let standard = Configuration(self)
    let rows = keys.map { "| `\($0.path)` | `\($0.text(standard))` | \($0.help) |" }
    return (["| key | default | meaning |", "| --- | --- | --- |"] + rows).joined(separator: "\n") + "\n"
  }
}
