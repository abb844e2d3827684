import RunConfiguration
import Foundation
import Kernels
import Settings
import TestSupport
import Testing
import Training

/// What each key accepts and what it refuses, in its own words; every key of the schema must be here.
private let keyCases: [(path: String, accepted: [String], refused: [String])] = [
  ("data.source", ["mnist", "/data/a b.csv", "", "1e5", "true", "@home", "a: b # c", "-x", "naïve.csv"], []),
  ("data.validation", ["auto", "0.2", "other.npy"], []),
  ("data.classes", ["[]", "[3]", "[0, 7]"], ["[-1]", "three"]),
  ("data.scale", ["auto", "none", "unit", "minmax", "standardize"], ["Unit", "", "half"]),
  ("data.image_size", ["0", "64"], ["-1", "32x32", "65537"]),
  ("data.channels", ["0", "1", "3"], ["2", "4", "-1", "rgb"]),
  ("data.flip", ["true", "false"], ["yes", "1", "both"]),
  ("data.shift", ["0", "4"], ["-1", "1.5", "all"]),
  ("data.binarize", ["none", "dynamic"], ["static", "true"]),
  ("data.prefetch", ["auto", "on", "off"], ["true", "yes", ""]),
  ("data.columns", ["numbers", "mixed"], ["text", ""]),
  ("data.label", ["", "class", "last name", "a, b"], []),
  (
    "data.drop", ["[]", "[id]", "id, name", "[\"a, b\", c]", "[\"say \\\"so\\\"\"]"],
    ["[a,]", "[,]", "[\"a]", "[\"a\"b]"]
  ),
  ("data.categorical", ["[]", "[zip]"], ["[a,,b]"]),
  ("data.window", ["0", "48", "65536"], ["-1", "65537"]),
  ("data.stride", ["1", "48"], ["0", "65537"]),
  ("data.time", ["", "timestamp"], []),
  ("model.kind", ["mlp", "conv"], []),
  (
    "model.hidden", ["[]", "[400]", "[400, 200]", "17", "[ 1,65536 ]"],
    ["[0]", "[65537]", "[1.5]", "[a]", "[1,]", "[1", "-1"]
  ),
  ("model.decoder_hidden", ["[]", "[5]"], ["[0]", "[-3]", "wide"]),
  (
    "model.activation",
    ["identity", "relu", "leaky_relu", "elu", "tanh", "sigmoid", "softplus", "silu", "gelu"], ["ReLU", "swish", ""]
  ),
  ("model.dropout", ["0", "0.5", "0.999"], ["1", "-0.1", "1.0", "0.99999999", "nan", "inf", "half", "0x1p-1", ""]),
  ("model.logvar_low", ["-30", "0", "-10.5"], ["-31", "0.1", "x"]),
  ("model.logvar_high", ["30", "0.001"], ["0", "31", "-1", "1e-50"]),
  ("model.channels", ["[32]", "[32, 64]", "[4096]"], ["[]", "[0]", "[4097]", "32x64", "conv"]),
  ("model.kernel", ["1", "64"], ["0", "65", "3.5"]),
  ("model.stride", ["1", "64"], ["0", "65", "two"]),
  ("model.padding", ["0", "63"], ["-1", "64", "same"]),
  ("model.blocks", ["1", "64"], ["0", "65", "two"]),
  ("model.norm_groups", ["1", "4096"], ["0", "4097", "all"]),
  ("model.latent", ["1", "65536"], ["0", "-1", "65537", "1.5", "ten", "", "99999999999999999999"]),
  ("model.condition", ["none", "label", "attributes"], ["labels", "", "class"]),
  ("model.prior", ["standard", "conditional", "flow"], ["", "normal", "Flow"]),
  ("model.prior_hidden", ["[]", "[64]", "[5, 7]"], ["[0]", "[65537]", "wide"]),
  ("model.flow_layers", ["1", "64"], ["0", "65", "two"]),
  (
    "model.likelihood",
    [
      "bernoulli", "continuous_bernoulli", "gaussian", "gaussian_learned", "gaussian_pixel", "gaussian_optimal",
      "laplace", "discretized_logistic", "columns", "columns_learned", "logistic_mixture",
    ], ["mse", "Laplace", ""]
  ),
  ("model.sigma", ["0", "0.000001", "1e6", "0.1"], ["-1", "1e7", "1e-7", "nan"]),
  ("model.mixtures", ["1", "10", "32"], ["0", "33", "1.5"]),
  ("objective.task", ["none", "generation", "anomaly", "disentanglement"], ["", "beta", "Generation"]),
  (
    "objective.beta.schedule", ["constant", "linear", "cyclical", "sigmoid", "geco", "controlvae", "capacity"],
    ["cosine", "GECO"]
  ),
  ("objective.beta.start", ["0", "4"], ["-1", "1e400", "1e39", "nan"]),
  ("objective.beta.end", ["0", "1e-3", "100"], ["-0.1", "inf", "1e39"]),
  ("objective.beta.unit", ["epoch", "step"], ["steps"]),
  ("objective.beta.warmup", ["0", "2.5", "10000"], ["-1", "1e300"]),
  ("objective.beta.target", ["0", "25", "-300.5"], ["1e10", "-1e10", "nan", "none"]),
  ("objective.beta.rate", ["0", "0.1"], ["-0.1", "1e39"]),
  ("objective.beta.proportional", ["0", "0.01"], ["-1", "nan"]),
  ("objective.beta.integral", ["0", "1e-4"], ["-1", "inf"]),
  ("objective.beta.low", ["1e-9", "1"], ["0", "-1"]),
  ("objective.beta.high", ["1e9", "1"], ["0", "1e10"]),
  ("objective.beta.cycles", ["1", "100"], ["0", "-1", "2.5"]),
  ("objective.beta.cycle_rise", ["1", "0.01"], ["0", "1.01"]),
  ("objective.free_bits", ["0", "0.25"], ["-0.1", "1e39"]),
  ("objective.reconstruction", ["sum", "mean"], ["average"]),
  ("objective.perceptual", ["0", "0.25"], ["-1", "nan"]),
  ("objective.total_correlation", ["0", "3"], ["-1", "nan"]),
  ("objective.mmd", ["0", "1000"], ["-1", "1e39"]),
  ("optimizer.kind", ["adam", "adamw"], ["sgd", "Adam"]),
  ("optimizer.learning_rate", ["0.001", "1e-5", "10"], ["0", "-1", "inf", "1e39", "fast"]),
  ("optimizer.beta1", ["0", "0.9"], ["1", "-0.1"]),
  ("optimizer.beta2", ["0", "0.999"], ["1", "1.5"]),
  ("optimizer.epsilon", ["1e-8", "1"], ["0", "-1", "1e-300"]),
  ("optimizer.weight_decay", ["0", "0.01"], ["-0.01", "1e39"]),
  ("optimizer.clip_norm", ["0", "5.0"], ["-1"]),
  ("optimizer.ema", ["0", "0.999"], ["1", "-0.1", "true"]),
  ("optimizer.sharding", ["auto", "node", "none"], ["all"]),
  ("schedule.kind", ["constant", "warmup_cosine", "step"], ["cosine"]),
  ("schedule.warmup_steps", ["0", "1000"], ["-1", "1.5"]),
  ("schedule.minimum_factor", ["0", "1"], ["-0.1", "1.1"]),
  ("schedule.step_epochs", ["1", "50"], ["0"]),
  ("schedule.step_factor", ["1", "0.1"], ["0", "1.5"]),
  ("train.seed", ["0", "1234567890123"], ["-1", "1.0", "99999999999999999999"]),
  ("train.batch_size", ["1", "16777216"], ["0", "16777217", "-8"]),
  ("train.microbatch", ["0", "16"], ["-1"]),
  ("train.max_epochs", ["1", "1000000"], ["0", "1000001"]),
  ("train.max_steps", ["0", "100"], ["-1", "1e3"]),
  ("train.overfit_batches", ["0", "3"], ["-1", "1000001", "0.1"]),
  (
    "train.max_time", ["none", "3h50m", "90s", "2d", "90", "1.5h", "1d2h3m4.25s"],
    ["", "h", "0s", "-5s", "3h50", "5x", "soon", "1e300d"]
  ),
  ("train.watchdog", ["auto", "none", "4s", "1h30m"], ["", "0s", "0.5s", "-5s", "soon", "never"]),
  ("train.threads", ["1", "256"], ["0", "257"]),
  ("train.products", ["auto", "openblas", "onednn"], ["mkl", ""]),
  ("train.exchange", ["auto", "window", "messages"], ["mpi"]),
  ("train.buckets", ["0", "1", "16"], ["-1", "17"]),
  ("train.init_from", ["none", "runs/a", "model.safetensors"], [""]),
  ("train.init_partial", ["true", "false"], ["some", ""]),
  ("train.wire", ["float32", "bfloat16"], ["float16"]),
  ("monitor.collapse_kl", ["0", "0.5"], ["-1"]),
  ("monitor.collapse_epochs", ["1", "9"], ["0"]),
  ("monitor.active_variance", ["0", "0.01"], ["-1"]),
  ("monitor.fail_on_collapse", ["true", "false"], ["yes", "1", "True", ""]),
  ("monitor.on_collapse", ["warn", "stop", "restart-annealing", "free-bits"], ["", "restart", "free_bits", "true"]),
  ("monitor.max_treatments", ["0", "5"], ["-1", "many"]),
  ("monitor.max_rollbacks", ["0", "5"], ["-1"]),
  ("monitor.pictures_every", ["0", "5"], ["-1"]),
  ("monitor.metric", ["neg_elbo", "recon", "recon_of_mean", "kl", "loss"], ["accuracy", "val_loss", ""]),
  ("monitor.patience", ["0", "5"], ["-1", "2.5"]),
  ("monitor.min_delta", ["0", "0.1"], ["-1", "nan"]),
  ("checkpoint.every_epochs", ["1", "10"], ["0"]),
  ("checkpoint.every_steps", ["0", "10"], ["-1"]),
  ("checkpoint.keep", ["1", "10"], ["0"]),
  ("log.progress", ["auto", "bar", "plain", "json", "none"], ["quiet"]),
  ("log.every_steps", ["0", "10"], ["-1"]),
  ("log.tensorboard", ["true", "false"], ["auto", "1", ""]),
]

/// Reads YAML into the defaults.
private func read(_ yaml: String) throws(Failure) -> Configuration {
  var configuration = Configuration()
  try configuration.apply(yaml: yaml, file: "run.yaml")
  return configuration
}

@Suite struct ConfigurationKeyTests {
  @Test("Every key of the schema is tested here")
  func allKeys() {
    #expect(keyCases.map(\.path) == ConfigurationSchema.standard.keys.map(\.path))
    #expect(ConfigurationSchema.standard.keys.allSatisfy { !$0.help.isEmpty && $0.help.count < 100 })
  }

  @Test("Every key accepts its values, writes them as YAML, and reads them back to the same")
  func roundTrip() throws {
    for (path, accepted, _) in keyCases {
      for text in accepted {
        var configuration = Configuration()
        try configuration.set(path, text, where: "test")
        let again = try read(configuration.yaml)
        #expect(
          again == configuration,
          "\(path): \(text): \(ConfigurationSchema.standard.find(path)?.text(configuration) ?? "")")
      }
    }
  }

  @Test("Every key refuses what it cannot mean, and says so with the key, the text and help")
  func refusals() {
    for (path, _, refused) in keyCases {
      for text in refused {
        var configuration = Configuration()
        let error = failure { () throws(Failure) in try configuration.set(path, text, where: "run.yaml:7") }
        #expect(error?.status == .badConfiguration, "\(path): \(text)")
        #expect(error?.message.hasPrefix("run.yaml:7: \(path): ") == true)
        #expect(text.isEmpty || error?.message.contains(text) == true)
        #expect(error?.hint?.hasPrefix(path) == true)
        #expect(configuration == Configuration())
      }
    }
  }

  @Test("Presets print and read back to the same", arguments: ConfigurationSchema.presets.map(\.name))
  func presets(name: String) throws {
    var configuration = Configuration()
    try configuration.apply(preset: name)
    var again = try read(configuration.yaml)
    again.preset = configuration.preset  // not a key: the run directory keeps it elsewhere
    #expect(again == configuration)
    #expect(configuration != Configuration() && configuration.preset == name)
  }

  @Test("Texts survive YAML whatever is in them")
  func hostileTexts() throws {
    var texts = [
      "@x", "`x", "%x", "&x", "*x", "!x", "|", ">", "?", ":", "-", "--- x", "...", "[a]", "{a}", "a,b", "#", "a #b",
      " a ",
      "a: b", "'", "\"", "\\", "a\nb", "a\tb", "\r", "\u{0}", "\u{7f}", "\u{85}", "\u{2028}", "\u{2029}", "a\u{feff}",
      "\u{9f}",
      "null", "~", "Yes", "off", ".5", ".inf", "-.NaN", "0x10", "0o7", "1_000", "2024-01-01", "1:30", "日本.csv",
      "e\u{301}", "🧪",
      "\u{fffe}", "\u{10ffff}", "=", "<<",
    ]
    var random = Random(state: 5)
    for _ in 0..<300 {
      let scalars = (0..<Int.random(in: 1...8, using: &random)).compactMap { _ in
        Unicode.Scalar(UInt32.random(in: 0...(Bool.random(using: &random) ? 0x7f : 0x2fff), using: &random))
      }
      texts.append(String(String.UnicodeScalarView(scalars)))
    }
    for text in texts {
      var configuration = Configuration()
      configuration.data.source = text
      let again = try read(configuration.yaml)
      #expect(Array(again.data.source.unicodeScalars) == Array(text.unicodeScalars), "\(text.debugDescription)")
    }
  }
}

@Suite struct ConfigurationPrecedenceTests {
  @Test("Default, preset, file, environment, --set and flag: each beats those before it")
  func precedence() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "vae-dist-\(UUID()).yaml").path
    try "version: 1\nmodel:\n  latent: 103\ntrain:\n  batch_size: 203\n  max_epochs: 303\n  seed: 403\n"
      .write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    func resolve(_ layers: Int) throws(Failure) -> Configuration {
      try Configuration.resolve(
        preset: layers > 0 ? "tabular" : nil, file: layers > 1 ? path : nil,
        environment: layers > 2
          ? ["VAE_DIST_MODEL_LATENT": "104", "VAE_DIST_TRAIN_BATCH_SIZE": "204", "VAE_DIST_TRAIN_MAX_EPOCHS": "304"]
          : [:],
        assignments: layers > 3 ? ["model.latent=105", "train.batch_size=205"] : [],
        flags: layers > 4 ? [("model.latent", "106")] : [])
    }
    // (latent, batch, epochs, seed) after each layer; the default preset is digits.
    var digits = Configuration()
    try digits.apply(preset: "digits")
    let expected = [
      [digits.model.latent, digits.train.batchSize, digits.train.maxEpochs, digits.train.seed], [8, 128, 100_000, 1],
      [103, 203, 303, 403], [104, 204, 304, 403], [105, 205, 304, 403],
      [106, 205, 304, 403],
    ]
    for (layers, values) in expected.enumerated() {
      let c = try resolve(layers)
      #expect([c.model.latent, c.train.batchSize, c.train.maxEpochs, c.train.seed] == values, "\(layers) layers")
    }
    #expect(try resolve(5).model.likelihood == "columns")
  }

  @Test("A foreign or misspelt choice is told with the right one")
  func choices() {
    func message(_ assignment: String) -> String? {
      failure { () throws(Failure) in
        _ = try Configuration.resolve(
          preset: nil, file: nil, environment: [:], assignments: [assignment], flags: [])
      }?.message
    }
    for (given, meant) in [("val_loss", "loss"), ("elbo", "neg_elbo"), ("neg-elbo", "neg_elbo"), ("Recon", "recon")] {
      let text = message("monitor.metric=\(given)")
      #expect(
        text?.hasSuffix("neg_elbo, recon, recon_of_mean, kl, loss; did you mean \(meant)?") == true, "\(text ?? "")")
    }
    #expect(message("monitor.metric=accuracy")?.contains("did you mean") == false)
    #expect(message("model.activation=swish")?.contains("did you mean") == false)
  }

  @Test("Later assignments win, and may hold an equals sign")
  func assignments() throws {
    let c = try Configuration.resolve(
      preset: nil, file: nil, environment: [:], assignments: ["model.latent=3", "model.latent=4", "data.source=a=b"],
      flags: [])
    #expect(c.model.latent == 4 && c.data.source == "a=b")
  }

  @Test("A misspelt name is told with the right one, wherever it comes from")
  func misspelt() {
    func resolve(
      preset: String? = nil, environment: [String: String] = [:], assignments: [String] = [],
      flags: [(String, String)] = []
    ) -> Failure? {
      failure { () throws(Failure) in
        _ = try Configuration.resolve(
          preset: preset, file: nil, environment: environment, assignments: assignments, flags: flags)
      }
    }
    let assignment = resolve(assignments: ["model.latnet=3"])
    #expect(assignment?.message == "--set: there is no key 'model.latnet'")
    #expect(assignment?.hint == "did you mean model.latent?")
    let environment = resolve(environment: ["VAE_DIST_MODEL_LATNET": "3"])
    #expect(environment?.message.contains("VAE_DIST_MODEL_LATNET") == true)
    #expect(environment?.hint == "did you mean VAE_DIST_MODEL_LATENT?")
    #expect(resolve(preset: "digit")?.hint?.contains("did you mean digits?") == true)
    #expect(resolve(assignments: ["model.latent"])?.status == .usage)
    #expect(resolve(assignments: ["=3"])?.status == .badConfiguration)
    #expect(resolve(assignments: ["zzzzzzzzzzzzzzzz=3"])?.hint?.contains("--print-config") == true)
    // A message must not take minutes, however long the name.
    #expect(resolve(assignments: [String(repeating: "model.latent", count: 100_000) + "=3"]) != nil)
  }

  @Test("Variables of other sections are not ours")
  func otherVariables() throws {
    let environment = ["VAE_DIST_TEST_DATA": "/data", "VAE_DIST_VERSION": "2", "PATH": "x", "VAE_DIST_": "x"]
    let c = try Configuration.resolve(preset: nil, file: nil, environment: environment, assignments: [], flags: [])
    #expect(c.preset == "digits")
  }
}

@Suite struct ConfigurationFileTests {
  @Test("Errors name the file and the line")
  func lines() {
    let cases: [(yaml: String, start: String, hint: String)] = [
      ("version: 1\nmodel:\n  latent: 3\n  latnet: 4\n", "run.yaml:4: there is no key 'model.latnet'", "model.latent?"),
      ("model:\n\n  latent: none\n", "run.yaml:3: model.latent: 'none' is not a whole number", "size of z"),
      ("modell:\n  latent: 3\n", "run.yaml:1: there is no key 'modell'", ""),
      ("# x\nobjective:\n  beta: 4\n", "run.yaml:3: objective.beta is a section", "below it"),
      ("model:\n  latent:\n    size: 3\n", "run.yaml:2: model.latent is not a section", "one value"),
      ("version: 2\n", "run.yaml:1: version 2", "version 1"),
      ("- model\n- latent\n", "run.yaml: not a mapping", "version: 1"),
      ("just text\n", "run.yaml: not a mapping", ""),
      ("model:\n  latent: [3]\n", "run.yaml:2: model.latent: '[3]' is not a whole number", ""),
      ("model:\n  hidden: [[1], 2]\n", "run.yaml:2: model.hidden", ""),
      ("model: {latent: 3, latent: 4}\n", "run.yaml", ""),
      ("? [a]\n: 3\n", "run.yaml", ""),
      ("model:\n  latent: 3\n bad", "run.yaml", ""),
      ("model:\n\tlatent: 3\n", "run.yaml", ""),
    ]
    for (yaml, start, hint) in cases {
      let error = failure { () throws(Failure) in _ = try read(yaml) }
      #expect(error?.status == .badConfiguration, "\(yaml)")
      #expect(error?.message.hasPrefix(start) == true, "\(error?.message ?? "") for \(yaml)")
      #expect(hint.isEmpty || error?.hint?.contains(hint) == true, "\(error?.hint ?? "") for \(yaml)")
    }
  }

  @Test("Empty files, comments and empty sections change nothing")
  func empty() throws {
    for yaml in [
      "", "\n", "# nothing\n", "version: 1\n", "---\n", "model:\n", "model: {}\n", "{}", "\u{feff}version: 1\n",
      "--- # nothing\n",
    ] {
      #expect(try read(yaml) == Configuration(), "\(yaml.debugDescription)")
    }
  }

  @Test("Flow style, quotes, comments and order of keys are YAML's")
  func styles() throws {
    let c = try read("{train: {seed: 3}, model: {hidden: [5, 6], 'latent': \"7\"}} # end")
    #expect(c.train.seed == 3 && c[.hidden] == [5, 6] && c.model.latent == 7)
    let block = try read("model:\n  hidden:\n    - 5\n    - 6 # last\nobjective:\n  beta:\n    end: 4\n")
    #expect(block[.hidden] == [5, 6] && block.objective.betaEnd == 4)
  }

  @Test("Aliases are refused: they can grow a small file without bound", .timeLimit(.minutes(10)))
  func aliases() {
    let plain = failure { () throws(Failure) in _ = try read("model:\n  latent: &n 3\ntrain:\n  seed: *n\n") }
    #expect(plain?.message.contains("aliases") == true)
    // A billion laughs, as a value and as a key.
    for key in [false, true] {
      var yaml = "a0: &a0 [x, x]\n"
      for i in 1...40 { yaml += "a\(i): &a\(i) [*a\(i - 1), *a\(i - 1)]\n" }
      if key { yaml += "? *a40\n: 1\n" }
      let error = failure { () throws(Failure) in _ = try read(yaml) }
      #expect(error?.status == .badConfiguration)
    }
    for form in [
      "a: *x", "*x", "- *x", "- - *x", "? *x", "[*x]", "[a,*x]", "{a: *x}", "{\"a\":*x}", "{*x : 1}", "--- *x",
      "a:\n  *x",
      "a: 'it''s'\nb: *x", "a: \"\\\"\"\nb: *x", "a: don't\nb: *x", "a: &b !!str *x", "a: b # '\nc: *x",
      "a: x#'\nb: *x",
    ] {
      let error = failure { () throws(Failure) in _ = try read(form) }
      #expect(error?.message.hasSuffix("aliases are not supported") == true, "\(form)")
    }
    // A star that is no alias stays one.
    let configuration = try? read("# *not* an alias\ndata:\n  source: \"*.csv\" # *a\n  validation: a*b *c\n")
    #expect(configuration?.data.source == "*.csv" && configuration?.data.validation == "a*b *c")
  }

  @Test("Deep nesting is refused, not followed", .timeLimit(.minutes(10)))
  func deepNesting() {
    let depth = 100_000
    var stairs = ""
    for level in 0..<1_400 { stairs += String(repeating: " ", count: level) + "a:\n" }
    let texts = [
      String(repeating: "[", count: depth),
      "model: " + String(repeating: "[", count: depth) + String(repeating: "]", count: depth),
      String(repeating: "{a: ", count: depth), String(repeating: "- ", count: depth) + "a",
      String(repeating: "? ", count: depth),
      stairs, "model:\n  hidden: " + String(repeating: "[", count: 900) + String(repeating: "]", count: 900),
    ]
    for text in texts {
      let error = failure { () throws(Failure) in _ = try read(text) }
      #expect(error?.status == .badConfiguration, "\(text.prefix(20))")
      #expect((error?.description.count ?? 0) < 5_000)
    }
  }

  @Test("Files that are missing, too large, no text or no file are told so")
  func files() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "vae-dist-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func resolve(_ path: String) -> Failure? {
      failure { () throws(Failure) in
        _ = try Configuration.resolve(preset: nil, file: path, environment: [:], assignments: [], flags: [])
      }
    }
    let missing = folder.appending(path: "none.yaml").path
    #expect(resolve(missing)?.status == .missingInput && resolve(missing)?.message.contains(missing) == true)
    #expect(resolve(folder.path)?.status == .missingInput)
    var random = Random(state: 1)
    let contents: [(String, Data)] = [
      ("binary", Data((0..<4_096).map { _ in UInt8.random(in: 0...255, using: &random) })),
      ("latin1", Data([0x6d, 0xfc, 0x3a, 0x20, 0x31])), ("zeros", Data(repeating: 0, count: 100)),
      ("large", Data(repeating: 0x23, count: (1 << 20) + 1)), ("utf16", Data([0xff, 0xfe, 0x61, 0, 0x3a, 0])),
    ]
    for (name, data) in contents {
      let path = folder.appending(path: name).path
      try data.write(to: URL(filePath: path))
      let error = resolve(path)
      #expect(error?.status == .badConfiguration && error?.message.hasPrefix(path) == true, "\(name)")
      #expect(
        error?.message.allSatisfy { $0 == "\n" || $0.unicodeScalars.allSatisfy { $0.value >= 0x20 } } == true, "\(name)"
      )
    }
  }

  @Test("Mutated files end in a configuration or in a failure with a message", .timeLimit(.minutes(2)))
  func fuzz() throws {
    let valid = Array(try read("").yaml.utf8)
    var random = Random(state: 2024)
    let pieces = [
      "[", "]", "{", "}", ":", "- ", "&a ", "*a", "\"", "'", "\n", "\t", "#", "|", ">", "!", "%", "? ", "1e999", "~",
    ]
    .map { Array($0.utf8) }
    var accepted = 0, refused = 0
    for _ in 0..<3_000 {
      var bytes = valid
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.insert(contentsOf: pieces.randomElement(using: &random) ?? [], at: at)
        case 2: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...20, using: &random)))
        case 3:
          bytes.insert(
            contentsOf: bytes[at..<min(bytes.count, at + 40)], at: Int.random(in: 0..<bytes.count, using: &random))
        default: bytes = Array(bytes.prefix(max(1, at)))
        }
        if bytes.isEmpty { bytes = [0x0a] }
      }
      do throws(Failure) {
        let configuration = try read(String(decoding: bytes, as: UTF8.self))
        accepted += 1
        // Whatever was accepted prints and reads back.
        let again = try read(configuration.yaml)
        #expect(again == configuration)
      } catch {
        refused += 1
        #expect(error.status == .badConfiguration && error.message.hasPrefix("run.yaml"))
      }
    }
    #expect(accepted > 100 && refused > 1_000, "\(accepted) accepted, \(refused) refused")
  }
}

@Suite struct SettingsWithoutEffectTests {
  private func told(preset: String? = nil, _ assignments: String...) throws -> [String] {
    try Configuration.resolve(preset: preset, file: nil, environment: [:], assignments: assignments, flags: [])
      .settingsWithoutEffect
  }

  @Test("No preset has a setting without effect", arguments: ConfigurationSchema.presets.map(\.name))
  func presets(name: String) throws { #expect(try told(preset: name) == []) }

  @Test("A setting of a member that is not chosen is told once, with the members that it belongs to")
  func foreign() throws {
    #expect(
      try told("model.flow_layers=5") == [
        "model.flow_layers is 5 and has no effect: it is a setting of model.prior flow, and model.prior is standard"
      ])
    #expect(
      try told("model.sigma=0.5") == [
        "model.sigma is 0.5 and has no effect: it is a setting of model.likelihood gaussian, model.likelihood columns, "
          + "and model.likelihood is bernoulli"
      ])
    #expect(
      try told("model.kernel=3", "model.blocks=1", "model.latent=3").map { String($0.prefix(12)) }
        == ["model.kernel", "model.blocks"])
  }

  @Test("Nothing is said of settings that are read, or left as the preset has them")
  func read() throws {
    #expect(try told("model.prior=flow", "model.flow_layers=5", "model.prior_hidden=[3]") == [])
    #expect(try told("model.likelihood=gaussian", "model.sigma=0.5", "optimizer.beta1=0.8") == [])
    #expect(try told(preset: "conv28", "model.kind=mlp") == [])
    #expect(try told(preset: "conv28", "model.kernel=3", "model.channels=[8]") == [])
    #expect(try told("model.logvar_low=-3", "model.dropout=0.1", "model.activation=silu") == [])
  }
}

@Suite struct NumberTextTests {
  @Test("A decimal text has no exponent and reads back to the same bits")
  func decimals() {
    var values: [Double] = [
      0, -0.0, 1, 0.1, 1e-8, 1e-5, 9.999e-5, 1.5e-300, 0x1p-1074, -0x1p-1074, 2.2250738585072014e-308, 1e15, 1e16, 1e17,
      1.23e20,
      123456789012345680, 1.7976931348623157e308, -1.7976931348623157e308, 0.3, 1.0 / 3, 1e22, 1e23,
    ]
    var random = Random(state: 3)
    while values.count < 5_000 {
      let value = Double(bitPattern: random.next())
      if value.isFinite { values.append(value) }
    }
    for value in values {
      let text = decimalText(value)
      #expect(Double(text)?.bitPattern == value.bitPattern, "\(value): \(text)")
      let isPlain = text.allSatisfy { "0123456789.-".contains($0) } && text.contains(".") && !text.hasPrefix(".")
      #expect(isPlain, "\(value): \(text)")
    }
  }

  @Test("Times are sums of days, hours, minutes and seconds, and write themselves so")
  func durations() throws {
    func seconds(_ text: String) throws(Failure) -> Double {
      var configuration = Configuration()
      try configuration.set("train.max_time", text, where: "test")
      return configuration.train.maxTime.seconds
    }
    let cases: [(String, Double, String)] = [
      ("none", 0, "none"), ("90s", 90, "1m30.0s"), ("90", 90, "1m30.0s"), ("3h50m", 13_800, "3h50m"),
      ("2d", 172_800, "2d"),
      ("1.5h", 5_400, "1h30m"), ("0.001s", 0.001, "0.001s"), ("1d1s", 86_401, "1d1.0s"), ("60m", 3_600, "1h"),
    ]
    for (text, expected, written) in cases {
      #expect(try seconds(text) == expected)
      var configuration = Configuration()
      configuration.train.maxTime = Configuration.Duration(seconds: expected)
      #expect(ConfigurationSchema.standard.find("train.max_time")?.text(configuration) == written)
    }
    var random = Random(state: 4)
    for _ in 0..<1_000 {
      let value = Double.random(in: 0...1, using: &random) * pow(10, Double.random(in: -6...9, using: &random))
      var configuration = Configuration()
      configuration.train.maxTime = Configuration.Duration(seconds: value)
      #expect(try read(configuration.yaml).train.maxTime.seconds == value)
    }
  }
}
