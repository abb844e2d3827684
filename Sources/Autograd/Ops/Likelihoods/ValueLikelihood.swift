import Kernels

/// Likelihoods that treat the values as independent given the location. The location has `arity` contiguous numbers for
/// each value.
package enum ValueLikelihood: Sendable, CaseIterable {
  /// The location contains logits.
  case bernoulli, continuousBernoulli
  /// The location contains means. All values share one scale.
  case gaussian, laplace
  /// The location contains (mean, log sigma before its soft lower limit of -6).
  case gaussianPixel
  /// The location contains (mean on [-1, 1], log scale). The log scale is limited to at least -7.
  case discretizedLogistic

  package var arity: Int { self == .gaussianPixel || self == .discretizedLogistic ? 2 : 1 }

  fileprivate var code: Int32 {
    switch self {
    case .bernoulli: Int32(VD_BERNOULLI)
    case .continuousBernoulli: Int32(VD_CONTINUOUS_BERNOULLI)
    case .gaussian: Int32(VD_GAUSSIAN)
    case .laplace: Int32(VD_LAPLACE)
    case .gaussianPixel: Int32(VD_GAUSSIAN_PIXEL)
    case .discretizedLogistic: Int32(VD_DISCRETIZED_LOGISTIC)
    }
  }
}

/// Likelihoods with a kernel that computes value and gradient together.
package enum FusedLikelihood: Sendable, CaseIterable {
  case continuousBernoulli, gaussianPixel, gaussianOptimal, discretizedLogistic

  fileprivate var arity: Int { self == .gaussianPixel || self == .discretizedLogistic ? 2 : 1 }
}

/// loss_i = -log p(x_i | location_i) in nats. Forward writes the gradient to `residual`.
///
/// x (batch, n), location (batch, n arity)
struct FusedNegativeLogLikelihood: Operation {
  static let name = "likelihood"
  let kind: FusedLikelihood
  let x, location, residual, loss: Tensor
  var inputs: [Tensor] { [x, location] }
  var outputs: [Tensor] { [loss] }
  var kept: [Tensor] { [residual] }

  func forward(_ memory: Memory) {
    let kernel =
      switch kind {
      case .continuousBernoulli: vd_continuous_bernoulli
      case .gaussianPixel: vd_gaussian_pixel
      case .gaussianOptimal: vd_gaussian_optimal
      case .discretizedLogistic: vd_discretized_logistic
      }
    kernel(memory[loss], memory[residual], memory[location], memory[x], x.rows, x.columns)
  }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(loss), let glocation = memory.gradient(location) else { return }
    vd_scale_rows_add(glocation, g, memory[residual], location.rows, location.columns)
  }
}

/// y = E[x | location]. location (batch, n arity), y (batch, n)
struct LikelihoodMean: Operation {
  static let name = "mean of the likelihood"
  let kind: ValueLikelihood
  let location, y: Tensor
  var inputs: [Tensor] { [location] }
  var outputs: [Tensor] { [y] }

  func forward(_ memory: Memory) { vd_likelihood_mean(memory[y], memory[location], y.count, kind.code) }

  func backward(_ memory: Memory) {
    guard let gy = memory.gradient(y), let glocation = memory.gradient(location) else { return }
    vd_likelihood_mean_backward(glocation, gy, memory[location], y.count, kind.code)
  }
}

/// Draws x ~ p(. | location) with noise keyed by sample. location (batch, n arity), x (batch, n)
struct LikelihoodSample: NoiseOperation {
  static let name = "sample of the likelihood"
  let kind: ValueLikelihood
  let location, logScale, noise, x: Tensor
  let streamHash: UInt64
  var inputs: [Tensor] { [location, logScale] }
  var outputs: [Tensor] { [x] }
  var workspace: [Tensor] { [noise] }

  func forward(_ memory: Memory) {
    let replay = memory.replay
    let generator = KeyedGenerator(seed: replay.seed, streamHash: streamHash, attempt: replay.attempt)
    let draw = kind == .gaussian || kind == .gaussianPixel ? generator.normal : generator.uniform
    draw(memory[noise], replay.keys, noise.rows, noise.columns, replay.epoch)
    vd_likelihood_sample(
      memory[x], memory[location], memory[noise], memory[logScale][0], x.count, kind.code)
  }

  func backward(_ memory: Memory) {}
}

extension FusedNegativeLogLikelihood: PortableOperation {
  func translate(_ t: Translation) {
    let x = t[rows: x], n = Float(self.x.columns)
    let pairs = { t[rows: self.location].pairs(self.x.columns) }
    switch kind {
    case .continuousBernoulli:
      let l = t[rows: location]
      t[loss] = (l.positive - l * x + l.abs.logMeanExp).sumOfRow()
    case .gaussianPixel:
      let (mean, raw) = pairs(), s = (raw + 6).softplus - 6, d = mean - x
      t[loss] = (0.5 * (d * d * (s * -2).exp) + s + halfLog2Pi).sumOfRow()
    case .gaussianOptimal:
      let d = t[rows: location] - x, square = (d * d).sumOfRow() * (1 / n), variance = square + 6.14421235e-6
      t[loss] = n * (0.5 * (variance.log + square / variance) + halfLog2Pi)
    case .discretizedLogistic:
      let (mean, raw) = pairs()
      t[loss] = (2 * x - 1).logisticBin(mean: mean, logScale: raw).sumOfRow()
    }
  }
}

extension LikelihoodMean: PortableOperation {
  func translate(_ t: Translation) {
    let location = t[rows: location]
    switch kind {
    case .continuousBernoulli:
      let slope = location.abs.logMeanExpSlope
      t[y] = location.isGreater(than: 0).choose(1 + slope, -slope)
    case .gaussianPixel: t[y] = location.pairs(y.columns).first
    case .discretizedLogistic:
      let (mean, raw) = location.pairs(y.columns)
      t[y] = 0.5 + 0.5 * mean.clippedMean(logScale: raw)
    case .bernoulli, .gaussian, .laplace: preconditionFailure("the mean of \(kind) is not an operation")
    }
  }
}

extension Graph {
  /// -log p(x | location) for each sample, in nats. x (batch, n), location (batch, n arity) -> (batch)
  package func likelihood(_ x: Tensor, location: Tensor, _ kind: FusedLikelihood) -> Tensor {
    precondition(
      location.rows == x.rows && location.columns == kind.arity * x.columns,
      "\(kind): data \(x.shape), location \(location.shape)")
    requireConstant(x, "\(kind): data")
    let loss = output([x.rows], of: [location])
    record(
      FusedNegativeLogLikelihood(kind: kind, x: x, location: location, residual: scratch(location.shape), loss: loss))
    return loss
  }

  /// E[x | location]. (batch, n arity) -> (batch, n)
  package func likelihoodMean(_ location: Tensor, _ kind: ValueLikelihood) -> Tensor {
    switch kind {
    case .bernoulli: return activate(location, .sigmoid)
    case .gaussian, .laplace: return location
    case .continuousBernoulli, .gaussianPixel, .discretizedLogistic:
      let y = output([location.rows, location.columns / kind.arity], of: [location])
      record(LikelihoodMean(kind: kind, location: location, y: y))
      return y
    }
  }

  /// Draws from p(x | location); not differentiated. `logScale` (1) is required if all values share one scale. Returns
  /// (batch, n).
  package func likelihoodSample(
    _ location: Tensor, _ kind: ValueLikelihood, logScale: Tensor? = nil, stream: String
  ) -> Tensor {
    precondition((logScale != nil) == (kind == .gaussian || kind == .laplace), "\(kind): a shared scale, or none")
    requireOneRowPerSample(location, "draw from a likelihood")
    let x = scratch([location.rows, location.columns / kind.arity])
    record(
      LikelihoodSample(
        kind: kind, location: location, logScale: logScale ?? constant(0), noise: scratch(x.shape), x: x,
        streamHash: KeyedGenerator.hash(stream)))
    return x
  }
}
