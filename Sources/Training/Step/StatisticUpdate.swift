import Communication
import Kernels
import Layers
import Optimizers

/// Changes the statistics of a model after each step, beside the optimiser, which changes what is learned.
package struct StatisticUpdate {
  private let store: ParameterStore
  private let average: UnsafeMutablePointer<Float>?
  /// What this rank changes: all, or its part where the ranks of a node share one copy.
  private let share: Range<Int>

  package init(_ store: ParameterStore, _ optimizer: Optimizer, _ topology: Topology) {
    self.store = store
    average = optimizer.average
    let part =
      optimizer.isShared
      ? ExchangePlan.share(
        of: store.statisticCount, neighbour: topology.nodeRank, neighbours: topology.neighbours.count)
      : 0..<store.statisticCount
    share = store.learnedCount + part.lowerBound..<store.learnedCount + part.upperBound
  }

  /// Whether the sums of a step, laid out as the parameters are, can be used; every rank has the same ones.
  package func areFinite(_ sums: UnsafePointer<Float>) -> Bool {
    vd_all_finite(sums + store.learnedCount, store.statisticCount) == 1
  }

  /// Applies the rules, once a step on one copy of the parameters.
  package func apply(_ sums: UnsafePointer<Float>, updates: Int, samples: Double) {
    store.updateStatistics(
      sums: sums, share: share, copy: average, StatisticStep(updates: updates, samples: Float(samples)))
  }
}
