import RunConfiguration
import Foundation
import Kernels
import Testing
import Training

@Suite struct BetaControlTests {
  /// Beta of the first step and after each of the given means, with the state saved and restored in between.
  private func trace(
    _ shape: BetaShape, rise: Double = 0, elements: Int = 10, _ means: [ELBOMeans],
    _ change: (inout Configuration.Objective) -> Void = { _ in }
  ) throws -> [Double] {
    var objective = Configuration().objective
    objective.betaSchedule = shape
    change(&objective)
    let control = try #require(BetaControl(objective, rise: rise, elements: elements))
    var state = BetaControl.State()
    return [control.value(state)]
      + (try means.enumerated().map { step, means in
        control.advance(&state, after: step, means)
        state = try JSONDecoder().decode(BetaControl.State.self, from: try JSONEncoder().encode(state))
        return control.value(state)
      })
  }

  private func expect(_ ours: [Double], _ theirs: [Double], _ location: SourceLocation = #_sourceLocation) {
    #expect(ours.count == theirs.count, sourceLocation: location)
    for (a, b) in zip(ours, theirs) { #expect(abs(a - b) <= 1e-12 * abs(b), "\(ours)", sourceLocation: location) }
  }

  private func recon(_ values: Double...) -> [ELBOMeans] { values.map { ELBOMeans(reconstruction: $0, kl: 7) } }
  private func kl(_ values: Double...) -> [ELBOMeans] { values.map { ELBOMeans(reconstruction: 90, kl: $0) } }

  @Test("GECO divides beta by exp(rate * average excess per dimension), within its bounds")
  func geco() throws {
    // The excess is 20, 10 and -30 nats over 10 dimensions, averaged with 0.99.
    let averages = [20, 0.99 * 20 + 0.01 * 10, 0.99 * (0.99 * 20 + 0.01 * 10) - 0.01 * 30]
    var expected = [0.5]
    for average in averages { expected.append((expected.last ?? 0) * exp(-0.1 * average / 10)) }
    expect(try trace(.geco, recon(100, 90, 50)) { ($0.betaTarget, $0.betaStart) = (80, 0.5) }, expected)
    // Even after a long excess in either direction, beta is at a bound from which it can return.
    let high = try trace(.geco, recon(1e9, 1e9)) { ($0.betaTarget, $0.betaStart) = (80, 0.5) }
    #expect(high == [0.5, 0.001, 0.001])
    #expect(try trace(.geco, recon(-1e9)) { ($0.betaTarget, $0.betaHigh) = (80, 50) }.last == 50)
    #expect(try trace(.geco, recon(.nan, .infinity)) { $0.betaStart = 0.5 } == [0.5, 0.5, 0.5])
  }

  @Test("ControlVAE has proportional and integral parts of the error of the KL, and the integral does not wind up")
  func proportionalIntegral() throws {
    let change: (inout Configuration.Objective) -> Void = {
      ($0.betaTarget, $0.betaStart, $0.betaProportional, $0.betaIntegral) = (20, 0.1, 0.05, 0.002)
      ($0.betaLow, $0.betaHigh) = (0.01, 1)
    }
    // The errors are 5, -1 and -3, and the integral begins at 0.09.
    expect(
      try trace(.controlvae, kl(15, 21, 23), change),
      [
        0.1, 0.05 / (1 + exp(5)) + 0.08 + 0.01, 0.05 / (1 + exp(-1)) + 0.082 + 0.01,
        0.05 / (1 + exp(-3)) + 0.088 + 0.01,
      ])
    // After a thousand steps that are too low, two that are too high move beta off its bound.
    let long = try trace(
      .controlvae, [ELBOMeans](repeating: ELBOMeans(reconstruction: 90, kl: 0), count: 1_000) + kl(30, 30), change)
    #expect(abs(long[1_000] - 0.01) < 1e-9 && long[1_001] > 0.07 && long[1_002] > long[1_001])
    let up = try trace(
      .controlvae, [ELBOMeans](repeating: ELBOMeans(reconstruction: 90, kl: 1e6), count: 9) + kl(10), change)
    #expect(up[9] == 1 && up[10] < 1)
  }

  @Test("The capacity schedule weighs the KL by gamma with the sign of KL - C, and C rises to its target")
  func capacity() throws {
    let betas = try trace(.capacity, rise: 4, kl(4, 11, 14, 21, 19, 20)) { ($0.betaTarget, $0.betaEnd) = (20, 50) }
    // C of the following steps is 5, 10, 15, 20, 20, 20.
    #expect(betas == [50, -50, 50, -50, 50, -50, 0])
    // The minimised term keeps its sign: gamma |KL - C|, for C of 10 and 20.
    var objective = Configuration().objective
    (objective.betaSchedule, objective.betaTarget, objective.betaEnd) = (.capacity, 20, 50)
    let control = try #require(BetaControl(objective, rise: 4, elements: 10))
    #expect([11.0, 10, 7].map { control.constraint($0, after: 2) } == [50, 0, 150])
    #expect([25.0, 12].map { control.constraint($0, after: 99) } == [250, 400])
    objective.betaSchedule = .controlvae
    #expect(try #require(BetaControl(objective, rise: 4, elements: 10)).constraint(7, after: 2) == nil)
  }

  @Test("A schedule that responds to training needs a target and a suitable metric")
  func agreement() throws {
    func message(_ assignments: String...) -> String? {
      failure { () throws(Failure) in
        _ = try Configuration.resolve(
          preset: nil, file: nil, environment: [:], assignments: assignments.map { "objective." + $0 }, flags: [])
      }?.message
    }
    #expect(message("beta.schedule=geco")?.contains("the reconstruction of bernoulli is more than 0 nats") == true)
    #expect(
      message("beta.schedule=controlvae")?.contains("objective.beta.target is 0.0, which is not a KL to aim for")
        == true)
    #expect(message("beta.schedule=capacity", "beta.target=-3")?.contains("which is not a KL to aim for") == true)
    #expect(message("beta.schedule=geco", "beta.target=9", "beta.low=5", "beta.high=5")?.contains("not below") == true)
    let metric = failure { () throws(Failure) in
      _ = try Configuration.resolve(
        preset: nil, file: nil, environment: [:],
        assignments: ["objective.beta.schedule=controlvae", "objective.beta.target=9", "monitor.metric=loss"], flags: []
      )
    }
    #expect(metric?.status == .badConfiguration && metric?.message.contains("monitor.metric is loss") == true)
    // The reconstruction of a density may have any value.
    _ = try Configuration.resolve(
      preset: "tabular", file: nil, environment: [:], assignments: ["objective.beta.schedule=geco"], flags: [])
  }
}
