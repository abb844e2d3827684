import Autograd
import RunConfiguration
@testable import Data
import Kernels
import Layers
import Optimizers
import Settings
import TestSupport
import Testing
import VAE

/// The registries of a program with one more member of each kind, each added by one line.
private let schema: ConfigurationSchema = {
  var registries = Registries(), optimizers = OptimizerRegistry.all
  registries.models.members.append(.toy)
  registries.priors.members.append(.toy)
  registries.likelihoods.members.append(.toy)
  optimizers.members.append(.toy)
  return ConfigurationSchema(registries, optimizers: optimizers)
}()

/// A configuration that selects all of the toy members.
private func toys() throws -> Configuration {
  var configuration = Configuration(schema)
  for (key, value) in [
    ("model.kind", "toy_model"), ("model.prior", "toy_prior"), ("model.likelihood", "toy_likelihood"),
    ("optimizer.kind", "toy_sign"), ("model.latent", "2"),
  ] {
    try configuration.set(key, value, where: "test")
  }
  return configuration
}

/// Tests that a new member of a registry needs only one file and one line.
@Suite struct ExtensionTests {
  private let own = ["model.toy_width", "model.toy_spread", "model.toy_precision", "optimizer.toy_memory"]

  @Test("Settings of new members are keys of the schema, and no other key changes")
  func keys() throws {
    let known = Set(ConfigurationSchema.standard.keys.map(\.path))
    #expect(schema.keys.map(\.path).filter { !known.contains($0) } == own)
    #expect(schema.keys.map(\.path).filter(known.contains) == ConfigurationSchema.standard.keys.map(\.path))
    #expect(schema.find("model.toy_width")?.environmentName == "VAE_DIST_MODEL_TOY_WIDTH")
    #expect(schema.markdown.contains("| `model.toy_width` | `6` | width of the toy model's hidden layer |"))
    #expect(schema.path(meantBy: "toy_widht") == "model.toy_width")
  }

  @Test("Keys accept the names of new members and refuse unknown names")
  func choices() throws {
    #expect(schema.find("model.kind")?.help == "mlp, conv, resnet, toy_model")
    #expect(schema.find("model.prior")?.help.hasSuffix(", toy_prior (wider or narrower)") == true)
    #expect(schema.find("optimizer.kind")?.help == "adam, adamw, toy_sign")
    var configuration = Configuration(schema)
    for (key, text, message) in [
      ("optimizer.kind", "toy_sing", "'toy_sing' is not one of adam, adamw, toy_sign; did you mean toy_sign?"),
      ("model.toy_width", "65", "65 is not between 1 and 64"),
      ("model.toy_spread", "wide", "'wide' is not a number"),
    ] {
      let error = #expect(throws: Failure.self) { try configuration.set(key, text, where: "test") }
      #expect(error?.message == "test: \(key): \(message)")
    }
    #expect(configuration == Configuration(schema))
    var standard = Configuration()
    #expect(throws: Failure.self) { try standard.set("model.toy_width", "5", where: "test") }
  }

  @Test("A configuration prints the settings of new members and reads them back")
  func printed() throws {
    var configuration = try toys()
    try configuration.set("model.toy_width", "9", where: "test")
    try configuration.set("optimizer.toy_memory", "0.25", where: "test")
    #expect(configuration.yaml.contains("\n  toy_width: 9\n") && configuration.yaml.contains("\n  toy_spread: 1.0\n"))
    var again = Configuration(schema)
    try again.apply(yaml: configuration.yaml, file: "run.yaml")
    #expect(again == configuration && again[.toyWidth] == 9 && again.texts["optimizer.toy_memory"] == "0.25")
  }

  @Test("A setting of a new member that is not selected is reported")
  func withoutEffect() throws {
    var configuration = Configuration(schema)
    try configuration.apply(preset: "digits")
    try configuration.set("model.toy_spread", "2", where: "test")
    #expect(
      configuration.settingsWithoutEffect == [
        "model.toy_spread is 2.0 and has no effect: it is a setting of model.prior toy_prior, and model.prior is standard"
      ])
  }

  /// The losses of 60 steps on eight rows, and the mean of the averaged parameters.
  private func train(_ configuration: Configuration) throws -> (losses: [Double], average: [Float], names: [String]) {
    let model = try VariationalAutoencoder(
      configuration.modelSettings(.vector(5)), among: configuration.schema.registries,
      likelihood: configuration.likelihood, objective: configuration.objectiveSettings, seed: 1)
    let optimizer = try Optimizer(configuration.optimizerSettings, count: model.store.count)
    optimizer.begin(with: model.store.values)
    let rows = 8, elbo = model.elboGraph(batch: rows, gradients: true), graph = elbo.graph
    let seeds = [Float](repeating: 1 / Float(rows), count: rows), weights = [Float](repeating: 1, count: rows)
    let gradients = Buffer(count: model.store.count), samples = Buffer.allocate(UInt64.self, count: rows)
    defer { samples.deallocate() }
    for i in 0..<rows { samples[i] = UInt64(i) }
    for i in 0..<elbo.x.count { graph[elbo.x][i] = Float(i % 5 * (i / 5 % 4)) / 4 - 1 }
    graph[elbo.terms.bound.beta][0] = 1
    var losses: [Double] = []
    for step in 0..<60 {
      graph.forward(.training(samples, filled: .max, seed: 1, attempt: 0, epoch: UInt32(step)))
      losses.append(vd_weighted_sum(graph[elbo.terms.loss], weights, rows) / Double(rows))
      graph.backward(from: elbo.terms.loss, seed: seeds, gradients: gradients.base)
      optimizer.step(model.store.values, gradient: gradients.base, rate: 0.02, scale: 1, update: step + 1)
    }
    let average = optimizer.average.map { average in (0..<optimizer.count).map { average[$0] } } ?? []
    return (losses, average, model.store.parameters.map { "\($0.name) \($0.shape)" })
  }

  @Test("A new model, prior, likelihood and optimiser train together, and their settings have an effect")
  func trains() throws {
    var configuration = try toys()
    let plain = try train(configuration)
    let first: Double = plain.losses.prefix(10).reduce(0, +), last: Double = plain.losses.suffix(10).reduce(0, +)
    #expect(last < 0.9 * first)
    #expect(plain.names.contains { $0.hasPrefix("encoder.0.weight") })
    for (key, value) in [
      ("model.toy_width", "3"), ("model.toy_spread", "3"), ("model.toy_precision", "4"),
      ("optimizer.toy_memory", "0.9"),
    ] {
      var other = configuration
      try other.set(key, value, where: "test")
      #expect(try train(other).losses != plain.losses, "\(key)")
    }
    #expect(plain.average.isEmpty)
    configuration.optimizer.ema = 0.9
    let averaged = try train(configuration)
    #expect(averaged.losses == plain.losses)
    #expect(averaged.average.allSatisfy { $0.isFinite })
    #expect(averaged.average.contains { $0 != 0 })
  }

  @Test("A new data format is recognised by its name and by its content")
  func format() throws {
    let scratch = try Scratch()
    for name in ["rows.toy", "rows"] {
      let path = try scratch.write(name, toyMagic + Array("123\n456\n".utf8))
      let opened = try open(spec: path, among: [.toy] + formats)
      #expect(opened.train.rows == 0..<2 && opened.train.source.reader.shape == .vector(3))
      var row: [Float] = [0, 0, 0]
      try opened.train.source.reader.read(row: 1, into: &row)
      #expect(row == [4, 5, 6])
      let error = #expect(throws: Failure.self) { try open(spec: path) }
      #expect(error?.message.isEmpty == false)
    }
    let short = try scratch.write("short.toy", toyMagic + Array("12\n".utf8))
    let error = #expect(throws: Failure.self) { try open(spec: short, among: [.toy] + formats) }
    #expect(error?.message.hasSuffix("not rows of three digits") == true)
  }
}
