import Autograd
import Foundation
import Kernels
import Testing

/// Values of one recorded tensor, and its gradients if it has some, for the given values of the leaves.
private func evaluate(
  batch: Int, _ leaves: [(shape: Shape, values: [Float])], samples: [UInt64]? = nil,
  _ record: (Graph, [Tensor]) -> Tensor
) -> (values: [Double], gradients: [[Float]]) {
  let graph = Graph(batch: batch)
  let inputs = leaves.enumerated().map { graph.input($1.shape, needsGradient: $0 > 0) }
  let root = record(graph, inputs)
  let none = Buffer(count: 0)
  graph.finalize(parameters: none.base)
  var samples = samples ?? (0..<UInt64(batch)).map { $0 }
  return samples.withUnsafeMutableBufferPointer { samples in
    for (tensor, leaf) in zip(inputs, leaves) { graph[tensor].update(from: leaf.values, count: leaf.values.count) }
    guard let numbers = samples.baseAddress else { return ([], []) }
    graph.forward(.generation(numbers, seed: 5))
    let values = (0..<root.count).map { Double(graph[root][$0]) }
    guard graph.needsGradient(root) else { return (values, []) }
    graph.backward(from: root, seed: [Float](repeating: 1, count: root.count), gradients: none.base)
    return (
      values,
      inputs.dropFirst().map { tensor in
        (0..<tensor.count).map { graph.gradient(tensor)?[$0] ?? .nan }
      }
    )
  }
}

/// -log p of many values of x with the same location.
private func losses(
  _ x: [[Float]], _ location: [Float], _ record: (Graph, Tensor, Tensor) -> Tensor
) -> [Double] {
  let n = x.count, columns = x[0].count
  let repeated = (0..<n).flatMap { _ in location }
  return evaluate(batch: n, [([n, columns], x.flatMap { $0 }), ([n, location.count], repeated)]) {
    record($0, $1[0], $1[1])
  }.values
}

private let grid = (0..<256).map { Float($0) / 255 }

@Suite struct LikelihoodTests {
  @Test(
    "The probabilities of a discretised logistic sum to 1 over its 256 bins",
    arguments: [(0, 0), (0.3, -2), (-1, -4), (1.5, -1), (0.0041, -7), (-30, 2), (0.2, 5), (0.9, -20)]
      as [(Float, Float)])
  func logistic(mean: Float, logScale: Float) {
    let losses = losses(grid.map { [$0] }, [mean, logScale]) { $0.likelihood($1, location: $2, .discretizedLogistic) }
    #expect(abs(losses.reduce(0) { $0 + exp(-$1) } - 1) < 2e-5)
  }

  @Test("The probabilities of a mixture with one channel sum to 1 over its 256 levels", arguments: [1, 5, 10, 32])
  func greyMixture(mixtures: Int) {
    let shape = LogisticMixture(mixtures: mixtures, channels: 1)
    let location = values(shape.outputs, salt: mixtures)
    let losses = losses(grid.map { [$0] }, location) { $0.logisticMixture($1, location: $2, shape) }
    #expect(abs(losses.reduce(0) { $0 + exp(-$1) } - 1) < 2e-5)
  }

  /// The third channel is in its highest bin for all values of the others, so that 65,536 colours have all the mass.
  @Test(
    "A mixture with three channels sums to 1 over two channels, each conditioned on those before it", arguments: 0...2)
  func colourMixture(fixed: Int) {
    let m = 3, shape = LogisticMixture(mixtures: m, channels: 3)
    var location = values(shape.outputs, salt: 30 + fixed)
    for k in 0..<m { (location[m * (1 + 3 * fixed) + k], location[m * (2 + 3 * fixed) + k]) = (9, -3) }
    var total = 0.0
    for a in grid {
      let colours = grid.map { b in
        var colour = [a, b]
        colour.insert(1, at: fixed)
        return colour
      }
      total += losses(colours, location) { $0.logisticMixture($1, location: $2, shape) }.reduce(0) { $0 + exp(-$1) }
    }
    #expect(abs(total - 1) < 5e-5)
  }

  /// Simpson's rule.
  private func integral(
    _ from: Double, _ to: Double, intervals: Int, _ location: [Float], _ record: (Graph, Tensor, Tensor) -> Tensor
  ) -> Double {
    let h = (to - from) / Double(intervals)
    let points = (0...intervals).map { Float(from + h * Double($0)) }
    let densities = losses(points.map { [$0] }, location, record).map { exp(-$0) }
    return densities.enumerated().reduce(0) {
      $0 + $1.element * ($1.offset == 0 || $1.offset == intervals ? 1 : $1.offset.isMultiple(of: 2) ? 2 : 4)
    } * h / 3
  }

  @Test(
    "The density of a continuous Bernoulli integrates to 1",
    arguments: [0, 1e-4, -0.3, 0.999, 1.001, -5, 20, -80] as [Float])
  func continuousBernoulli(logit: Float) {
    let total = integral(0, 1, intervals: 4000, [logit]) { $0.likelihood($1, location: $2, .continuousBernoulli) }
    #expect(abs(total - 1) < 2e-5)
  }

  @Test("The density of a Gaussian with its own sigma integrates to 1", arguments: [-80, -6, -2, 0, 3] as [Float])
  func gaussianPixel(raw: Float) {
    let sigma = exp(-6 + Formula.softplus(Double(raw) + 6))
    let total = integral(-12 * sigma, 12 * sigma, intervals: 2000, [0, raw]) {
      $0.likelihood($1, location: $2, .gaussianPixel)
    }
    #expect(abs(total - 1) < 2e-5)
  }

  @Test("The density of a Laplace distribution integrates to 1", arguments: [-4, 0, 2] as [Float])
  func laplace(logScale: Float) {
    let width = 30 * exp(Double(logScale))
    let total = integral(-width, width, intervals: 8000, [0]) {
      $0.laplace($1, mean: $2, logScale: $0.constant(logScale))
    }
    #expect(abs(total - 1) < 1e-4)
  }

  @Test("The optimal sigma gives the smallest loss of a Gaussian with one sigma")
  func gaussianOptimal() {
    let x = values(40, salt: 1), mean = values(40, salt: 2)
    let optimal = losses([x], mean) { $0.likelihood($1, location: $2, .gaussianOptimal) }[0]
    let square = zip(x, mean).reduce(0) { $0 + pow(Double($1.0 - $1.1), 2) } / 40
    let best = Float(log(square + exp(-12)) / 2)
    func gaussian(_ logSigma: Float) -> Double {
      losses([x], mean) { $0.gaussian($1, mean: $2, logSigma: $0.constant(logSigma)) }[0]
    }
    #expect(abs(gaussian(best) - optimal) < 1e-5 * optimal)
    #expect(gaussian(best - 0.1) > optimal + 0.1 && gaussian(best + 0.1) > optimal + 0.1)
  }

  /// Scales of 1e-6 and 1e3, logits of 80, means far outside the data.
  @Test("Extreme locations give finite losses and gradients")
  func extremes() {
    let ends: [Float] = [0, 1, 0.5019608], firsts: [Float] = [0, 80, -80, 1e3, -1e3, 0.25]
    let seconds: [Float] = [log(1e-6), log(1e3), 0, 80, -80]
    let cases = ends.flatMap { x in firsts.flatMap { a in seconds.map { (x: x, a: a, b: $0) } } }
    let n = cases.count, x = cases.map(\.x), pairs = cases.flatMap { [$0.a, $0.b] }
    func finite(_ result: (values: [Double], gradients: [[Float]]), _ name: String) {
      #expect(result.values.allSatisfy { $0.isFinite }, "\(name)")
      #expect(result.gradients.joined().allSatisfy { $0.isFinite }, "\(name): gradient")
    }
    for kind in [FusedLikelihood.continuousBernoulli, .gaussianOptimal] {
      let result = evaluate(batch: n, [([n, 1], x), ([n, 1], cases.map(\.a))]) {
        $0.likelihood($1[0], location: $1[1], kind)
      }
      finite(result, "\(kind)")
    }
    for kind in [FusedLikelihood.gaussianPixel, .discretizedLogistic] {
      let result = evaluate(batch: n, [([n, 1], x), ([n, 2], pairs)]) { $0.likelihood($1[0], location: $1[1], kind) }
      finite(result, "\(kind)")
    }
    let mean = evaluate(batch: n, [([n, 1], x), ([n, 2], pairs)]) { $0.likelihoodMean($1[1], .discretizedLogistic) }
    finite(mean, "mean")
    #expect(mean.values.allSatisfy { (0...1).contains($0) })
    let shape = LogisticMixture(mixtures: 2, channels: 3)
    let location = cases.flatMap { c -> [Float] in
      let channel: [Float] = [c.a, 0.1, c.b, 1, c.a, -c.b]
      return [c.a, -c.a] + channel + channel + channel
    }
    let colours = x.flatMap { value -> [Float] in [value, 0.2, 1] }
    let mixture = evaluate(batch: n, [([n, 3], colours), ([n, 20], location)]) {
      $0.logisticMixture($1[0], location: $1[1], shape)
    }
    finite(mixture, "mixture")
  }

  @Test("The mean of a clipped logistic and its slopes are exact for any width")
  func clippedMean() {
    let scales: [Double] = [-7, -2, 0, 2, 2.77, 2.78, 3.5, 5, 8, 12, 40, 86, 90, 500]
    let means: [Double] = [-1, -0.3, 0, 0.8, 5, 300, -1e5]
    let cases = scales.flatMap { raw in means.map { (mean: $0, raw: raw) } }
    /// 0.5 + 0.5 (2 m - 1) with the mean m of the sigmoid over the interval; for wide ones, by its middle.
    func expected(_ mean: Double, _ raw: Double) -> Double {
      raw > 10 ? 0.5 + 0.5 * tanh(mean / exp(raw) / 2) : 0.5 + 0.5 * Formula.clipped(mean, raw)
    }
    let pairs = cases.flatMap { [Float($0.mean), Float($0.raw)] }
    let n = cases.count, none = [Float](repeating: 0, count: n)
    let result = evaluate(batch: n, [([n, 1], none), ([n, 2], pairs)]) {
      $0.likelihoodMean($1[1], .discretizedLogistic)
    }
    for (i, c) in cases.enumerated() {
      // The mean of a narrow logistic far outside is as exact as a float of its size.
      let tolerance = c.raw > 2.775 ? 1e-6 : 2e-6 + 6e-8 * abs(c.mean)
      #expect(abs(result.values[i] - expected(c.mean, c.raw)) < tolerance, "\(c): \(result.values[i])")
      guard c.raw > -7 else { continue }
      let h = 1e-4, step = max(1, abs(c.mean)) * h
      let slopes = [
        (expected(c.mean + step, c.raw) - expected(c.mean - step, c.raw)) / (2 * step),
        (expected(c.mean, c.raw + h) - expected(c.mean, c.raw - h)) / (2 * h),
      ]
      for (ours, theirs) in zip(result.gradients[0][2 * i..<2 * i + 2], slopes) {
        #expect(abs(Double(ours) - theirs) < tolerance, "\(c): \(ours), \(theirs)")
      }
    }
  }

  @Test("A NaN stays a NaN in a loss, so that the step is rolled back")
  func notANumber() {
    for at in 0..<2 {
      for x in [0, 0.2, 1] as [Float] {
        var pair: [Float] = [0.5, 0.5]
        pair[at] = .nan
        for kind in [FusedLikelihood.gaussianPixel, .discretizedLogistic] {
          #expect(losses([[x]], pair) { $0.likelihood($1, location: $2, kind) }[0].isNaN, "\(kind) \(at)")
        }
      }
    }
    for kind in [FusedLikelihood.continuousBernoulli, .gaussianOptimal] {
      #expect(losses([[0.5]], [.nan]) { $0.likelihood($1, location: $2, kind) }[0].isNaN, "\(kind)")
    }
    let shape = LogisticMixture(mixtures: 2, channels: 1)
    for at in 0..<shape.outputs {
      var location = values(shape.outputs, salt: 1)
      location[at] = .nan
      #expect(losses([[0.2]], location) { $0.logisticMixture($1, location: $2, shape) }[0].isNaN, "mixture \(at)")
    }
  }

  @Test(
    "Draws have the mean and the variance of their distribution",
    arguments: [
      (.bernoulli, [0.7]), (.continuousBernoulli, [3]), (.continuousBernoulli, [-0.004]), (.gaussian, [0.4]),
      (.laplace, [0.4]), (.gaussianPixel, [0.4, -1]), (.discretizedLogistic, [0.3, -1.2]),
      (.discretizedLogistic, [-0.8, -4]),
    ] as [(ValueLikelihood, [Float])])
  func draws(kind: ValueLikelihood, location: [Float]) {
    let n = 400_000, l = location.map(Double.init), logScale: Float = -0.5, scale = exp(Double(logScale))
    let x = evaluate(batch: 1, [([1, 1], [0]), ([1, n * l.count], (0..<n).flatMap { _ in location })]) {
      graph, leaves in
      let isShared = kind == .gaussian || kind == .laplace
      return graph.likelihoodSample(
        leaves[1], kind, logScale: isShared ? graph.constant(logScale) : nil, stream: "draws")
    }.values
    /// Mean and variance of probabilities on a grid.
    func moments(_ points: [Double], _ p: (Double) -> Double) -> (mean: Double, variance: Double) {
      let total = points.reduce(0) { $0 + p($1) }, mean = points.reduce(0) { $0 + $1 * p($1) } / total
      return (mean, points.reduce(0) { $0 + pow($1 - mean, 2) * p($1) } / total)
    }
    let expected: (mean: Double, variance: Double)
    switch kind {
    case .bernoulli:
      let p = Formula.sigmoid(l[0])
      expected = (p, p * (1 - p))
    case .continuousBernoulli:
      expected = moments((0..<100_000).map { (Double($0) + 0.5) / 100_000 }) {
        exp(-Formula.continuousBernoulli($0, l[0]))
      }
    case .gaussian: expected = (l[0], scale * scale)
    case .laplace: expected = (l[0], 2 * scale * scale)
    case .gaussianPixel: expected = (l[0], exp(2 * (-6 + Formula.softplus(l[1] + 6))))
    case .discretizedLogistic: expected = moments((0..<256).map { Double($0) / 255 }) { Formula.bin($0, l[0], l[1]) }
    }
    let mean = x.reduce(0, +) / Double(n)
    let variance = x.reduce(0) { $0 + pow($1 - mean, 2) } / Double(n)
    let fourth = x.reduce(0) { $0 + pow($1 - mean, 4) } / Double(n)
    #expect(abs(mean - expected.mean) < 5 * (variance / Double(n)).squareRoot(), "\(mean), \(expected.mean)")
    let error = ((fourth - variance * variance) / Double(n)).squareRoot()
    #expect(abs(variance - expected.variance) < 5 * error + 1e-6, "\(variance), \(expected.variance)")

    // This is the mean that pictures show: that of the logistic before it is rounded to levels.
    let shown = evaluate(batch: 1, [([1, 1], [0]), ([1, l.count], location)]) { $0.likelihoodMean($1[1], kind) }
    #expect(abs(shown.values[0] - expected.mean) < (kind == .discretizedLogistic ? 1.0 / 510 : 1e-5))
  }

  @Test("Draws from a mixture with three channels are levels, and have the mean of the mixture")
  func mixtureDraws() {
    let shape = LogisticMixture(mixtures: 3, channels: 3), pixels = 100_000
    var location = values(shape.outputs, salt: 40, scale: 0.2)
    // The mixture is so narrow that almost nothing is clipped, so that the mean of the earlier channels is exact.
    for c in 0..<3 { for k in 0..<3 { location[3 * (2 + 3 * c) + k] = -3.5 } }
    let x = evaluate(batch: 1, [([1, 1], [0]), ([1, pixels * 30], (0..<pixels).flatMap { _ in location })]) {
      $0.logisticMixtureSample($1[1], shape, stream: "draws")
    }.values
    #expect(x.allSatisfy { abs(($0 * 255).rounded() - $0 * 255) < 1e-3 && (0...1).contains($0) })
    let mean = evaluate(batch: 1, [([1, 1], [0]), ([1, 30], location)]) { $0.logisticMixtureMean($1[1], shape) }.values
    for c in 0..<3 {
      let channel = stride(from: c, to: x.count, by: 3).map { x[$0] }, average = channel.reduce(0, +) / Double(pixels)
      let variance = channel.reduce(0) { $0 + pow($1 - average, 2) } / Double(pixels)
      #expect(abs(average - mean[c]) < 5 * (variance / Double(pixels)).squareRoot() + 1e-4, "channel \(c)")
    }
  }

  @Test("The draw of a sample does not depend on its place in the batch")
  func keyed() {
    func draw(_ samples: [UInt64]) -> [Double] {
      let location = [Float](repeating: 0.3, count: 3 * 10)
      return evaluate(batch: 3, [([1, 1], [0]), ([3, 10], location)], samples: samples) {
        $0.likelihoodSample($1[1], .discretizedLogistic, stream: "draws")
      }.values
    }
    let forward = draw([7, 8, 9]), backward = draw([9, 8, 7])
    #expect(Array(forward[0..<5]) == Array(backward[10..<15]) && forward[0..<5] != forward[5..<10])
  }
}
