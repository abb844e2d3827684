import RunConfiguration
import Foundation
import Kernels

/// A learning-rate range test: the loss of steps with an exponentially growing learning rate. Source: Smith, "Cyclical
/// learning rates for training neural networks", WACV 2017.
package struct RateSweep: Sendable {
  package struct Point: Sendable {
    package var rate: Double
    /// Loss in nats per sample before the update with this rate.
    package var loss: Double
    /// Moving average of the losses up to this point.
    package var smoothed: Double
  }

  package static let range = 1e-6...10.0
  package static let steps = 200
  private static let memory = 0.9
  /// Number of points on each side over which a slope is computed.
  private static let side = 6

  package private(set) var points: [Point] = []
  /// The rate at which the loss became non-finite or rose far above its initial value; nil if there was none.
  package private(set) var divergence: Double?
  /// Whether a signal or `train.max_time` ended the sweep early.
  package internal(set) var isCutShort = false
  private var average = 0.0

  package init() {}

  static var factor: Double { pow(range.upperBound / range.lowerBound, 1 / Double(steps - 1)) }
  static func rate(_ step: Int) -> Double { range.lowerBound * pow(factor, Double(step)) }

  /// Adds the loss of a step, which is nil if it was not finite. Returns whether the sweep should continue.
  package mutating func add(_ loss: Double?) -> Bool {
    let rate = RateSweep.rate(points.count)
    guard let loss, loss.isFinite else {
      divergence = rate
      return false
    }
    average = RateSweep.memory * average + (1 - RateSweep.memory) * loss
    // Corrects the bias of the moving average, as Adam does for its moments.
    let smoothed = average / (1 - pow(RateSweep.memory, Double(points.count + 1)))
    points.append(Point(rate: rate, loss: loss, smoothed: smoothed))
    if let first = points.first, let lowest, smoothed - lowest.smoothed > 3 * max(abs(first.loss), abs(lowest.smoothed))
    {
      divergence = rate
    }
    return divergence == nil && points.count < RateSweep.steps
  }

  /// The point with the lowest smoothed loss.
  package var lowest: Point? { points.min { $0.smoothed < $1.smoothed } }

  /// The rate at which the loss falls fastest, measured by the slope over log rate before the lowest point; nil if the
  /// loss does not fall.
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
  /// Runs a sweep that starts from the current state of the training. Nothing is written to disk. Collective.
  package static func run(_ setup: TrainingSetup) throws(Failure) -> RateSweep {
    var coordinator = setup.coordinator
    coordinator.sweepRate(from: range.lowerBound, factor: factor)
    let steps = try SteadySteps(setup, decidedBy: coordinator)
    let sweep = try run(steps, isControlled: setup.configuration.objective.betaSchedule.isControlled)
    steps.close()
    return sweep
  }

  /// Runs the sweep.
  ///
  /// - Parameter isControlled: Whether beta changes with every step. The sweep then compares -ELBO, because losses with
  ///   different beta cannot be compared.
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
