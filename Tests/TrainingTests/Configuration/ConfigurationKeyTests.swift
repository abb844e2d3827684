import Kernels
import RunConfiguration
import TestSupport
import Testing

/// Values that each key accepts and refuses. Every key of the schema must be in this table.
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

@Suite struct ConfigurationKeyTests {
  @Test("The table has every key of the schema")
  func allKeys() {
    #expect(keyCases.map(\.path) == ConfigurationSchema.standard.keys.map(\.path))
    #expect(ConfigurationSchema.standard.keys.allSatisfy { !$0.help.isEmpty && $0.help.count < 100 })
  }

  @Test("Every key accepts its values, writes them as YAML, and reads them back")
  func roundTrip() throws {
    for (path, accepted, _) in keyCases {
      for text in accepted {
        var configuration = Configuration()
        try configuration.set(path, text, where: "test")
        let again = try readYAML(configuration.yaml)
        #expect(
          again == configuration,
          "\(path): \(text): \(ConfigurationSchema.standard.find(path)?.text(configuration) ?? "")")
      }
    }
  }

  @Test("Every key refuses wrong values with a message that has the key, the value and help")
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

  @Test("Presets can be printed and read back", arguments: ConfigurationSchema.presets.map(\.name))
  func presets(name: String) throws {
    var configuration = Configuration()
    try configuration.apply(preset: name)
    var again = try readYAML(configuration.yaml)
    again.preset = configuration.preset  // this is not a key, and the run directory stores it elsewhere
    #expect(again == configuration)
    #expect(configuration != Configuration() && configuration.preset == name)
  }

  @Test("Any text can be written as YAML and read back")
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
      let again = try readYAML(configuration.yaml)
      #expect(Array(again.data.source.unicodeScalars) == Array(text.unicodeScalars), "\(text.debugDescription)")
    }
  }
}
