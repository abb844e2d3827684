import Communication

extension ConfigurationSchema {
  static let trainKeys: [ConfigurationKey] = [
    key("train.seed", \.train.seed, "seed of initial values, order and noise", "0 or more") { $0 >= 0 },
    key("train.batch_size", \.train.batchSize, "samples per step over all ranks", "between 1 and 16777216") {
      (1...16_777_216).contains($0)
    },
    key(
      "train.microbatch", \.train.microbatch,
      "samples per microbatch; 0: an eighth of the batch (same bits on 1 to 8 ranks)",
      "0 or more"
    ) { $0 >= 0 },
    key("train.max_epochs", \.train.maxEpochs, "passes over the training data", "between 1 and 1000000") {
      (1...1_000_000).contains($0)
    },
    key("train.max_steps", \.train.maxSteps, "stop after this number of steps; 0: no limit", "0 or more") { $0 >= 0 },
    key(
      "train.overfit_batches", \.train.overfitBatches,
      "train and validate on this number of batches, always the same ones, as a test; 0: on all",
      "between 0 and 1000000"
    ) { (0...1_000_000).contains($0) },
    key(
      "train.max_time", \.train.maxTime,
      "checkpoint and stop (exit 75) after this time: 3h50m, 90s (a bare number is seconds), none"),
    key(
      "train.watchdog", \.train.watchdog,
      "end the job (exit 86) when nothing moves for this long: auto (ranks: 60 s or 20 steps), 5m, none",
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
      "pieces of the gradient that travel between nodes during backward; 0: chosen by a trial", "between 0 and 16"
    ) { (0...16).contains($0) },
    key(
      "train.init_from", \.train.initFrom,
      "run, checkpoint or .safetensors file whose weights training begins with; none", "a path, or none"
    ) { !$0.isEmpty },
    key(
      "train.init_partial", \.train.initPartial,
      "use the tensors of train.init_from that fit, and initialise the rest as usual"),
    key("train.wire", \.train.wire, "numbers between nodes: float32, bfloat16 (half the bytes, other bits)"),
  ]
}
