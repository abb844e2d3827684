import Kernels

/// A mixture of discretised logistics for pixels of 1 or 3 channels. Each channel is conditioned on the previous
/// channels.
///
/// The outputs of a pixel are, with one number for each mixture: the logits, and then for each channel the means on
/// [-1, 1], the log scales and, for three channels, the coefficients before tanh. Source: Salimans et al.,
/// "PixelCNN++", ICLR 2017.
package struct LogisticMixture: Sendable, Equatable {
  package static let mostMixtures = 32
  package let mixtures, channels: Int

  package init(mixtures: Int, channels: Int) {
    precondition(channels == 1 || channels == 3, "logistic mixture for \(channels) channels")
    precondition((1...LogisticMixture.mostMixtures).contains(mixtures), "\(mixtures) mixtures")
    (self.mixtures, self.channels) = (mixtures, channels)
  }

  package var outputs: Int { mixtures * (channels == 1 ? 3 : 10) }
  fileprivate func pixels(_ location: Tensor) -> Int {
    precondition(location.columns % outputs == 0, "logistic mixture: \(location.shape) for pixels of \(outputs)")
    return location.columns / outputs
  }
}

/// loss_i = -sum over pixels of log sum_k pi_k prod_c P(x_c | x_<c, k), in nats.
///
/// Backward recomputes the mixture instead of keeping a gradient of the size of the location.
struct LogisticMixtureNegativeLogLikelihood: Operation {
  static let name = "logistic mixture"
  let mixture: LogisticMixture
  let pixels: Int
  let x, location, loss: Tensor
  var inputs: [Tensor] { [x, location] }
  var outputs: [Tensor] { [loss] }

  func forward(_ memory: Memory) {
    vd_logistic_mixture(
      memory[loss], memory[location], memory[x], x.rows, pixels, mixture.channels, mixture.mixtures)
  }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(loss), let glocation = memory.gradient(location) else { return }
    vd_logistic_mixture_backward(
      glocation, g, memory[location], memory[x], x.rows, pixels, mixture.channels, mixture.mixtures)
  }
}

/// y = sum_k pi_k E[x | k]. The location of a channel is evaluated at the means of the previous channels.
/// (batch, pixels * channels)
struct LogisticMixtureMean: Operation {
  static let name = "mean of a logistic mixture"
  let mixture: LogisticMixture
  let pixels: Int
  let location, y: Tensor
  var inputs: [Tensor] { [location] }
  var outputs: [Tensor] { [y] }

  func forward(_ memory: Memory) {
    vd_logistic_mixture_mean(memory[y], memory[location], y.rows * pixels, mixture.channels, mixture.mixtures)
  }

  func backward(_ memory: Memory) {
    guard let gy = memory.gradient(y), let glocation = memory.gradient(location) else { return }
    vd_logistic_mixture_mean_backward(
      glocation, gy, memory[location], y.rows * pixels, mixture.channels, mixture.mixtures)
  }
}

/// Draws x ~ p(. | location), channel by channel, with noise keyed by sample. (batch, pixels * channels)
struct LogisticMixtureSample: NoiseOperation {
  static let name = "sample of a logistic mixture"
  let mixture: LogisticMixture
  let pixels: Int
  let location, uniforms, x: Tensor
  let streamHash: UInt64
  var inputs: [Tensor] { [location] }
  var outputs: [Tensor] { [x] }
  var workspace: [Tensor] { [uniforms] }

  func forward(_ memory: Memory) {
    let replay = memory.replay
    KeyedGenerator(seed: replay.seed, streamHash: streamHash, attempt: replay.attempt).uniform(
      into: memory[uniforms], samples: replay.keys, rows: uniforms.rows, columns: uniforms.columns,
      epoch: replay.epoch)
    vd_logistic_mixture_sample(
      memory[x], memory[location], memory[uniforms], x.rows * pixels, mixture.channels, mixture.mixtures)
  }

  func backward(_ memory: Memory) {}
}

extension LogisticMixture {
  /// The n-th block of outputs of every pixel: one number for each mixture.
  fileprivate func block(_ n: Int, of location: PortableValue) -> PortableValue {
    location.slice(n * mixtures..<(n + 1) * mixtures)
  }

  /// The mean of a channel, including the contributions of the previous channels.
  fileprivate func mean(_ channel: Int, _ location: PortableValue, before: [PortableValue]) -> PortableValue {
    before.enumerated().reduce(block(1 + 3 * channel, of: location)) { mean, other in
      mean + block(3 * channel + 3 * other.offset, of: location).tanh * other.element
    }
  }

  fileprivate func logScale(_ channel: Int, _ location: PortableValue) -> PortableValue {
    block(2 + 3 * channel, of: location)
  }
}

extension LogisticMixtureNegativeLogLikelihood: PortableOperation {
  func translate(_ t: Translation) {
    let location = t[location].reshaped([pixels, mixture.outputs])
    let y = 2 * t[rows: x].reshaped([pixels, mixture.channels]) - 1
    let channels = (0..<mixture.channels).map { y.slice($0..<$0 + 1) }
    let logits = mixture.block(0, of: location)
    let joint = channels.indices.reduce(logits) { joint, c in
      let mean = mixture.mean(c, location, before: Array(channels[..<c]))
      return joint - channels[c].logisticBin(mean: mean, logScale: mixture.logScale(c, location))
    }
    func total(_ logits: PortableValue) -> PortableValue {
      t.writer.node("ReduceLogSumExp", [logits], ["axes": .integers([2]), "keepdims": .integer(0)])
    }
    t[loss] = (total(logits) - total(joint)).sumOfRow()
  }
}

extension LogisticMixtureMean: PortableOperation {
  func translate(_ t: Translation) {
    let location = t[location].reshaped([pixels, mixture.outputs])
    let weights = t.writer.node("Softmax", [mixture.block(0, of: location)], ["axis": .integer(2)])
    var means: [PortableValue] = []
    for c in 0..<mixture.channels {
      let mean = mixture.mean(c, location, before: means)
      means.append(mean.clippedMean(logScale: mixture.logScale(c, location)))
    }
    let channels = means.map { mean in
      t.writer.node("ReduceSum", [weights * mean, t.writer.list([2])], ["keepdims": .integer(1)])
    }
    t[y] = (0.5 + 0.5 * t.writer.node("Concat", channels, ["axis": .integer(2)])).reshaped([y.columns])
  }
}

extension Graph {
  /// -log P(x | location) for each sample, in nats. x (batch, pixels * channels), location (batch, pixels * outputs) ->
  /// (batch)
  package func logisticMixture(_ x: Tensor, location: Tensor, _ mixture: LogisticMixture) -> Tensor {
    let pixels = mixture.pixels(location), loss = output([x.rows], of: [location])
    precondition(
      x.rows == location.rows && x.columns == pixels * mixture.channels,
      "logistic mixture: data \(x.shape), location \(location.shape)")
    requireConstant(x, "logistic mixture: data")
    record(
      LogisticMixtureNegativeLogLikelihood(mixture: mixture, pixels: pixels, x: x, location: location, loss: loss))
    return loss
  }

  /// E[x | location]. (batch, pixels * outputs) -> (batch, pixels * channels)
  package func logisticMixtureMean(_ location: Tensor, _ mixture: LogisticMixture) -> Tensor {
    let pixels = mixture.pixels(location), y = output([location.rows, pixels * mixture.channels], of: [location])
    record(LogisticMixtureMean(mixture: mixture, pixels: pixels, location: location, y: y))
    return y
  }

  /// Draws from p(x | location); not differentiated. (batch, pixels * outputs) -> (batch, pixels * channels)
  package func logisticMixtureSample(_ location: Tensor, _ mixture: LogisticMixture, stream: String) -> Tensor {
    requireOneRowPerSample(location, "draw from a logistic mixture")
    let pixels = mixture.pixels(location), x = scratch([location.rows, pixels * mixture.channels])
    record(
      LogisticMixtureSample(
        mixture: mixture, pixels: pixels, location: location,
        uniforms: scratch([location.rows, pixels * (1 + mixture.channels)]), x: x,
        streamHash: KeyedGenerator.hash(stream)))
    return x
  }
}
