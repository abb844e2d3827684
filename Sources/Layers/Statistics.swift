import Autograd

/// Information about the step that has just finished, for statistic rules. It is the same on every rank.
package struct StatisticStep: Sendable {
  /// Number of updates before this one.
  package let updates: Int
  /// Number of samples of the step, over all ranks.
  package let samples: Float

  package init(updates: Int, samples: Float) { (self.updates, self.samples) = (updates, samples) }
}

/// How a statistic changes after a step. `sum` is the sum over all microbatches of the step.
///
/// Rules must not allocate memory, and must depend only on their arguments, so that all ranks compute the same bits.
package enum StatisticRule: Sendable {
  /// Computes the new value of each element from its old value and its sum.
  case elementwise(@Sendable (_ value: Float, _ sum: Float, _ step: StatisticStep) -> Float)
  /// Changes all values of the statistic in place, for rules in which elements depend on each other.
  case whole(
    @Sendable (_ values: UnsafeMutableBufferPointer<Float>, _ sums: UnsafeBufferPointer<Float>, StatisticStep) -> Void)

  /// Exponential moving average of the sums: v += (1 - decay) (sum - v).
  package static func movingSum(decay: Float) -> StatisticRule {
    .elementwise { value, sum, _ in value + (1 - decay) * (sum - value) }
  }

  /// Exponential moving average of the mean over a step's samples: v += (1 - decay) (sum / samples - v).
  package static func movingMean(decay: Float) -> StatisticRule {
    .elementwise { value, sum, step in value + (1 - decay) * (sum / step.samples - value) }
  }
}

extension ParameterStore {
  /// Applies the rules of all statistics. If ranks share the values, each rank changes only those in `share`.
  ///
  /// A rule for a whole statistic is applied by the rank whose share contains its first element.
  ///
  /// - sums: sums over all microbatches of the step, in the layout of the parameters.
  /// - copy: another buffer that contains the same statistics, such as averaged weights. Changed values are copied to
  ///   it.
  package func updateStatistics(
    sums: UnsafePointer<Float>, share: Range<Int>, copy: UnsafeMutablePointer<Float>?, _ step: StatisticStep
  ) {
    guard statisticCount > 0 else { return }
    for statistic in statisticsInPlace {
      guard case .statistic(let rule) = statistic.role else { continue }
      var changed = statistic.range.clamped(to: share)
      switch rule {
      case .elementwise(let update):
        for i in changed { values[i] = update(values[i], sums[i], step) }
      case .whole(let update):
        guard share.contains(statistic.offset) else { continue }
        changed = statistic.range
        update(
          UnsafeMutableBufferPointer(start: values + changed.lowerBound, count: changed.count),
          UnsafeBufferPointer(start: sums + changed.lowerBound, count: changed.count), step)
      }
      copy?.advanced(by: changed.lowerBound).update(from: values + changed.lowerBound, count: changed.count)
    }
  }
}
