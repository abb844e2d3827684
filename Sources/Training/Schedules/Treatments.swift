import Settings

/// The effect of the treatments so far. It is part of a checkpoint, so that it persists when a run is resumed.
package struct Treatments: Sendable, Equatable, Codable {
  package private(set) var treatments = 0
  /// The step, counted from 0, at which beta starts to rise again, and the number of steps of the rise.
  private(set) var riseStart: Int?
  private(set) var riseSteps: Int?
  package private(set) var freeBits: Double?
  /// Free bits of the first treatment, in nats per unit; each further treatment doubles them. Kingma et al. found that
  /// values from 0.125 to 2 give similar results.
  package static let leastFreeBits = 0.125

  package init() {}

  /// The step at which beta has returned to its schedule.
  var riseEnd: Int? { riseStart.flatMap { start in riseSteps.map { start + $0 } } }

  /// Factor that beta is multiplied by at `step`.
  func rise(at step: Int) -> Double {
    guard let riseStart, let riseSteps else { return 1 }
    return min(1, max(0, Double(step - riseStart) / Double(max(1, riseSteps))))
  }

  /// Restarts the annealing of beta. Returns a description for the user.
  mutating func restartAnnealing(at step: Int, over steps: Int) -> String {
    treatments += 1
    (riseStart, riseSteps) = (step, max(1, steps))
    return "beta starts again at 0 and returns to its schedule in \(max(1, steps)) steps"
  }

  mutating func raiseFreeBits(from configured: Double) -> String {
    treatments += 1
    let raised = max(2 * (freeBits ?? configured), Treatments.leastFreeBits)
    freeBits = raised
    return "free bits are \(raised, .decimal) nats a unit from now on"
  }

  var fault: String? {
    let counters = 0...1 << 53
    guard (0...1_000_000).contains(treatments) else { return "treatments is \(treatments)" }
    guard counters.contains(riseStart ?? 0), counters.contains(riseSteps ?? 0) else {
      return "riseStart or riseSteps is negative"
    }
    return freeBits.map { $0.isFinite && $0 >= 0 } ?? true ? nil : "freeBits is not a valid number of nats"
  }
}

// Checkpoints of earlier versions contain no treatments and no epoch watch.
extension KeyedDecodingContainer {
  func decode(_ type: Treatments.Type, forKey key: Key) throws -> Treatments {
    try decodeIfPresent(type, forKey: key) ?? Treatments()
  }

  func decode(_ type: EpochWatch.Type, forKey key: Key) throws -> EpochWatch {
    try decodeIfPresent(type, forKey: key) ?? EpochWatch()
  }
}
