import RunConfiguration
import Foundation
import Kernels
import Testing
import Training
import VAE

/// Tests of every check with a history in which it finds something, and with a healthy history in which none does.
@Suite struct EpochCheckTests {
  private typealias Point = EpochHistory.Point

  /// 100 steps an epoch, beta 1.
  private func point(
    _ epoch: Int, recon: Double = 80, kl: Double = 25, train: Double? = nil, active: Int = 8, beta: Double = 1
  ) -> Point {
    Point(
      epoch: epoch, step: 100 * epoch, beta: beta, train: ELBOMeans(reconstruction: train ?? recon, kl: kl),
      valid: ELBOMeans(reconstruction: recon, kl: kl), activeUnits: active, seconds: 1, ranks: 1, slowestRank: 0,
      waitShare: 0)
  }

  /// The reported findings with their epochs.
  private func reported(_ points: [Point], collapseTold: Bool = false) -> [String] {
    var watch = EpochWatch()
    return points.flatMap { point in
      watch.news(point, Configuration(), elements: 784, isCollapseTold: collapseTold).map {
        "\(point.epoch) \($0.check)"
      }
    }
  }

  @Test("A healthy run, with rising beta and units that switch off, has no findings")
  func sound() {
    let points = (1...60).map { epoch in
      let rise = min(1, Double(epoch) / 20)
      return point(
        epoch, recon: 80 + 120 / Double(epoch), kl: 25 + 40 * (1 - rise), train: 78 + 120 / Double(epoch),
        active: 50 - epoch / 2, beta: rise)
    }
    #expect(reported(points) == [])
  }

  @Test("Units that are dead from the start are reported after enough updates, unless a collapse was reported")
  func dead() {
    let points = (1...20).map { point($0, recon: 206, kl: 0.02, active: 0) }
    #expect(reported(points) == ["5 dead from the start"])
    #expect(reported(points, collapseTold: true) == [])
    #expect(reported([point(1, recon: 300)] + (2...20).map { point($0, recon: 206, kl: 1.5, active: 0) }) == [])
  }

  @Test("A KL that falls from 2 nats to less than 1 is reported, but not the effect of initial values")
  func collapsing() {
    let points = (1...20).map { point($0, recon: 200 - Double($0), kl: 25 / pow(2, max(0, Double($0 - 9))), active: 3) }
    #expect(reported(points) == ["17 collapsing"])
    // Less than a nat may be right for the data, unless units have become inactive, too.
    func small(_ active: @escaping (Int) -> Int) -> [Point] {
      (1...20).map { point($0, recon: 200 - Double($0), kl: $0 < 9 ? 4 : 0.9, active: active($0)) }
    }
    #expect(reported(small { _ in 8 }) == [] && reported(small { $0 < 12 ? 8 : 2 }) == ["12 collapsing"])
    #expect(reported((1...20).map { point($0, recon: 90 - Double($0), kl: $0 < 3 ? 9 : 0.8) }) == [])
  }

  @Test("An exploding KL is reported if -ELBO rises with it at constant beta, but not in a warm-up from 0")
  func exploding() {
    let points = (1...9).map { point($0, recon: 80 - Double($0), kl: 20 * pow(1.5, Double($0)), beta: 0) }
    #expect(reported(points) == ["4 exploding KL"])
    #expect(reported((1...9).map { point($0, recon: 180 - 15 * Double($0), kl: 5 * Double($0)) }) == [])
    #expect(
      reported((1...9).map { point($0, recon: 80 - Double($0), kl: 20 * pow(1.5, Double($0)), beta: 0.1 * Double($0)) })
        == [])
  }

  @Test("A reconstruction that never changes from its start is reported as stuck")
  func stuck() {
    #expect(reported((1...9).map { point($0, recon: 200 - 0.1 * Double($0), kl: 0.5) }) == ["6 reconstruction stuck"])
    // It was learned within the first epoch, or beta rose.
    #expect(reported((1...9).map { point($0, recon: 200 - 0.1 * Double($0)) }) == [])
    #expect(reported((1...9).map { point($0, recon: 200, kl: 0.5, beta: 0.1 * Double($0)) }) == [])
    #expect(reported((1...9).map { point($0, recon: 200 - Double($0)) }) == [])
  }

  @Test("Overfitting is reported once if validation rises for long while training falls, and again after a recovery")
  func overfitting() {
    func epoch(_ e: Int, _ valid: Double) -> Point { point(e, recon: valid, train: 180 - Double(e)) }
    let fall = (1...10).map { epoch($0, 200 - 10 * Double($0)) }
    let rise = (11...30).map { epoch($0, 100 + 2 * Double($0 - 10)) }
    #expect(reported(fall + rise) == ["16 overfitting"])
    #expect(reported(fall + (11...30).map { epoch($0, 100.5) }) == [], "noise")
    #expect(reported(fall + (11...30).map { epoch($0, 106 + ($0 % 2 == 0 ? 6 : -6)) }) == [], "scatter")
    // Epochs with a lower beta are not compared, and neither are those with a beta that responds to training.
    let warm = (1...30).map { epoch in
      point(epoch, recon: 100 + Double(epoch), train: 180 - Double(epoch), beta: min(1, 0.1 * Double(epoch)))
    }
    #expect(reported(warm) == [])
    let recovery = (31...50).map { epoch($0, 90 - Double($0)) }
    let again = (51...70).map { epoch($0, 60 + Double($0)) }
    #expect(reported(fall + rise + recovery + again) == ["16 overfitting", "62 overfitting"])
  }

  @Test("A slow rank is reported if it is the same one for long enough")
  func slow() {
    func epochs(_ seconds: Double, _ share: Double, _ slowest: (Int) -> Int) -> [Point] {
      (1...9).map { epoch in
        var point = point(epoch, recon: 200 - 5 * Double(epoch))
        (point.ranks, point.slowestRank, point.waitShare, point.seconds) = (4, slowest(epoch), share, seconds)
        return point
      }
    }
    #expect(reported(epochs(5, 0.3) { _ in 2 }) == ["3 slow rank"])
    #expect(reported(epochs(5, 0.3) { $0 % 3 }) == [] && reported(epochs(5, 0.1) { _ in 2 }) == [])
    #expect(reported(epochs(1, 0.3) { _ in 2 }) == [])
  }

  @Test("The history stays small, counts every epoch once, and is read back with the state")
  func history() throws {
    var history = EpochHistory()
    for epoch in 1...100 {
      history.add(point(epoch, recon: 300 - Double(epoch)))
      history.add(point(epoch, recon: 200 - Double(epoch)))
    }
    history.add(point(101, recon: .nan))
    #expect(history.recent.count == 12 && history.last?.epoch == 100 && history.best?.valid.reconstruction == 100)
    #expect(Set(history.recent.map(\.epoch)).count == 12)
    var state = TrainingState()
    (state.step, state.epoch) = (10_000, 100)
    for epoch in 1...4 {
      _ = state.coordinator.epochWatch.news(
        point(epoch, recon: 206, kl: 0, active: 0), Configuration(), elements: 4, isCollapseTold: false)
    }
    let bytes = try state.encoded()
    #expect(try TrainingState.decode(bytes, from: "state.json") == state)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains("\"signs\" : {"), "the name in checkpoints of earlier versions")
    let damaged = text.replacingOccurrences(of: "\"epoch\" : 3,", with: "\"epoch\" : -3,")
    #expect(damaged != text)
    let error = failure { () throws(Failure) in _ = try TrainingState.decode(Array(damaged.utf8), from: "state.json") }
    #expect(error?.message.contains("history") == true)
  }
}

@Suite struct TreatmentTests {
  private func coordinator(_ change: (inout Configuration) -> Void) throws -> Coordinator {
    var configuration = Configuration()
    configuration.monitor.collapseEpochs = 1
    change(&configuration)
    return try Coordinator(configuration, stepsPerEpoch: 10, totalSteps: 1_000, elements: 4)
  }

  private let dead = ValidationReport(
    means: ELBOMeans(reconstruction: 206, kl: 0), reconstructionOfMean: 206, loss: 206, klPerUnit: [0],
    variancePerUnit: [0],
    activeUnits: 0)

  @Test("With restart-annealing, beta starts again at 0 and returns to its schedule")
  func annealing() throws {
    var coordinator = try coordinator { $0.monitor.onCollapse = .restartAnnealing }
    let plain = try self.coordinator { _ in }
    #expect(
      coordinator.collapse(dead, step: 400, beta: 1, elements: 4) != nil && coordinator.response == .restartAnnealing)
    #expect(coordinator.treat(.restartAnnealing, step: 400)?.contains("300 steps") == true)
    #expect(
      coordinator.beta(at: 400) == 0
        && coordinator.direct(step: 399, ELBOMeans(reconstruction: 206, kl: 0), signalled: false).nextBeta == 0)
    #expect(abs(coordinator.beta(at: 550) - 0.5) < 1e-12)
    for step in [100, 700, 999] { #expect(coordinator.beta(at: step) == (step < 400 ? 0 : plain.beta(at: step))) }
    // Late in training, the rise takes half of the remaining steps.
    #expect(coordinator.treat(.restartAnnealing, step: 900)?.contains("50 steps") == true)
  }

  @Test("The treatment free-bits raises free bits, doubles them the next time, and resets the count of epochs")
  func freeBits() throws {
    var coordinator = try coordinator { ($0.monitor.onCollapse, $0.monitor.collapseEpochs) = (.freeBits, 2) }
    #expect(coordinator.freeBits == 0)
    for bits in [0.125, 0.25] {
      #expect(coordinator.collapse(dead, step: 10, beta: 1, elements: 4) == nil)
      #expect(coordinator.collapse(dead, step: 20, beta: 1, elements: 4) != nil)
      #expect(coordinator.treat(coordinator.response, step: 20) != nil && coordinator.freeBits == bits)
    }
    // At most two treatments are allowed.
    #expect(coordinator.response == .warn)
    var fatal = try self.coordinator {
      ($0.monitor.onCollapse, $0.monitor.maxTreatments, $0.monitor.failOnCollapse) = (.freeBits, 1, true)
    }
    #expect(fatal.response == .freeBits)
    _ = fatal.treat(.freeBits, step: 10)
    #expect(fatal.response == .stop)
  }

  @Test("on_collapse=stop is the same as fail_on_collapse, and warn is the default and changes nothing")
  func plain() throws {
    #expect(try coordinator { $0.monitor.onCollapse = .stop }.response == .stop)
    #expect(try coordinator { $0.monitor.failOnCollapse = true }.response == .stop)
    var coordinator = try coordinator { _ in }
    #expect(
      coordinator.response == .warn && coordinator.treat(.warn, step: 5) == nil
        && coordinator.state.treatments == Treatments())
  }
}
