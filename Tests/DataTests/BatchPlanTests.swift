import Data
import Testing

/// Sizes of microbatches to test for a batch: automatic, one, odd, half, whole, and too many.
private func microbatches(_ batch: Int) -> [Int] {
  Array(Set([0, 1, 2, 3, 7, max(1, batch / 2), batch, batch + 5])).sorted()
}

@Suite struct BatchPlanTests {
  @Test(
    "Quotas add up to the batch, strata to the set, and steps to the strata", arguments: [1...50, 51...120, 121...200])
  func sums(counts: ClosedRange<Int>) {
    for count in counts {
      for batch in 1...70 {
        for rows in microbatches(batch) {
          let plan = BatchPlan(count: count, batchSize: batch, microbatch: rows)
          let slots = 0..<plan.slots, steps = plan.stepsPerEpoch
          var isRight = slots.reduce(0) { $0 + plan.quota($1) } == batch
          isRight = isRight && slots.allSatisfy { (1...plan.microbatch).contains(plan.quota($0)) }
          isRight = isRight && slots.contains { plan.quota($0) == plan.microbatch }
          isRight = isRight && (rows == 0 || plan.microbatch <= rows)
          // Strata follow each other from 0 to the count.
          var at = 0
          for slot in slots {
            isRight = isRight && plan.stratum(slot).lowerBound == at
            at = plan.stratum(slot).upperBound
          }
          isRight = isRight && at == count && plan.strata(slots) == 0..<count && plan.strata(0..<0).isEmpty
          // Every sample is drawn once. The last step draws at least one sample, and a step after it none.
          for slot in slots {
            isRight = isRight && (0..<steps).reduce(0) { $0 + plan.filled(slot, step: $1) } == plan.stratum(slot).count
          }
          isRight = isRight && (0..<steps).reduce(0) { $0 + plan.filled(step: $1) } == count
          isRight = isRight && plan.filled(step: steps - 1) > 0 && plan.filled(step: steps) == 0
          #expect(isRight, "\(count) samples, batches of \(batch), microbatches of \(rows): \(plan)")
          if !isRight { return }
        }
      }
    }
  }

  @Test("An epoch draws every sample exactly once", arguments: [1, 2, 7, 16, 31, 64, 97, 100, 128, 199, 200, 1_797])
  func onceEach(count: Int) {
    for batch in [1, 2, 3, 7, 13, 64, 70, 256] {
      for rows in microbatches(batch) {
        let plan = BatchPlan(count: count, batchSize: batch, microbatch: rows)
        let drawn = epoch(plan, seed: 5, epoch: 2)
        let isOnce = drawn.flatMap { $0 }.sorted() == Array(0..<count)
        #expect(isOnce, "\(count) samples, batches of \(batch), microbatches of \(rows)")
        // No slot draws from the stratum of another, so a rank needs only its own rows.
        for slot in 0..<plan.slots { #expect(drawn[slot].allSatisfy(plan.stratum(slot).contains)) }
      }
    }
  }

  /// The samples that each slot draws in an epoch, in order.
  private func epoch(_ plan: BatchPlan, seed: UInt64, epoch: Int) -> [[Int]] {
    (0..<plan.slots).map { slot in
      let order = BatchPlan.Order(plan, slot: slot, seed: seed, epoch: epoch)
      var drawn = [Int]()
      for step in 0..<plan.stepsPerEpoch {
        var indices = [Int](repeating: -1, count: plan.microbatch)
        let filled = order.fill(&indices, step: step)
        #expect(filled == plan.filled(slot, step: step))
        #expect(indices.dropFirst(filled).allSatisfy { $0 == -1 })
        drawn += indices.prefix(filled)
      }
      return drawn
    }
  }

  @Test("Each epoch and seed has another order, which is reproducible")
  func keys() {
    let plan = BatchPlan(count: 1_000, batchSize: 64, microbatch: 0)
    let first = epoch(plan, seed: 1, epoch: 0)
    #expect(first == epoch(plan, seed: 1, epoch: 0))
    for other in [epoch(plan, seed: 1, epoch: 1), epoch(plan, seed: 2, epoch: 0)] {
      for slot in 0..<plan.slots { #expect(other[slot] != first[slot] && other[slot].sorted() == first[slot].sorted()) }
    }
    // Slots of equal size do not draw in the same order either.
    let offsets = (0..<plan.slots).map { slot in first[slot].map { $0 - plan.stratum(slot).lowerBound } }
    #expect(Set(offsets).count == plan.slots)
  }

  @Test("A plan is right for sizes whose products do not fit into 64 bits")
  func hugeSizes() {
    let count = 1 << 45, batch = 16_777_216
    let plan = BatchPlan(count: count, batchSize: batch, microbatch: 8_192)
    #expect(plan.slots == 2_048 && plan.microbatch == 8_192)
    #expect(plan.strata(0..<plan.slots) == 0..<count)
    #expect(plan.stepsPerEpoch == count / batch)
    #expect(plan.filled(step: plan.stepsPerEpoch - 1) == batch)
  }

  @Test("A batch that is larger than the set makes one step")
  func largeBatch() {
    let plan = BatchPlan(count: 5, batchSize: 64, microbatch: 0)
    #expect(plan.slots == 8 && plan.stepsPerEpoch == 1 && plan.filled(step: 0) == 5)
  }
}
