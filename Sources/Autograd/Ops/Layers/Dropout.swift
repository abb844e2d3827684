import Kernels

/// y = x m / (1 - p) with m ~ Bernoulli(1 - p), keyed by sample. Outside training y = x. Source: Srivastava et al.,
/// 2014.
struct Dropout: NoiseOperation {
  static let name = "dropout"
  let x, mask, y: Tensor
  let probability: Float
  let streamHash: UInt64
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [y] }
  var kept: [Tensor] { [mask] }

  func forward(_ memory: Memory) {
    let replay = memory.replay
    guard replay.isTraining else { return memory[y].update(from: memory[x], count: x.count) }
    KeyedGenerator(seed: replay.seed, streamHash: streamHash, attempt: replay.attempt)
      .uniform(into: memory[mask], samples: replay.keys, rows: x.rows, columns: x.columns, epoch: replay.epoch)
    vd_dropout(memory[y], memory[mask], memory[x], x.count, probability)
  }

  func backward(_ memory: Memory) {
    guard let gx = memory.gradient(x), let gy = memory.gradient(y) else { return }
    guard memory.replay.isTraining else { return vd_add(gx, gy, x.count) }
    vd_multiply_add(gx, gy, memory[mask], x.count)
  }
}

extension Dropout: PortableOperation {
  func translate(_ t: Translation) { t.map(x, to: y) { $0 } }
}

extension Graph {
  /// Applies dropout with noise from `stream`. Returns x itself if the probability is 0. x (batch, ...)
  package func dropout(_ x: Tensor, probability: Float, stream: String) -> Tensor {
    precondition(probability >= 0 && probability < 1, "dropout probability \(probability) outside 0..<1")
    guard probability > 0 else { return x }
    requireOneRowPerSample(x, "dropout")
    let y = output(x.shape, of: [x])
    record(
      Dropout(
        x: x, mask: scratch(x.shape), y: y, probability: probability,
        streamHash: KeyedGenerator.hash(stream)))
    return y
  }
}
