import Kernels

/// How a training set is divided into steps and microbatches.
///
/// The plan depends on sizes alone, never on the number of ranks. A global step consists of V microbatches, the
/// "slots", and the training set is divided into V strata. Slot v draws only from stratum v, in the order of a keyed
/// permutation that depends on the epoch and the stratum. A rank therefore needs only the data of the slots that it
/// holds. Incomplete microbatches at the end of an epoch are padded with rows of weight 0.
package struct BatchPlan: Sendable, Equatable {
  /// Number of training samples.
  package let count: Int
  /// Number of samples in a global step.
  package let batchSize: Int
  /// Number of microbatches in a global step, V.
  package let slots: Int
  /// Number of rows in a microbatch, b: the largest quota of a slot.
  package let microbatch: Int

  /// - microbatch: the largest number of rows in a microbatch; 0 means an eighth of the batch.
  package init(count: Int, batchSize: Int, microbatch: Int) {
    precondition(count > 0 && batchSize > 0 && microbatch >= 0, "batches of \(batchSize) from \(count) samples")
    self.count = count
    self.batchSize = batchSize
    let rows = microbatch == 0 ? (batchSize + 7) / 8 : min(microbatch, batchSize)
    slots = (batchSize + rows - 1) / rows
    self.microbatch = (batchSize + slots - 1) / slots
  }

  /// Number of steps after which every sample of every stratum has been drawn.
  package var stepsPerEpoch: Int {
    (0..<slots).reduce(1) { max($0, (stratum($1).count + quota($1) - 1) / quota($1)) }
  }

  private func firstRow(_ slot: Int) -> Int { batchSize * slot / slots }

  /// Number of samples that a slot contributes to a full step. Quotas differ by at most one.
  package func quota(_ slot: Int) -> Int { firstRow(slot + 1) - firstRow(slot) }

  /// The samples that a slot draws from: a contiguous share of the training set in proportion to the slot's quota.
  package func stratum(_ slot: Int) -> Range<Int> {
    // count * row may need more than 64 bits.
    func bound(_ row: Int) -> Int { batchSize.dividingFullWidth(count.multipliedFullWidth(by: row)).quotient }
    return bound(firstRow(slot))..<bound(firstRow(slot + 1))
  }

  /// The samples of a range of slots, which are contiguous.
  package func strata(_ slots: Range<Int>) -> Range<Int> {
    guard !slots.isEmpty else { return 0..<0 }
    return stratum(slots.lowerBound).lowerBound..<stratum(slots.upperBound - 1).upperBound
  }

  /// Number of real samples (not padding) that a slot contributes to a step of an epoch.
  package func filled(_ slot: Int, step: Int) -> Int {
    min(quota(slot), max(0, stratum(slot).count - step * quota(slot)))
  }

  /// Number of real samples in a step over all slots: the divisor of a mean over the step.
  package func filled(step: Int) -> Int { (0..<slots).reduce(0) { $0 + filled($1, step: step) } }
}

extension BatchPlan {
  /// The order in which one slot draws its samples during one epoch.
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

    /// Writes the samples of `step` (indices into the training set) and returns how many there are. The other rows of
    /// the microbatch are padding.
    package func fill(_ indices: UnsafeMutablePointer<Int>, step: Int) -> Int {
      let filled = plan.filled(slot, step: step)
      guard let permutation, filled > 0 else { return 0 }
      let start = plan.stratum(slot).lowerBound, first = step * plan.quota(slot)
      for i in 0..<filled { indices[i] = start + permutation[first + i] }
      return filled
    }
  }
}
