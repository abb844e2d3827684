import Communication
import Kernels
import Layers
import Optimizers

/// Updates the statistics of a model after each step. The optimiser updates only the learned parameters.
package struct StatisticUpdate {
  private let store: ParameterStore
  private let average: UnsafeMutablePointer<Float>?
  /// The statistics that this rank updates: all of them, or its part if the ranks of a node share one copy.
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

  /// Whether the statistics in the sums of a step are finite. The sums have the layout of the parameters and are the
  /// same on every rank.
  package func areFinite(_ sums: UnsafePointer<Float>) -> Bool {
    vd_all_finite(sums + store.learnedCount, store.statisticCount) == 1
  }

  /// Applies the update rules of the statistics, once per step for each copy of the parameters.
  package func apply(_ sums: UnsafePointer<Float>, updates: Int, samples: Double) {
    store.updateStatistics(
      sums: sums, share: share, copy: average, StatisticStep(updates: updates, samples: Float(samples)))
  }
}
