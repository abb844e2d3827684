import RunConfiguration
import Foundation
import Kernels

/// Steps whose learning rate grows exponentially, and what the loss does: Smith, "Cyclical learning rates for training
/// neural networks", WACV 2017.
package struct RateSweep: Sendable {
  package struct Point: Sendable {
    package var rate: Double
    /// Nats per sample: what was minimised, before the update with this rate.
    package var loss: Double
    /// Moving average of the losses so far.
    package var smoothed: Double
  }

  package static let range = 1e-6...10.0
  package static let steps = 200
  private static let memory = 0.9
  /// Points that a slope is taken over, to each side; fewer say nothing.
  private static let side = 6

  package private(set) var points: [Point] = []
  /// The rate at which the loss was not finite any more, or far above where it began.
  package private(set) var divergence: Double?
  /// Whether a signal or `train.max_time` ended it before its time.
  package internal(set) var isCutShort = false
  private var average = 0.0

  package init() {}

  static var factor: Double { pow(range.upperBound / range.lowerBound, 1 / Double(steps - 1)) }
  static func rate(_ step: Int) -> Double { range.lowerBound * pow(factor, Double(step)) }

  /// Takes the loss of a step; false when there is no use in another. - loss: nil where it was not finite.
  package mutating func add(_ loss: Double?) -> Bool {
    let rate = RateSweep.rate(points.count)
    guard let loss, loss.isFinite else {
      divergence = rate
      return false
    }
    average = RateSweep.memory * average + (1 - RateSweep.memory) * loss
    // As Adam corrects its moments.
    let smoothed = average / (1 - pow(RateSweep.memory, Double(points.count + 1)))
    points.append(Point(rate: rate, loss: loss, smoothed: smoothed))
    if let first = points.first, let lowest, smoothed - lowest.smoothed > 3 * max(abs(first.loss), abs(lowest.smoothed))
    {
      divergence = rate
    }
    return divergence == nil && points.count < RateSweep.steps
  }

  /// Where the smoothed loss is least.
  package var lowest: Point? { points.min { $0.smoothed < $1.smoothed } }

  /// The rate at which the loss falls fastest, by the slope over log rate before its lowest point; nil where it does not
  /// fall.
  package var suggestion: Double? {
    let side = RateSweep.side
    guard let end = points.indices.min(by: { points[$0].smoothed < points[$1].smoothed }) else { return nil }
    let candidates = points.indices.filter { $0 >= side && $0 + side < points.count && $0 <= end }
    func slope(_ i: Int) -> Double { points[i + side].smoothed - points[i - side].smoothed }
    guard let best = candidates.min(by: { slope($0) < slope($1) }), slope(best) < 0 else { return nil }
    return points[best].rate
  }
}

extension RateSweep {
  /// Steps from where training stands, their rates swept; nothing is kept but in memory. Collective.
  package static func run(_ setup: TrainingSetup) throws(Failure) -> RateSweep {
    var coordinator = setup.coordinator
    coordinator.sweepRate(from: range.lowerBound, factor: factor)
    let steps = try SteadySteps(setup, decidedBy: coordinator)
    let sweep = try run(steps, isControlled: setup.configuration.objective.betaSchedule.isControlled)
    steps.close()
    return sweep
  }

  /// - isControlled: a beta that moves with every step makes losses that cannot be compared.
  private static func run(_ steps: SteadySteps, isControlled: Bool) throws(Failure) -> RateSweep {
    var sweep = RateSweep()
    while true {
      guard case .done(let report, _, let decision) = try steps.take() else {
        _ = sweep.add(nil)
        return sweep
      }
      guard sweep.add(isControlled ? report.train.negativeELBO : report.loss) else { return sweep }
      guard decision.action != .stop else {
        sweep.isCutShort = true
        return sweep
      }
    }
  }
}
