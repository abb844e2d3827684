import Autograd

/// What a rule may know of the step that has just been done, the same on every rank.
package struct StatisticStep: Sendable {
  /// Updates before this one.
  package let updates: Int
  /// Samples of the step, over all ranks.
  package let samples: Float

  package init(updates: Int, samples: Float) { (self.updates, self.samples) = (updates, samples) }
}

/// How a statistic changes after a step. `sum` is what operations added to its sums, over all microbatches of the step.
///
/// Rules allocate nothing and depend on nothing but their arguments, so that every rank computes the same bits.
package enum StatisticRule: Sendable {
  /// Gives the new value of each element from its old value and its sum.
  case elementwise(@Sendable (_ value: Float, _ sum: Float, _ step: StatisticStep) -> Float)
  /// Changes all values of the statistic in place, where an element depends on others.
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
  /// Applies the rule of every statistic; of those in `share`, where ranks share the values and each changes a part.
  ///
  /// A rule for a whole statistic is applied by the rank whose share has its first element.
  /// - sums: laid out as the parameters are, the sum over all microbatches of the step.
  /// - copy: other values that have the same statistics, such as averaged weights; those changed are copied there.
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
