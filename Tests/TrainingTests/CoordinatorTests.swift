import Foundation
import Kernels
import RunConfiguration
import TestSupport
import Testing
import Training

@Suite struct CoordinatorTests {
  private func coordinator(_ change: (inout Configuration) -> Void = { _ in }) throws(Failure) -> Coordinator {
    var configuration = Configuration()
    change(&configuration)
    return try Coordinator(configuration, stepsPerEpoch: 10, totalSteps: 1_000, elements: 100)
  }

  /// The means of a step, for tests in which they do not matter.
  private let none = ELBOMeans(reconstruction: 0, kl: 0)

  private func report(kl: Double, active: Int = 3, recon: Double = 80) -> ValidationReport {
    ValidationReport(
      means: ELBOMeans(reconstruction: recon, kl: kl), reconstructionOfMean: recon - 1, loss: 2 * recon,
      klPerUnit: [kl, 0, 0, 0],
      variancePerUnit: [1, 0, 0, 0], activeUnits: active)
  }

  @Test(
    "A collapse is reported once after the set number of epochs in a row, and again after a recovery",
    arguments: [1, 2, 5])
  func collapse(epochs: Int) throws {
    var coordinator = try coordinator { $0.monitor.collapseEpochs = epochs }
    func validate(_ kl: Double) -> String? { coordinator.collapse(report(kl: kl), step: 10, beta: 1, elements: 784) }
    for round in 0..<2 {
      #expect(validate(5) == nil)
      for epoch in 1...epochs {
        #expect((validate(0.001) != nil) == (epoch == epochs), "round \(round), epoch \(epoch)")
      }
      for _ in 0..<3 { #expect(validate(0) == nil) }
    }
    // One good epoch resets the count.
    #expect(validate(5) == nil)
    for _ in 1..<max(2, epochs) where epochs > 1 { #expect(validate(0) == nil) }
    if epochs > 1 { #expect(validate(0.02) == nil) }
    for epoch in 1...epochs { #expect((validate(0) != nil) == (epoch == epochs)) }
  }

  @Test("Dead units count as a collapse after enough updates, and a KL that is not finite does not")
  func deadUnits() throws {
    var coordinator = try coordinator { $0.monitor.collapseEpochs = 2 }
    let divided = 1.0 / 9
    for _ in 0..<5 {
      var mean = try self.coordinator { ($0.monitor.collapseEpochs, $0.objective.reconstruction) = (1, .mean) }
      #expect(mean.collapse(report(kl: 1, active: 0), step: 40, beta: divided, elements: 9) == nil)
      #expect(mean.collapse(report(kl: 1, active: 0), step: 40, beta: 1, elements: 9) != nil)
    }
    for _ in 0..<5 { #expect(coordinator.collapse(report(kl: 1, active: 0), step: 40, beta: 1, elements: 9) == nil) }
    #expect(coordinator.collapse(report(kl: 1, active: 0), step: 5_000, beta: 1, elements: 9) != nil)
    var other = try self.coordinator { $0.monitor.collapseEpochs = 1 }
    #expect(other.collapse(report(kl: .nan), step: 5_000, beta: 1, elements: 9) == nil)
  }

  @Test("The likely cause of a collapse follows from the configuration")
  func causes() throws {
    func message(beta: Double = 1, elements: Int = 784, _ change: (inout Configuration) -> Void) throws -> String {
      var coordinator = try coordinator {
        $0.monitor.collapseEpochs = 1
        change(&$0)
      }
      let message = coordinator.collapse(report(kl: 0.00004, active: 0), step: 1, beta: beta, elements: elements)
      return try #require(message)
    }
    let scaling = try message { $0.objective.reconstruction = .mean }
    #expect(scaling.contains("loss scaling") && scaling.contains("averaged over 784") && scaling.contains("sum"))
    #expect(scaling.contains("KL 0.0 nats, 0 of 4 units active"))
    #expect(try message(beta: 4) { _ in }.contains("the KL weighs 4 times"))
    #expect(try message { ($0.model.likelihood, $0[.sigma]) = ("gaussian", 1) }.contains("sigma 1 "))
    #expect(try message { $0.objective.betaSchedule = .constant }.contains("full weight from the first step"))
    #expect(try message { _ in }.contains("free_bits"))
    #expect(try message(beta: 30) { $0.objective.betaSchedule = .geco }.contains("a lower objective.beta.target"))
    // A mean with a beta that was divided, too, is the ELBO, and with one dimension there is nothing to average.
    #expect(try !message(beta: 1.0 / 784) { $0.objective.reconstruction = .mean }.contains("loss scaling"))
    #expect(try !message(elements: 1) { $0.objective.reconstruction = .mean }.contains("loss scaling"))
  }

  @Test(
    "Each rollback halves the learning rate, and too many for the same step end the run with status 87",
    arguments: [0, 1, 3])
  func rollbacks(most: Int) throws {
    var coordinator = try coordinator { $0.monitor.maxRollbacks = most }
    for attempt in 1...most + 1 where attempt <= most {
      try coordinator.fail(at: 25, restored: 20, cause: "x")
      #expect(coordinator.state.learningRateFactor == pow(0.5, Double(attempt)))
      #expect(coordinator.state.rollbacks == attempt && coordinator.state.skipped == 6 * attempt)
      #expect(coordinator.direct(step: 20, none, signalled: false).learningRate == 0.001 * pow(0.5, Double(attempt)))
    }
    let before = coordinator.state
    let error = failure { () throws(Failure) in
      try coordinator.fail(at: 25, restored: 20, cause: "first in mu (linear)")
    }
    #expect(error?.status == .diverged && error?.status.rawValue == 87)
    #expect(error?.message.contains("step 26") == true && error?.message.contains("first in mu (linear)") == true)
    #expect(error?.hint?.contains("optimizer.learning_rate") == true)
    #expect(coordinator.state.learningRateFactor == before.learningRateFactor)
  }

  @Test("Steps beyond the failing one reset the count of rollbacks, and the rate stays reduced")
  func passing() throws {
    var coordinator = try coordinator { $0.monitor.maxRollbacks = 2 }
    for round in 1...4 {
      let failing = 25 * round
      for _ in 0..<2 {
        try coordinator.fail(at: failing, restored: failing - 5, cause: "x")
        for step in failing - 5..<failing { coordinator.passed(step: step) }  // not past it
      }
      #expect(coordinator.state.failures == 2)
      for step in failing...failing + 1 { coordinator.passed(step: step) }
      #expect(coordinator.state.failures == 0 && coordinator.state.failingStep == -1)
    }
    #expect(coordinator.state.learningRateFactor == pow(0.5, 8) && coordinator.state.rollbacks == 8)
  }

  @Test("A decision has the rate of this step, the beta of the next, and stops for signals before anything else")
  func directives() throws {
    var coordinator = try coordinator {
      $0.checkpoint.everySteps = 4
      ($0.objective.betaStart, $0.objective.betaEnd, $0.objective.betaWarmup) = (0, 1, 10)
    }
    for step in 0..<20 {
      let decision = coordinator.direct(step: step, none, signalled: false)
      #expect(decision.action == ((step + 1) % 4 == 0 ? .checkpoint : .proceed))
      #expect(decision.nextBeta == coordinator.beta(at: step + 1) && decision.learningRate == 0.001)
    }
    let stop = coordinator.direct(step: 3, none, signalled: true)
    #expect(stop.action == .stop && stop.reason == .signalled)
    var timed = try self.coordinator { $0.train.maxTime = Configuration.Duration(seconds: 1e-9) }
    #expect(timed.direct(step: 0, none, signalled: false).reason == .maxTime)
  }

  @Test("A loss on a few batches that does not go down is reported once, after 200 steps or at the end")
  func overfitting() throws {
    func said(_ values: [Double], batches: Int = 1) throws -> [Int] {
      var coordinator = try coordinator { $0.train.overfitBatches = batches }
      return values.indices.filter {
        let means = ELBOMeans(reconstruction: values[$0], kl: 1)
        return coordinator.overfitting(means, epoch: $0 + 1, step: 20 * ($0 + 1), isLast: $0 == values.count - 1) != nil
      }
    }
    #expect(try said([100] + Array(repeating: 99, count: 19)) == [9])
    #expect(try said([100, 97, 96]) == [2])
    #expect(try said([100, 90, 80]) == [] && said([-100, -106]) == [])
    #expect(try said([-100, -99]) == [1] && said([100]) == [])
    #expect(try said(Array(repeating: 100, count: 20), batches: 0) == [])
  }

  @Test("The best epoch has the lowest finite -ELBO and is the first of equal ones")
  func best() throws {
    var coordinator = try coordinator()
    let values = [(100.0, true), (101, false), (.nan, false), (-.infinity, false), (99, true), (99, false)]
    for (step, (value, isBest)) in values.enumerated() {
      let verdict = coordinator.judge(report(kl: 0, recon: value), step: step, isWhole: true, isKept: true)
      #expect(verdict.isBest == isBest && !verdict.isLast)
    }
    #expect(coordinator.state.epochs.best == 99 && coordinator.state.epochs.bestStep == 4)
  }

  /// The verdicts on epochs of 100 steps, with a warm-up of 300 steps.
  private func verdicts(
    _ values: [Double], kept: (Int) -> Bool = { _ in true }, _ change: (inout Configuration.Monitor) -> Void
  ) throws -> [(best: Bool, last: Bool)] {
    var coordinator = try coordinator { change(&$0.monitor) }
    return try values.enumerated().map { epoch, value in
      // The state is saved and restored after every epoch.
      coordinator.state = try JSONDecoder().decode(
        Coordinator.State.self, from: try JSONEncoder().encode(coordinator.state))
      let verdict = coordinator.judge(
        report(kl: value, recon: value), step: 100 * (epoch + 1), isWhole: true, isKept: kept(epoch))
      #expect(verdict.isLast == coordinator.isExhausted)
      return (verdict.isBest, verdict.isLast)
    }
  }

  @Test("Patience counts epochs after the warm-up that do not improve by min_delta, and an improvement resets it")
  func patience() throws {
    // The better epochs at 100 and 200 are before the end of the warm-up at 300, so they do not count for patience.
    let falling = try verdicts([5, 4, 9, 8, 8.5, 8.2, 7, 7.2, 7.1, 7.05]) { $0.patience = 3 }
    #expect(falling.map(\.last) == [false, false, false, false, false, false, false, false, false, true])
    #expect(falling.map(\.best) == [true, true, false, false, false, false, false, false, false, false])
    // Improvements below min_delta add up.
    let slow = try verdicts([9, 9, 9, 8.7, 8.4, 8.1, 7.9, 7.8]) { ($0.patience, $0.minimumDelta) = (2, 0.5) }
    #expect(slow.map(\.last) == [false, false, false, false, false, false, false, false])
    #expect(try verdicts([9, 9, 9, 8.9, 8.8]) { ($0.patience, $0.minimumDelta) = (2, 0.5) }.last?.last == true)
    // A value that is not finite is not an improvement.
    #expect(try verdicts([9, 9, .nan, .nan, .infinity]) { $0.patience = 3 }.map(\.last).last == true)
    #expect(try verdicts([9] + Array(repeating: 10, count: 50)) { _ in }.allSatisfy { !$0.last })
  }

  @Test(
    "With patience, the best epoch is kept at any time, and metrics that depend on beta restart after the warm-up")
  func metrics() throws {
    let values: [Double] = [5, 4, 9, 8, 8.5]
    #expect(try verdicts(values, kept: { $0 == 0 }) { _ in }.map(\.best) == [true, false, false, false, false])
    #expect(
      try verdicts(values, kept: { _ in false }) { $0.patience = 9 }.map(\.best) == [true, true, false, false, false])
    for metric in EpochMetric.allCases where metric != .negativeELBO {
      #expect(try verdicts(values) { $0.metric = metric }.map(\.best) == [true, true, true, true, false], "\(metric)")
    }
    // A partial epoch is compared but does not count.
    var coordinator = try coordinator { $0.monitor.patience = 1 }
    _ = coordinator.judge(report(kl: 1), step: 400, isWhole: true, isKept: true)
    #expect(!coordinator.judge(report(kl: 2), step: 450, isWhole: false, isKept: true).isLast)
    #expect(coordinator.judge(report(kl: 2), step: 500, isWhole: true, isKept: true).isLast)
  }
}
