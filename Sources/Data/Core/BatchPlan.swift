import Kernels

/// How a training set is cut into steps and microbatches: a function of sizes alone, so that no rank matters.
///
/// The set is cut into as many strata as a batch has microbatches ("slots"). Slot v draws only from stratum v, in the
/// order of a keyed permutation per epoch and stratum; a rank that holds the slots holds the data. The tail of an
/// epoch is padded with weight 0.
package struct BatchPlan: Sendable, Equatable {
  /// Training samples.
  package let count: Int
  /// Samples of a global step.
  package let batchSize: Int
  /// Microbatches of a global step, V.
  package let slots: Int
  /// Rows of a microbatch, b: the largest quota of a slot.
  package let microbatch: Int

  /// - microbatch: rows of a replay; 0 for an eighth of the batch.
  package init(count: Int, batchSize: Int, microbatch: Int) {
    precondition(count > 0 && batchSize > 0 && microbatch >= 0, "batches of \(batchSize) from \(count) samples")
    self.count = count
    self.batchSize = batchSize
    let rows = microbatch == 0 ? (batchSize + 7) / 8 : min(microbatch, batchSize)
    slots = (batchSize + rows - 1) / rows
    self.microbatch = (batchSize + slots - 1) / slots
  }

  /// Steps until every stratum has been drawn whole.
  package var stepsPerEpoch: Int {
    (0..<slots).reduce(1) { max($0, (stratum($1).count + quota($1) - 1) / quota($1)) }
  }

  private func firstRow(_ slot: Int) -> Int { batchSize * slot / slots }

  /// Samples that a slot contributes to a full step; quotas differ by at most one.
  package func quota(_ slot: Int) -> Int { firstRow(slot + 1) - firstRow(slot) }

  /// Samples that a slot draws from: its share of the set, in proportion to its quota.
  package func stratum(_ slot: Int) -> Range<Int> {
    // count * row may not fit 64 bits.
    func bound(_ row: Int) -> Int { batchSize.dividingFullWidth(count.multipliedFullWidth(by: row)).quotient }
    return bound(firstRow(slot))..<bound(firstRow(slot + 1))
  }

  /// Samples of a range of slots: contiguous.
  package func strata(_ slots: Range<Int>) -> Range<Int> {
    guard !slots.isEmpty else { return 0..<0 }
    return stratum(slots.lowerBound).lowerBound..<stratum(slots.upperBound - 1).upperBound
  }

  /// Real samples of a slot in a step of an epoch.
  package func filled(_ slot: Int, step: Int) -> Int {
    min(quota(slot), max(0, stratum(slot).count - step * quota(slot)))
  }

  /// Real samples of a step over all slots: what a mean divides by.
  package func filled(step: Int) -> Int { (0..<slots).reduce(0) { $0 + filled($1, step: step) } }
}

extension BatchPlan {
  /// The samples of one slot's microbatch in one step of one epoch.
  package struct Order {
    private let plan: BatchPlan
    private let slot: Int
    private let permutation: KeyedPermutation?

    package init(_ plan: BatchPlan, slot: Int, seed: UInt64, epoch: Int) {
      self.plan = plan
      self.slot = slot
      let count = plan.stratum(slot).count
      permutation =
        count == 0
        ? nil
        : KeyedPermutation(
          count: count, generator: KeyedGenerator(seed: seed, stream: "order"),
          epoch: UInt32(truncatingIfNeeded: epoch),
          part: UInt32(truncatingIfNeeded: slot))
    }

    /// Writes the samples (indices into the training set) and returns how many there are; the rest is padding.
    package func fill(_ indices: UnsafeMutablePointer<Int>, step: Int) -> Int {
      let filled = plan.filled(slot, step: step)
      guard let permutation, filled > 0 else { return 0 }
      let start = plan.stratum(slot).lowerBound, first = step * plan.quota(slot)
      for i in 0..<filled { indices[i] = start + permutation[first + i] }
      return filled
    }
  }
}
