import Foundation
import Data
import Kernels
import Persistence
import Settings
import Yams

extension Configuration {
  /// Resolves the configuration. The precedence is: flag, `--set`, environment, file, preset, default.
  package static func resolve(
    preset: String?, file: String?, environment: [String: String], assignments: [String], flags: [(String, String)]
  ) throws(Failure) -> Configuration {
    var configuration = Configuration()
    if let file {
      let text = try read(file: file)
      // The file may name the preset on which it is based. A preset on the command line takes precedence.
      try configuration.apply(preset: preset ?? presetName(in: text) ?? "digits")
      try configuration.apply(yaml: text, file: file)
    } else {
      try configuration.apply(preset: preset ?? "digits")
    }
    try configuration.apply(environment: environment)
    var words: [(path: String, text: String, place: String)] = []
    for assignment in assignments {
      guard let equals = assignment.firstIndex(of: "=") else {
        throw Failure(
          .usage, "--set \(assignment): no '=' in it",
          hint: "write --set section.key=value, such as --set model.latent=10")
      }
      let text = String(assignment[assignment.index(after: equals)...])
      words.append((String(assignment[..<equals]), text, "--set"))
    }
    words += flags.map { ($0, $1, "command line") }
    for word in words.filter({ $0.path == task }) + words.filter({ $0.path != task }) {
      try configuration.set(word.path, word.text, where: word.place)
    }
    try configuration.requireAgreement()
    return configuration
  }

  /// This key sets the default of another key, beta. It is therefore applied before the other keys of the same source.
  private static let task = "objective.task"

  /// Checks combinations of keys. Each value may be valid and still conflict with another.
  private func requireAgreement() throws(Failure) {
    try requireTarget()
    try requireColumns()
    if monitor.onCollapse == .restartAnnealing, objective.betaSchedule.isControlled {
      throw Failure(
        .badConfiguration,
        "monitor.on_collapse is restart-annealing, and objective.beta.schedule is \(objective.betaSchedule.rawValue), which "
          + "responds to training", hint: "set monitor.on_collapse to free-bits, warn or stop")
    }
    guard optimizer.sharding != .node || train.exchange != .messages else {
      throw Failure(
        .badConfiguration,
        "optimizer.sharding is node, and train.exchange is messages: ranks that share parameters must know when "
          + "the others have finished a step, which messages do not show",
        hint: "leave optimizer.sharding or train.exchange at auto")
    }
  }

  /// Checks the keys for tables. Missing values and categories require a likelihood for columns.
  private func requireColumns() throws(Failure) {
    let isOfColumns = ["columns", "columns_learned"].contains(model.likelihood)
    if self[.sigma] == 0, model.likelihood == "gaussian" || model.likelihood == "columns" && data.columns == .numbers {
      throw Failure(
        .badConfiguration,
        "model.sigma is 0, which chooses sigma by a rule for mixed tables, and there is none for \(model.likelihood) here",
        hint: "set model.sigma above 0, or model.likelihood to gaussian_learned")
    }
    if data.columns == .mixed, !isOfColumns {
      throw Failure(
        .badConfiguration,
        "data.columns is mixed, and model.likelihood is \(model.likelihood), which does not support "
          + "categories and missing values", hint: "set model.likelihood to columns, as the preset tabular does")
    }
    if data.columns == .mixed, model.kind != "mlp" {
      throw Failure(
        .badConfiguration, "data.columns is mixed, and model.kind is \(model.kind)", hint: "set model.kind to mlp")
    }
    guard data.stride == 1 || data.window > 0 else {
      throw Failure(
        .badConfiguration, "data.stride applies to windows, but data.window is 0",
        hint: "set data.window, or remove data.stride")
    }
    guard data.window == 0 || data.classes.isEmpty else {
      throw Failure(
        .badConfiguration, "data.classes selects rows, but windows (data.window) need consecutive rows",
        hint: "remove one of them")
    }
    let isPlain = data.table == TableOptions()
    guard data.columns == .numbers, !isPlain else { return }
    throw Failure(
      .badConfiguration,
      "data.label, data.drop, data.categorical, data.window and data.time are for mixed tables, but data.columns is "
        + "numbers", hint: "add --set data.columns=mixed --set model.likelihood=columns")
  }

  /// Checks the keys that an adaptive beta schedule requires.
  private func requireTarget() throws(Failure) {
    let shape = objective.betaSchedule
    guard shape.isControlled else { return }
    let schedule = "objective.beta.schedule is \(shape.rawValue)"
    func refuse(_ what: String, _ hint: String) throws(Failure) {
      throw Failure(.badConfiguration, "\(schedule), and \(what)", hint: hint)
    }
    let target = "objective.beta.target is \(objective.betaTarget, .decimal)"
    if shape == .geco, objective.betaTarget <= 0, case .discrete = try likelihood.nature {
      try refuse(
        "\(target): the reconstruction of \(model.likelihood) is more than 0 nats",
        "set objective.beta.target to the reconstruction wanted, in nats per sample, as `recon` of a run shows it")
    }
    if shape != .geco, objective.betaTarget <= 0 {
      try refuse(
        "\(target), which is not a KL to aim for", "set objective.beta.target to the KL wanted, in nats per sample")
    }
    if objective.betaLow >= objective.betaHigh {
      try refuse("objective.beta.low is not below objective.beta.high", "change one of them")
    }
    if monitor.metric == .loss {
      try refuse(
        "monitor.metric is loss: beta changes until the end, so losses of different epochs cannot be compared",
        "set monitor.metric to neg_elbo, or to recon or kl")
    }
  }

  /// Sets one key. `place` describes the source of the value, for messages.
  package mutating func set(_ path: String, _ text: String, where place: String) throws(Failure) {
    guard let key = schema.find(path) else { throw unknown(path, place) }
    if let problem = key.set(&self, text) {
      throw Failure(.badConfiguration, "\(place): \(path): \(problem)", hint: "\(path): \(key.help)")
    }
  }

  private func unknown(_ path: String, _ place: String) -> Failure {
    let near = schema.path(meantBy: path)
    return Failure(
      .badConfiguration, "\(place): there is no key '\(path)'",
      hint: near.map { "did you mean \($0)?" } ?? "`vae-dist train --print-config` lists all keys")
  }

  /// Applies the values of a preset. Throws if there is no such preset.
  package mutating func apply(preset name: String) throws(Failure) {
    guard let preset = ConfigurationSchema.presets.first(where: { $0.name == name }) else {
      let names = ConfigurationSchema.presets.map(\.name)
      let near = suggestion(for: name, among: names)
      throw Failure(
        .badConfiguration, "there is no preset '\(name)'",
        hint: (near.map { "did you mean \($0)? " } ?? "") + "presets: " + names.joined(separator: ", "))
    }
    self.preset = name
    for (path, text) in preset.values { try set(path, text, where: "preset \(name)") }
  }

  private mutating func apply(environment: [String: String]) throws(Failure) {
    let sections = Set(schema.keys.map { "VAE_DIST_" + $0.section.uppercased() + "_" })
    let task = "VAE_DIST_OBJECTIVE_TASK"
    let names = environment.keys.filter { name in name != task && sections.contains(where: name.hasPrefix) }.sorted()
    for name in (environment[task] == nil ? [] : [task]) + names {
      let text = environment[name] ?? ""
      guard let key = schema.keys.first(where: { $0.environmentName == name }) else {
        let near = suggestion(for: name, among: schema.keys.map(\.environmentName))
        throw Failure(
          .badConfiguration, "environment: there is no setting \(name)",
          hint: near.map { "did you mean \($0)?" } ?? "unset it")
      }
      try set(key.path, text, where: "environment \(name)")
    }
  }

  private static func read(file: String) throws(Failure) -> String {
    let limit = 1 << 20
    guard let handle = FileHandle(forReadingAtPath: file), let data = try? handle.read(upToCount: limit + 1) else {
      throw Failure(
        .missingInput, "\(file): cannot be read",
        hint: "give a YAML file; `vae-dist train --print-config` prints one to begin with")
    }
    guard data.count <= limit, let text = String(data: data, encoding: .utf8) else {
      throw Failure(
        .badConfiguration, "\(file): not a configuration: \(data.count > limit ? "over 1 MiB" : "not UTF-8")")
    }
    return text
  }

  /// The value of `preset` at the top of a file. Other errors in the file are reported when it is applied.
  private static func presetName(in yaml: String) -> String? {
    guard lineOfAlias(in: yaml) == nil, let node = try? Parser(yaml: yaml).singleRoot(), case .mapping(let root) = node
    else { return nil }
    return root.first { $0.key.scalar?.string == "preset" }?.value.scalar?.string
  }

  /// Applies YAML text. Messages contain the file name and the line.
  package mutating func apply(yaml text: String, file: String) throws(Failure) {
    // A small file with nested aliases can expand without bound, and configurations do not need aliases.
    if let line = lineOfAlias(in: text) {
      throw Failure(.badConfiguration, "\(file):\(line): aliases are not supported", hint: "write the value out")
    }
    let node: Node?
    do {
      node = try Parser(yaml: text).singleRoot()
    } catch let error as YamlError {
      // The parser's message quotes the file, which may contain unprintable characters.
      let reason = "\(error)".split(separator: "\n").prefix(8).map { String($0).printable }.joined(separator: "\n")
      throw Failure(.badConfiguration, "\(file): \(reason)", hint: "see `vae-dist train --print-config` for the form")
    } catch {
      throw Failure(.badConfiguration, "\(file): \(error)")
    }
    guard let node else { return }
    // A document that consists only of `---` is empty.
    if case .scalar(let scalar) = node, scalar.string.isEmpty, scalar.style == .plain { return }
    guard case .mapping(let root) = node else {
      throw Failure(
        .badConfiguration, "\(file): not a mapping of sections", hint: "begin with `version: 1`, `model:` ...")
    }
    if let task = node["objective"]?["task"], let text = task.scalar?.string {
      try set(Configuration.task, text, where: file + line(task))
    }
    for (name, value) in root {
      guard case .scalar(let section) = name else {
        throw Failure(.badConfiguration, "\(file): a key that is not a word")
      }
      if section.string == "version" {
        guard value.scalar?.string == "\(ConfigurationSchema.version)" else {
          throw Failure(
            .badConfiguration, "\(file)\(line(value)): version \(value.scalar?.string ?? "?")",
            hint: "this program reads version \(ConfigurationSchema.version)")
        }
        continue
      }
      if section.string == "preset" {
        guard let name = value.scalar?.string, ConfigurationSchema.presets.contains(where: { $0.name == name }) else {
          throw Failure(
            .badConfiguration, "\(file)\(line(value)): there is no preset '\(value.scalar?.string ?? "")'",
            hint: "presets: " + ConfigurationSchema.presetNames)
        }
        preset = name
        continue
      }
      try apply(value, path: section.string, file: file, line: line(name))
    }
  }

  private mutating func apply(_ node: Node, path: String, file: String, line at: String) throws(Failure) {
    let isSection = schema.keys.contains { $0.path.hasPrefix(path + ".") }
    switch node {
    case .mapping(let mapping) where isSection:
      for (name, value) in mapping {
        guard case .scalar(let key) = name else {
          throw Failure(.badConfiguration, "\(file)\(line(name)): a key that is not a word")
        }
        try apply(value, path: path + "." + key.string, file: file, line: line(name))
      }
    case .scalar(let scalar) where isSection && scalar.string.isEmpty:
      break  // a section without keys
    case _ where isSection:
      throw Failure(.badConfiguration, "\(file)\(at): \(path) is a section", hint: "put its keys below it, indented")
    case .scalar(let scalar):
      try set(path, scalar.string, where: file + at)
    case .sequence(let sequence):
      let words = sequence.map { $0.scalar?.string ?? "?" }
      // An element that contains a comma must not be split.
      let isList = schema.find(path)?.isListOfWords ?? false
      try set(
        path, isList ? words.configurationText : "[" + words.joined(separator: ", ") + "]", where: file + at)
    case .mapping:
      guard schema.find(path) != nil else { throw unknown(path, file + at) }
      throw Failure(.badConfiguration, "\(file)\(at): \(path) is not a section", hint: "give it one value")
    case .alias:
      throw Failure(.badConfiguration, "\(file)\(at): aliases are not supported", hint: "write the value out")
    }
  }

  private func line(_ node: Node) -> String { node.mark.map { ":\($0.line)" } ?? "" }

  /// The values of all keys as text.
  package var texts: [String: String] {
    Dictionary(uniqueKeysWithValues: schema.keys.map { ($0.path, $0.text(self)) })
  }

  /// The resolved configuration as YAML. `apply(yaml:file:)` reads it back as an equal configuration.
  package var yaml: String {
    var lines = ["version: \(ConfigurationSchema.version)", "preset: \(preset)"], open: [Substring] = []
    for key in schema.keys {
      let parts = key.path.split(separator: ".")
      let sections = Array(parts.dropLast())
      let shared = zip(open, sections).prefix { $0 == $1 }.count
      for depth in shared..<sections.count {
        lines.append(String(repeating: "  ", count: depth) + sections[depth] + ":")
      }
      open = sections
      lines.append(String(repeating: "  ", count: sections.count) + "\(parts.last ?? ""): \(key.text(self))")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
