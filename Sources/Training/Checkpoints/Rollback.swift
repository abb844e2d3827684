import Communication
import Kernels

extension Trainer {
  /// Finds the first operation with a non-finite result, returns to the last valid checkpoint, halves the learning
  /// rate, and rekeys the noise. Collective.
  ///
  /// - Parameters:
  ///   - failing: The failing step, counted from 0.
  ///   - inValidation: Whether the step itself was finite, but validation with the resulting parameters was not. In
  ///     that case, only the following step can show that the failure has been overcome.
  func rollBack(failing: Int, inValidation: Bool = false) throws(Failure) {
    engine.exchange.awaitRelease()
    let found = inValidation ? StepEngine.NonFinite.inValidation : try engine.findNonFinite() ?? StepEngine.NonFinite()
    engine.clock.enter(.checkpoint)
    let restored = try choose(failing: failing, until: inValidation ? failing + 1 : failing, found)
    try checkpoints.restore(step: restored.step, engine.autoencoder.store, engine.optimizer, communicator)
    var cursor = restored.cursor
    cursor.attempt = engine.cursor.attempt + 1
    if communicator.isRoot {
      emit(
        .rollback(
          RollbackReport(
            failingStep: failing + 1, restoredStep: restored.step, attempt: cursor.attempt,
            learningRateFactor: restored.coordinator.learningRateFactor, rank: found.rank,
            microbatch: found.microbatch, operation: found.operation, samples: found.samples)))
      checkpoints.discard(above: restored.step)
      checkpoints.markBest(restored.coordinator.epochs.bestStep)
    }
    sums = restored.sums
    coordinator?.state = restored.coordinator
    engine.goBack(to: cursor, lastBeta: restored.beta)
    try open()
  }

  /// Chooses the state to return to, on rank 0, or gives up. The other ranks follow. Collective.
  private func choose(failing: Int, until passing: Int, _ found: StepEngine.NonFinite) throws(Failure) -> TrainingState
  {
    let bytes = try communicator.together { () throws(Failure) -> [UInt8] in
      guard coordinator != nil else { return [] }
      var chosen = try checkpoints.lastValid()
      try coordinator?.fail(at: failing, until: passing, restored: chosen.step, cause: found.text)
      // The record of failures is kept. The judgements about epochs that are undone are dropped.
      if let coordinator { chosen.coordinator.keepFailures(of: coordinator.state) }
      if !checkpoints.has(step: chosen.coordinator.epochs.bestStep) { chosen.coordinator.epochs.forgetBest() }
      return try chosen.encoded()
    }
    return try TrainingState.decode(try communicator.broadcast(bytes), from: "rollback")
  }
}

extension StepEngine.NonFinite {
  static let inValidation = StepEngine.NonFinite(
    operation: "validation, on parameters whose steps were finite (outliers in the validation data?)")

  var text: String {
    "first in \(operation)" + (rank < 0 ? "" : ", rank \(rank), microbatch \(microbatch)")
      + (samples.isEmpty ? "" : ", samples \(samples.prefix(8).map(String.init).joined(separator: ", "))")
  }
}
