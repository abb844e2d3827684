import Foundation
import Kernels
import RunConfiguration
import TestSupport
import Testing
import Training

@Suite struct RateScheduleTests {
  private struct Traces: Decodable {
    struct Cosine: Decodable { let peak, floor: Double, warmup, total: Int, rates: [Double] }
    struct Stair: Decodable { let peak, factor: Double, stepSize: Int, rates: [Double] }
    struct Cases<T: Decodable>: Decodable { let cases: [T] }
    let warmupCosine: Cases<Cosine>
    let step: Cases<Stair>
  }

  @Test("Learning rates with warm-up and cosine, and with steps, equal those of torch.optim.lr_scheduler")
  func traces() throws {
    let traces = try fixture("schedules.json", as: Traces.self)
    #expect(traces.warmupCosine.cases.count == 4 && traces.step.cases.count == 3)
    for trace in traces.warmupCosine.cases {
      var configuration = Configuration()
      configuration.optimizer.learningRate = trace.peak
      configuration.schedule.kind = .warmupCosine
      configuration.schedule.warmupSteps = trace.warmup
      configuration.schedule.minimumFactor = trace.floor / trace.peak
      let schedule = try RateSchedule(configuration, stepsPerEpoch: 7, totalSteps: trace.total)
      // The script that made the fixture multiplies step by step, with a few roundings of float64 each.
      for (step, rate) in trace.rates.enumerated() {
        #expect(abs(schedule.value(at: step) - rate) < 1e-13 * trace.peak)
      }
      #expect(abs(schedule.value(at: trace.total) - trace.floor) < 1e-15)
    }
    for trace in traces.step.cases {
      var configuration = Configuration()
      configuration.optimizer.learningRate = trace.peak
      configuration.schedule.kind = .step
      configuration.schedule.stepFactor = trace.factor
      configuration.schedule.stepEpochs = trace.stepSize
      for stepsPerEpoch in [1, 3] {
        let schedule = try RateSchedule(configuration, stepsPerEpoch: stepsPerEpoch, totalSteps: 1_000)
        for (epoch, rate) in trace.rates.enumerated() {
          for step in epoch * stepsPerEpoch..<(epoch + 1) * stepsPerEpoch {
            #expect(abs(schedule.value(at: step) - rate) < 1e-13 * trace.peak)
          }
        }
      }
    }
  }

  @Test("A warm-up may fill the training, and a longer one is refused with both lengths")
  func edges() throws {
    var configuration = Configuration()
    #expect(try RateSchedule(configuration, stepsPerEpoch: 1, totalSteps: 1).value(at: 1 << 40) == 0.001)
    configuration.schedule.kind = .warmupCosine
    configuration.schedule.warmupSteps = 50
    let whole = try RateSchedule(configuration, stepsPerEpoch: 10, totalSteps: 50)
    #expect(whole.value(at: 49) == 0.001 && whole.value(at: 0) == 0.001 / 50)
    let error = failure { () throws(Failure) in
      _ = try RateSchedule(configuration, stepsPerEpoch: 10, totalSteps: 49)
    }
    #expect(error?.status == .badConfiguration)
    #expect(error?.message.contains("50 steps") == true && error?.message.contains("49 steps") == true)
  }
}

@Suite struct BetaScheduleTests {
  private func schedule(
    _ shape: BetaShape, total: Int = 100, stepsPerEpoch: Int = 10,
    _ change: (inout Configuration.Objective) -> Void = { _ in }
  ) throws(Failure) -> BetaSchedule {
    var objective = Configuration().objective
    objective.betaSchedule = shape
    objective.betaStart = 0.1
    objective.betaEnd = 1.1
    change(&objective)
    return try BetaSchedule(objective, stepsPerEpoch: stepsPerEpoch, totalSteps: total)
  }

  private func expect(
    _ schedule: BetaSchedule, _ values: [(step: Int, beta: Double)], _ location: SourceLocation = #_sourceLocation
  ) {
    for (step, beta) in values {
      #expect(abs(schedule.value(at: step) - beta) < 1e-12, "step \(step)", sourceLocation: location)
    }
  }

  @Test("Constant, linear and sigmoid schedules have values computed by hand, and the default warm-up is 30 %")
  func shapes() throws {
    expect(try schedule(.constant), [(0, 1.1), (99, 1.1)])
    expect(try schedule(.linear), [(0, 0.1), (15, 0.6), (30, 1.1), (31, 1.1), (99, 1.1), (1_000_000, 1.1)])
    expect(try schedule(.linear) { $0.betaWarmup = 5 }, [(0, 0.1), (25, 0.6), (50, 1.1)])
    expect(try schedule(.linear) { ($0.betaWarmup, $0.betaUnit) = (5, .step) }, [(0, 0.1), (1, 0.3), (5, 1.1)])
    // After half of the warm-up, the logistic curve is at its middle, and after a quarter at logistic(-3).
    let low = 1 / (1 + exp(6.0)), quarter = 1 / (1 + exp(3.0))
    expect(
      try schedule(.sigmoid) { $0.betaWarmup = 4 },
      [(0, 0.1), (10, 0.1 + (quarter - low) / (1 - 2 * low)), (20, 0.6), (40, 1.1), (99, 1.1)])
    // Beta may also fall.
    expect(
      try schedule(.linear) { ($0.betaStart, $0.betaEnd, $0.betaWarmup) = (2, 0, 10) }, [(0, 2), (50, 1), (99, 0.02)])
  }

  @Test("Cycles rise, stay constant, fall back at once, and fill the training")
  func cyclical() throws {
    let cycles = try schedule(.cyclical)  // four cycles of 25 steps, the first half of each rising
    for cycle in 0..<4 {
      let at = 25 * cycle
      expect(cycles, [(at, 0.1), (at + 5, 0.5), (at + 10, 0.9), (at + 13, 1.1), (at + 24, 1.1)])
    }
    expect(cycles, [(100, 1.1), (1_000, 1.1)])
    // With a length, cycles end there and beta stays constant.
    let short = try schedule(.cyclical) { ($0.betaWarmup, $0.betaCycles, $0.betaCycleRise) = (4, 2, 1) }
    expect(short, [(0, 0.1), (10, 0.6), (20, 0.1), (39, 0.1 + 19.0 / 20), (40, 1.1), (99, 1.1)])
  }

  @Test("Beta stays between start and end for any shape and length", arguments: BetaShape.allCases)
  func bounds(shape: BetaShape) throws {
    for total in [1, 2, 3, 7, 100] {
      let schedule = try schedule(shape, total: total, stepsPerEpoch: 1)
      for step in 0...total + 1 { #expect((0.1 - 1e-12...1.1 + 1e-12).contains(schedule.value(at: step))) }
    }
  }

  @Test("A warm-up that is longer than the training is refused with both lengths and the beta that it misses")
  func tooLong() throws {
    for shape in [BetaShape.linear, .sigmoid, .cyclical] {
      let error = failure { () throws(Failure) in _ = try schedule(shape) { $0.betaWarmup = 10.1 } }
      #expect(error?.status == .badConfiguration)
      #expect(error?.message.contains("10.1 epochs, 101 steps") == true && error?.message.contains("100 steps") == true)
      #expect(
        error?.message.contains("never reach 1.1") == true && error?.hint?.contains("objective.beta.warmup") == true)
      _ = try schedule(shape) { $0.betaWarmup = 10 }
      #expect(failure { () throws(Failure) in _ = try schedule(shape) { $0.betaWarmup = 1e9 } } != nil)
    }
    _ = try schedule(.constant) { $0.betaWarmup = 1_000 }
  }
}
