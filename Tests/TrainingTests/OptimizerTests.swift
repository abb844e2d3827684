import Optimizers
import Testing

@Suite struct OptimizerTests {
  @Test("Clipping reduces the norm to the limit, never increases it, and is off with 0")
  func clipping() {
    var settings = OptimizerSettings()
    settings.clipNorm = 2
    let optimizer = Optimizer(settings, count: 1)
    #expect(optimizer.clipFactor(norm: 1) == 1 && optimizer.clipFactor(norm: 0) == 1)
    #expect(optimizer.clipFactor(norm: 8) == 2 / (8 + 1e-6))
    #expect(optimizer.clipFactor(norm: .greatestFiniteMagnitude) < 1e-300)
    settings.clipNorm = 0
    #expect(Optimizer(settings, count: 1).clipFactor(norm: 1e9) == 1)
  }

  @Test("The first step equals the learning rate for any size of the gradient")
  func firstStep() {
    let optimizer = Optimizer(OptimizerSettings(), count: 3)
    var p: [Float] = [1, 1, 1]
    optimizer.step(&p, gradient: [1e-3, -5, 1e4], rate: 0.01, scale: 1, update: 1)
    // m / (1 - b1) = g and sqrt(v / (1 - b2)) = |g|, and epsilon is 1e-5 of the smallest |g|.
    for (value, expected) in zip(p, [0.99, 1.01, 0.99] as [Float]) { #expect(abs(value - expected) < 3e-7) }
    // A zero gradient does not change a new parameter.
    let idle = Optimizer(OptimizerSettings(), count: 1)
    var q: [Float] = [0.5]
    idle.step(&q, gradient: [0], rate: 0.01, scale: 1, update: 1)
    #expect(q == [0.5])
  }

  @Test("The moving average begins at the parameters, follows them more and more slowly, and changes no update")
  func average() throws {
    var settings = OptimizerSettings()
    let plain = Optimizer(settings, count: 3)
    #expect(plain.average == nil)
    settings.ema = 0.6
    let optimizer = Optimizer(settings, count: 3)
    let average = try #require(optimizer.average)
    var p: [Float] = [1, 1, -2], q = p
    optimizer.begin(with: p)
    var expected = p.map(Double.init)
    for update in 1...40 {
      let gradient: [Float] = [1, -0.5, Float(update % 3) - 1]
      optimizer.step(&p, gradient: gradient, rate: 0.01, scale: 1, update: update)
      plain.step(&q, gradient: gradient, rate: 0.01, scale: 1, update: update)
      let decay = min(0.6, Double(1 + update) / Double(10 + update))
      for i in p.indices { expected[i] = decay * expected[i] + (1 - decay) * Double(p[i]) }
      for i in p.indices { #expect(abs(Double(average[i]) - expected[i]) < 1e-6, "update \(update), element \(i)") }
    }
    #expect(p == q)
  }
}
