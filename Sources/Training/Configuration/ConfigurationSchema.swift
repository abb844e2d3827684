import Autograd
import Data
import Kernels
import VAE

/// One configuration key: where it lives, what it means, what it accepts. The whole table makes the reader,
/// `--print-config`, the environment's names and docs/reference/options.md's list of options.
package struct ConfigurationKey: Sendable {
  package let path: String
  package let help: String
  /// Sets the key from a YAML scalar's text; returns what was wrong, or nil.
  let set: @Sendable (inout Configuration, String) -> String?
  package let text: @Sendable (Configuration) -> String
  var isListOfWords = false

  package var section: Substring { path.split(separator: ".")[0] }
  /// Whether a resumed run may change it without a word: it says how long, where to and how it is shown, not what is
  /// computed.
  package var isFreeOnResume: Bool {
    ["checkpoint", "log"].contains(section)
      || section == "monitor" && !["monitor.on_collapse", "monitor.max_treatments"].contains(path)
      || [
        "data.source", "data.validation", "data.prefetch", "train.max_epochs", "train.max_steps", "train.max_time",
        "train.watchdog", "train.exchange", "train.buckets", "optimizer.sharding", "train.threads", "train.products",
        "train.init_from", "train.init_partial",
      ].contains(path)
  }
  package var environmentName: String {
    "VAE_DIST_" + path.uppercased().map { $0 == "." ? "_" : String($0) }.joined()
  }
}

private func key<Value: ConfigurationValue>(
  _ path: String, _ place: WritableKeyPath<Configuration, Value> & Sendable, _ help: String,
  _ requirement: String = "", where holds: @escaping @Sendable (Value) -> Bool = { _ in true }
) -> ConfigurationKey {
  ConfigurationKey(
    path: path, help: help,
    set: { configuration, text in
      guard let value = Value(configurationText: text) else {
        let near = ConfigurationSchema.choice(meantBy: text, among: Value.choices)
        return "'\(text)' is not \(Value.expectation)" + (near.map { "; did you mean \($0)?" } ?? "")
      }
      guard holds(value) else { return "\(text) is not \(requirement)" }
      configuration[keyPath: place] = value
      return nil
    },
    text: { $0[keyPath: place].configurationText }, isListOfWords: Value.self == [String].self)
}

/// Numbers that stay numbers in float32, and as a count of steps.
private let moderate = 0.0...1e9

private let likelihoods = LikelihoodRegistry.names.joined(separator: ", ")

package enum ConfigurationSchema {
  package static let version = 1

  package static let keys: [ConfigurationKey] = [
    key(
      "data.source", \.data.source,
      "digits, shapes[:N], or a path: folder of PNG or JPEG, IDX or CIFAR-10, .npy, .npz, .csv"),
    key("data.validation", \.data.validation, "auto (the source's own, else 0.1), a fraction, or another source"),
    key(
      "data.classes", \.data.classes, "train and validate on the rows of these classes alone, such as [3]; []: on all",
      "a list of classes from 0"
    ) { $0.allSatisfy { $0 >= 0 } },
    key("data.scale", \.data.scale, "auto, none, unit (divide by 255), minmax, standardize (per column)"),
    key(
      "data.image_size", \.data.imageSize,
      "side that PNG and JPEG images are resized to, the middle square of each; 0: all have one size",
      "0, or between 2 and 4096"
    ) { $0 == 0 || (2...4096).contains($0) },
    key("data.channels", \.data.channels, "of PNG and JPEG images: 1 (grey), 3 (RGB); 0: as stored", "0, 1 or 3") {
      [0, 1, 3].contains($0)
    },
    key("data.flip", \.data.flip, "mirror training images left to right, half of them, anew each epoch"),
    key(
      "data.shift", \.data.shift,
      "move training images by up to so many pixels each way, anew each epoch; edges repeat",
      "between 0 and 4096"
    ) { (0...4096).contains($0) },
    key(
      "data.binarize", \.data.binarize, "none, or dynamic: draw 0 or 1 with the value as probability, anew each epoch"),
    key(
      "data.prefetch", \.data.prefetch,
      "load the next microbatch in a thread: auto (if slow and a core is free), on, off"),
    key(
      "data.columns", \.data.columns, "of a table: numbers, or mixed: words are categories, empty cells missing values"),
    key("data.label", \.data.label, "column of a mixed table that holds labels, and is no part of a sample"),
    key("data.drop", \.data.drop, "columns of a mixed table that are left out"),
    key("data.categorical", \.data.categorical, "columns of a mixed table whose numbers are names of categories"),
    key(
      "data.window", \.data.window, "rows in order of time that make a sample; 0: every row is one",
      "0 to \(Windows.mostRows)"
    ) { (0...Windows.mostRows).contains($0) },
    key(
      "data.stride", \.data.stride, "rows from the beginning of a window to that of the next",
      "1 to \(Windows.mostRows)"
    ) { (1...Windows.mostRows).contains($0) },
    key("data.time", \.data.time, "column of a mixed table that says when, and is no part of a sample"),

    key("model.kind", \.model.kind, "mlp, conv, resnet"),
    key(
      "model.hidden", \.model.hidden, "widths of the encoder's layers, first to last", "a list of widths of 1 to 65536"
    ) {
      $0.allSatisfy((1...65_536).contains) && $0.count <= 64
    },
    key(
      "model.decoder_hidden", \.model.decoderHidden, "widths of the decoder's layers; [] mirrors the encoder",
      "a list of widths of 1 to 65536"
    ) { $0.allSatisfy((1...65_536).contains) && $0.count <= 64 },
    key(
      "model.channels", \.model.channels,
      "channels after each convolution (conv), or in each stage of half the size (resnet)",
      "a list of 1 to 4096 channels"
    ) { $0.allSatisfy((1...4096).contains) && (1...32).contains($0.count) },
    key("model.kernel", \.model.kernel, "rows and columns of a convolution's window (conv)", "between 1 and 64") {
      (1...64).contains($0)
    },
    key("model.stride", \.model.stride, "step of the window (conv)", "between 1 and 64") { (1...64).contains($0) },
    key("model.padding", \.model.padding, "zeros around the image (conv)", "between 0 and 63") {
      (0...63).contains($0)
    },
    key("model.blocks", \.model.blocks, "residual blocks of a stage (resnet)", "between 1 and 64") {
      (1...64).contains($0)
    },
    key(
      "model.norm_groups", \.model.normGroups,
      "groups of channels that are normalised together; divides all of model.channels (resnet)",
      "between 1 and 4096"
    ) { (1...4096).contains($0) },
    key("model.latent", \.model.latent, "size of z", "between 1 and 65536") { (1...65_536).contains($0) },
    key(
      "model.condition", \.model.condition,
      "what encoder and decoder are told of a sample: none, label (its class), attributes"),
    key(
      "model.prior", \.model.prior, "p(z): standard (N(0, I)), conditional (a Gaussian for each y), flow (RealNVP)",
      "one of " + PriorRegistry.names.joined(separator: ", ")
    ) { PriorRegistry.names.contains($0) },
    key(
      "model.prior_hidden", \.model.priorHidden, "widths of the networks of a conditional or flow prior",
      "a list of widths of 1 to 65536"
    ) { $0.allSatisfy((1...65_536).contains) && $0.count <= 64 },
    key("model.flow_layers", \.model.flowLayers, "affine couplings of the flow prior", "between 1 and 64") {
      (1...64).contains($0)
    },
    key(
      "model.activation", \.model.activation,
      "relu, leaky_relu, elu, tanh, sigmoid, softplus, silu, gelu (tanh form), identity"),
    key("model.dropout", \.model.dropout, "probability that a hidden value is dropped", "between 0 and 0.999") {
      (0...0.999).contains($0)
    },
    key(
      "model.likelihood", \.model.likelihood,
      "p(x given z): one of the names in docs/reference/likelihoods.md (bernoulli, gaussian_learned, ...)",
      "one of " + likelihoods
    ) {
      LikelihoodRegistry.names.contains($0)
    },
    key(
      "model.sigma", \.model.sigma,
      "standard deviation of gaussian and columns; 0: rows^(-1/(columns + 4)) of a mixed table",
      "0, or between 1e-6 and 1e6"
    ) { $0 == 0 || (1e-6...1e6).contains($0) },
    key(
      "model.mixtures", \.model.mixtures, "mixtures of the likelihood logistic_mixture",
      "between 1 and \(LogisticMixture.mostMixtures)"
    ) { (1...LogisticMixture.mostMixtures).contains($0) },
    key("model.logvar_low", \.model.logvarLow, "lower limit of logvar", "between -30 and 0") { (-30...0).contains($0) },
    key("model.logvar_high", \.model.logvarHigh, "upper limit of logvar", "between 0.001 and 30") {
      (0.001...30).contains($0)
    },

    key(
      "objective.task", \.objective.task,
      "what for: generation, anomaly (beta 1) or disentanglement (beta 4), unless beta is given; none"),
    key(
      "objective.beta.schedule", \.objective.betaSchedule,
      "constant (at end), linear, cyclical, sigmoid; by what training does: geco, controlvae, capacity"),
    key("objective.beta.start", \.objective.betaStart, "weight of the KL at the start", "between 0 and 1e9") {
      moderate.contains($0)
    },
    key(
      "objective.beta.end", \.objective.betaEnd, "weight of the KL after the warm-up; of abs(KL - C) (capacity)",
      "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key("objective.beta.unit", \.objective.betaUnit, "what warmup counts: epoch or step"),
    key(
      "objective.beta.warmup", \.objective.betaWarmup,
      "length of the warm-up, or of the rise of C (capacity); 0: the first 30 % of training",
      "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key(
      "objective.beta.target", \.objective.betaTarget,
      "nats per sample that recon (geco) or the KL (controlvae, capacity) is brought to", "between -1e9 and 1e9"
    ) { abs($0) <= moderate.upperBound },
    key(
      "objective.beta.rate", \.objective.betaRate,
      "change of log beta in a step, for each nat per dimension that recon is off (geco)", "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key(
      "objective.beta.proportional", \.objective.betaProportional, "proportional gain of controlvae",
      "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key("objective.beta.integral", \.objective.betaIntegral, "integral gain of controlvae", "between 0 and 1e9") {
      moderate.contains($0)
    },
    key("objective.beta.low", \.objective.betaLow, "least beta of geco and controlvae", "between 1e-9 and 1e9") {
      (1e-9...1e9).contains($0)
    },
    key("objective.beta.high", \.objective.betaHigh, "largest beta of geco and controlvae", "between 1e-9 and 1e9") {
      (1e-9...1e9).contains($0)
    },
    key("objective.beta.cycles", \.objective.betaCycles, "cycles of the cyclical schedule", "1 or more") { $0 >= 1 },
    key("objective.beta.cycle_rise", \.objective.betaCycleRise, "rising part of a cycle", "in (0, 1]") {
      $0 > 0 && $0 <= 1
    },
    key(
      "objective.free_bits", \.objective.freeBits, "nats of KL per unit and sample that cost nothing",
      "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key("objective.reconstruction", \.objective.reconstruction, "sum over dimensions (the ELBO), or mean (collapses)"),
    key(
      "objective.perceptual", \.objective.perceptual,
      "adds this times (1 - MS-SSIM) times the dimensions to what is minimised: images in [0, 1]", "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key(
      "objective.total_correlation", \.objective.totalCorrelation,
      "adds this times the total correlation of q(z) in a microbatch (beta-TCVAE: its beta less 1)", "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },
    key(
      "objective.mmd", \.objective.mmd,
      "adds this times MMD^2 between q(z) in a microbatch and the prior (InfoVAE)", "between 0 and 1e9"
    ) {
      moderate.contains($0)
    },

    key("optimizer.kind", \.optimizer.kind, "adam, adamw"),
    key("optimizer.learning_rate", \.optimizer.learningRate, "Adam's step size", "between 1e-30 and 1e9") {
      (1e-30...1e9).contains($0)
    },
    key("optimizer.beta1", \.optimizer.beta1, "decay of the first moment", "in [0, 1)") { $0 >= 0 && $0 < 1 },
    key("optimizer.beta2", \.optimizer.beta2, "decay of the second moment", "in [0, 1)") { $0 >= 0 && $0 < 1 },
    key("optimizer.epsilon", \.optimizer.epsilon, "added to the root of the second moment", "between 1e-30 and 1e9") {
      (1e-30...1e9).contains($0)
    },
    key("optimizer.weight_decay", \.optimizer.weightDecay, "L2 (adam) or decoupled (adamw) decay", "between 0 and 1e9")
    {
      moderate.contains($0)
    },
    key("optimizer.clip_norm", \.optimizer.clipNorm, "largest global norm of the gradient; 0: no clipping", "0 or more")
    {
      $0 >= 0
    },
    key(
      "optimizer.ema", \.optimizer.ema,
      "decay of a moving average of the weights, which is validated and saved as the model; 0: none", "in [0, 1)"
    ) { $0 >= 0 && $0 < 1 },
    key(
      "optimizer.sharding", \.optimizer.sharding,
      "auto, node (its ranks share parameters and moments; not with messages), none"),

    key("schedule.kind", \.schedule.kind, "learning rate: constant, warmup_cosine, step"),
    key("schedule.warmup_steps", \.schedule.warmupSteps, "steps of linear warm-up (warmup_cosine)", "0 or more") {
      $0 >= 0
    },
    key("schedule.minimum_factor", \.schedule.minimumFactor, "share of the rate at the end of the cosine", "in [0, 1]")
    {
      (0...1).contains($0)
    },
    key("schedule.step_epochs", \.schedule.stepEpochs, "epochs between drops (step)", "1 or more") { $0 >= 1 },
    key("schedule.step_factor", \.schedule.stepFactor, "factor of a drop (step)", "in (0, 1]") { $0 > 0 && $0 <= 1 },

    key("train.seed", \.train.seed, "of initial values, order and noise", "0 or more") { $0 >= 0 },
    key("train.batch_size", \.train.batchSize, "samples per step over all ranks", "between 1 and 16777216") {
      (1...16_777_216).contains($0)
    },
    key(
      "train.microbatch", \.train.microbatch,
      "samples of one replay; 0: an eighth of the batch (same bits on 1 to 8 ranks)",
      "0 or more"
    ) { $0 >= 0 },
    key("train.max_epochs", \.train.maxEpochs, "passes over the training data", "between 1 and 1000000") {
      (1...1_000_000).contains($0)
    },
    key("train.max_steps", \.train.maxSteps, "stop after so many steps; 0: no limit", "0 or more") { $0 >= 0 },
    key(
      "train.overfit_batches", \.train.overfitBatches,
      "train and validate on so many batches, always the same, to see if it can learn; 0: on all",
      "between 0 and 1000000"
    ) { (0...1_000_000).contains($0) },
    key(
      "train.max_time", \.train.maxTime,
      "checkpoint and stop (exit 75) after this time: 3h50m, 90s (a bare number is seconds), none"),
    key(
      "train.watchdog", \.train.watchdog,
      "end the job (exit 86) when nothing moves for so long: auto (ranks: 60 s or 20 steps), 5m, none",
      "1s or longer"
    ) { if case .seconds(let seconds) = $0 { seconds >= 1 } else { true } },
    key("train.threads", \.train.threads, "threads of the matrix products, per rank", "between 1 and 256") {
      (1...256).contains($0)
    },
    key(
      "train.products", \.train.products, "library of the matrix products: auto (oneDNN if installed), openblas, onednn"
    ),
    key(
      "train.exchange", \.train.exchange,
      "sums of gradients: auto (shared memory on a node, messages between), window, messages"),
    key(
      "train.buckets", \.train.buckets,
      "pieces of the gradient that travel between nodes during backward; 0: by a trial", "between 0 and 16"
    ) { (0...16).contains($0) },
    key(
      "train.init_from", \.train.initFrom,
      "run, checkpoint or .safetensors file whose weights training begins with; none", "a path, or none"
    ) { !$0.isEmpty },
    key(
      "train.init_partial", \.train.initPartial,
      "take the tensors of train.init_from that fit, and leave the rest as it begins"),
    key("train.wire", \.train.wire, "numbers between nodes: float32, bfloat16 (half the bytes, other bits)"),

    key("monitor.collapse_kl", \.monitor.collapseKL, "KL below this is collapsed, nats", "0 or more") { $0 >= 0 },
    key(
      "monitor.collapse_epochs", \.monitor.collapseEpochs,
      "epochs in a row before it is reported (dead units: 500 steps, too)", "1 or more"
    ) {
      $0 >= 1
    },
    key(
      "monitor.active_variance", \.monitor.activeVariance, "a unit is active when Var_x[mu] exceeds this", "0 or more"
    ) {
      $0 >= 0
    },
    key("monitor.fail_on_collapse", \.monitor.failOnCollapse, "exit 3 when the posterior collapses"),
    key(
      "monitor.on_collapse", \.monitor.onCollapse,
      "warn, stop (exit 3), restart-annealing (beta rises anew), free-bits (0.125 nats a unit and more)"),
    key(
      "monitor.max_treatments", \.monitor.maxTreatments, "how often on_collapse treats; then it warns, or exits 3",
      "0 or more"
    ) { $0 >= 0 },
    key(
      "monitor.max_rollbacks", \.monitor.maxRollbacks, "rollbacks without passing the failing step, then exit 87",
      "0 or more"
    ) { $0 >= 0 },
    key("monitor.pictures_every", \.monitor.picturesEvery, "epochs between sample grids; 0: none", "0 or more") {
      $0 >= 0
    },
    key(
      "monitor.metric", \.monitor.metric,
      "what makes an epoch the best, of validation: neg_elbo, recon, recon_of_mean, kl, loss"),
    key(
      "monitor.patience", \.monitor.patience,
      "stop when no epoch after beta's warm-up was better for so many; 0: never", "0 or more"
    ) { $0 >= 0 },
    key("monitor.min_delta", \.monitor.minimumDelta, "what counts as better for monitor.patience, nats", "0 or more") {
      $0 >= 0
    },

    key("checkpoint.every_epochs", \.checkpoint.everyEpochs, "epochs between checkpoints", "1 or more") { $0 >= 1 },
    key("checkpoint.every_steps", \.checkpoint.everySteps, "steps between checkpoints; 0: epochs only", "0 or more") {
      $0 >= 0
    },
    key("checkpoint.keep", \.checkpoint.keep, "newest checkpoints kept, beside the best", "1 or more") { $0 >= 1 },

    key("log.progress", \.log.progress, "auto, bar, plain, json, none"),
    key("log.every_steps", \.log.everySteps, "steps between lines of kind step in metrics.jsonl; 0: none", "0 or more")
    {
      $0 >= 0
    },
    key("log.tensorboard", \.log.tensorboard, "write events for TensorBoard to the run directory's tensorboard/"),
  ]

  private static let byPath = Dictionary(uniqueKeysWithValues: keys.map { ($0.path, $0) })
  package static func find(_ path: String) -> ConfigurationKey? { byPath[path] }

  package static var presetNames: String { presets.map(\.name).joined(separator: ", ") }

  /// What a preset changes of the defaults.
  package static let presets: [(name: String, help: String, values: [(String, String)])] = [
    (
      "digits", "the embedded 8x8 digits, in seconds",
      [
        ("data.source", "digits"), ("model.hidden", "[256, 128]"), ("model.latent", "10"),
        ("objective.beta.end", "0.5"), ("train.batch_size", "64"), ("train.max_epochs", "150"),
        ("monitor.pictures_every", "10"),
        ("checkpoint.every_epochs", "10"),
      ]
    ),
    (
      "mnist-mlp", "784-400-20 on 28x28 digits; give --data",
      [
        ("data.source", "data/mnist"), ("model.hidden", "[400]"), ("model.latent", "20"), ("train.batch_size", "128"),
        ("train.max_epochs", "50"),
      ]
    ),
    (
      "conv28", "convolutions to 32 and 64 channels on 28x28 images, latent 20; give --data",
      [
        ("data.source", "data/mnist"), ("model.kind", "conv"), ("model.channels", "[32, 64]"),
        ("model.hidden", "[256]"), ("model.latent", "20"), ("optimizer.clip_norm", "0.0"), ("train.batch_size", "128"),
        ("train.max_epochs", "50"),
      ]
    ),
    (
      "conv64", "convolutions to 32, 32, 64, 64 channels on 64x64 images, latent 10; give --data",
      [
        ("data.source", "data/images"), ("model.kind", "conv"), ("model.channels", "[32, 32, 64, 64]"),
        ("model.hidden", "[256]"), ("model.latent", "10"), ("optimizer.clip_norm", "0.0"), ("train.batch_size", "64"),
        ("train.max_epochs", "50"),
      ]
    ),
    (
      "resnet32", "residual blocks of 32, 64 and 128 channels on colour images of 32x32, latent 128; give --data",
      [
        ("data.source", "data/cifar10"), ("data.flip", "true"), ("model.kind", "resnet"),
        ("model.channels", "[32, 64, 128]"),
        ("model.hidden", "[]"), ("model.latent", "128"), ("model.activation", "silu"),
        ("model.likelihood", "logistic_mixture"), ("model.mixtures", "5"), ("train.batch_size", "64"),
        ("train.max_epochs", "50"),
      ]
    ),
    (
      "tabular", "columns of numbers, standardised, and of words, with missing values; give --data FILE.csv",
      [
        ("data.source", "data.csv"), ("data.columns", "mixed"), ("data.scale", "standardize"),
        ("model.hidden", "[64, 32]"), ("model.latent", "8"), ("model.likelihood", "columns"), ("model.sigma", "0.0"),
        ("model.logvar_low", "-12.0"), ("model.logvar_high", "6.0"), ("train.batch_size", "128"),
        ("train.max_steps", "5000"), ("train.max_epochs", "100000"), ("objective.beta.start", "0.0"),
        ("optimizer.learning_rate", "0.002"), ("optimizer.clip_norm", "5.0"), ("schedule.kind", "warmup_cosine"),
        ("checkpoint.every_epochs", "50"),
        ("monitor.pictures_every", "0"),
      ]
    ),
    (
      "sequence", "windows of 48 rows of a table in order of time; give --data FILE.csv and data.time",
      [
        ("data.source", "data.csv"), ("data.columns", "mixed"), ("data.window", "48"), ("data.scale", "standardize"),
        ("data.validation", "0.2"), ("model.hidden", "[256, 128]"), ("model.latent", "12"),
        ("model.likelihood", "columns_learned"), ("model.logvar_low", "-12.0"), ("model.logvar_high", "6.0"),
        ("train.batch_size", "128"), ("train.max_steps", "5000"), ("train.max_epochs", "100000"),
        ("objective.beta.start", "0.0"), ("optimizer.learning_rate", "0.002"), ("optimizer.clip_norm", "5.0"),
        ("schedule.kind", "warmup_cosine"), ("checkpoint.every_epochs", "50"), ("monitor.pictures_every", "0"),
      ]
    ),
  ]

  /// The data that a preset names.
  static func source(ofPreset name: String) -> String? {
    presets.first { $0.name == name }?.values.first { $0.0 == "data.source" }?.1
  }

  /// The keys as the table of docs/reference/options.md.
  package static var markdown: String {
    let rows = keys.map { "| `\($0.path)` | `\($0.text(Configuration()))` | \($0.help) |" }
    return (["| key | default | meaning |", "| --- | --- | --- |"] + rows).joined(separator: "\n") + "\n"
  }
}
