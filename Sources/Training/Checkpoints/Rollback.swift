import Communication
import Foundation
import Kernels

extension Trainer {
  /// All ranks together: find the first operation that was not finite, go back to the last valid checkpoint, halve the
  /// learning rate, and key the noise anew. Collective.
  ///
  /// - inValidation: the step was finite, and what it made was not; so only the step after it shows that this has passed.
  func rollBack(failing: Int, inValidation: Bool = false) throws(Failure) {
    exchange.awaitRelease()
    let finding = inValidation ? Finding(operation: Finding.validation) : try findNonFinite()
    clock.enter(.checkpoint)
    // The root chooses what to go back to, and whether to try at all; the others follow its answer.
    var restored = TrainingState()
    let bytes = try communicator.together { () throws(Failure) -> [UInt8] in
      guard communicator.isRoot else { return [] }
      var chosen = try checkpoints.lastValid()
      try coordinator.fail(
        at: failing, until: inValidation ? failing + 1 : failing, restored: chosen.step, cause: finding.text)
      // What it knows of failures stays; what it judged of epochs that are undone goes.
      chosen.coordinator.keepFailures(of: coordinator.state)
      if !checkpoints.has(step: chosen.coordinator.epochs.bestStep) { chosen.coordinator.epochs.forgetBest() }
      return try chosen.encoded()
    }
    restored = try TrainingState.decode(try communicator.broadcast(bytes), from: "rollback")
    try checkpoints.restore(step: restored.step, autoencoder.store, optimizer, communicator)
    let attempt = state.attempt + 1
    if communicator.isRoot {
      emit(
        .rollback(
          RollbackReport(
            failingStep: failing + 1, restoredStep: restored.step, attempt: attempt,
            learningRateFactor: restored.coordinator.learningRateFactor, rank: finding.rank,
            microbatch: finding.microbatch,
            operation: finding.operation, samples: finding.samples)))
      checkpoints.discard(above: restored.step)
      checkpoints.markBest(restored.coordinator.epochs.bestStep)
    }
    state = restored
    clock.step = state.step
    coordinator.state = restored.coordinator
    state.attempt = attempt
    optimizer.updates = restored.updates
    try announceBeta()
  }

  private struct Finding: Codable {
    var rank = -1
    var microbatch = -1
    var operation = "the sum of the gradients"
    var samples: [Int] = []

    static let validation = "validation, on parameters whose steps were finite (outliers in the validation data?)"

    var text: String {
      "first in \(operation)" + (rank < 0 ? "" : ", rank \(rank), microbatch \(microbatch)")
        + (samples.isEmpty ? "" : ", samples \(samples.prefix(8).map(String.init).joined(separator: ", "))")
    }
  }

  /// Every rank replays its microbatches of the failed step; the finding of the first leaf wins.
  private func findNonFinite() throws(Failure) -> Finding {
    var mine: Finding?
    let scratch = Buffer(count: autoencoder.store.count)
    for leaf in exchange.leaves where mine == nil {
      let filled = try replayForward(slot: leaf.index)
      let found = Finding(rank: communicator.rank, microbatch: leaf.index)
      let samples = { (rows: [Int]) in rows.filter { $0 < filled }.map { Int(self.loader.samples[$0]) } }
      if let bad = training.graph.firstNonFinite(inputs: [training.x], parameterName: autoencoder.store.name(at:)) {
        mine = found
        mine?.operation = bad.label
        mine?.samples = samples(bad.rows)
        continue
      }
      replayBackward(into: scratch.base, share: 1 / Float(max(1, plan.filled(step: state.stepInEpoch))))
      let parameters = autoencoder.store.parameters
      if let bad = parameters.first(where: { vd_all_finite(scratch.base + $0.offset, $0.shape.count) == 0 }) {
        mine = found
        mine?.operation = "gradient of \(bad.name)"
        mine?.samples = samples(Array(0..<filled))
      }
    }
    let encoded = mine.flatMap { try? JSONEncoder().encode($0) }.map { [UInt8]($0) } ?? []
    let first = try communicator.gather(encoded).first { !$0.isEmpty }
    return first.flatMap { try? JSONDecoder().decode(Finding.self, from: Foundation.Data($0)) } ?? Finding()
  }
}
