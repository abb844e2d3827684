import Communication
import Kernels

/// Takes consecutive steps without validation and checkpoints, for measurements. It continues with the next epoch when
/// one is done.
package final class SteadySteps {
  package let engine: StepEngine
  /// Set on rank 0 only.
  private var coordinator: Coordinator?

  /// Takes the steps of the training in `setup`. Collective.
  package convenience init(_ setup: TrainingSetup) throws(Failure) {
    try self.init(setup, decidedBy: setup.coordinator)
  }

  /// Takes steps that follow `coordinator` instead of the training's own. Collective.
  init(_ setup: TrainingSetup, decidedBy coordinator: Coordinator) throws(Failure) {
    engine = try StepEngine(setup)
    self.coordinator = engine.communicator.isRoot ? coordinator : nil
    var weights = coordinator.weights(after: engine.cursor.step)
    try engine.communicator.broadcastValue(&weights)
    engine.follow(weights)
  }

  /// Releases shared memory. Collective.
  package func close() { engine.close() }

  /// Takes a step and returns its outcome. Collective.
  func take() throws(Failure) -> StepEngine.Outcome {
    if engine.isEpochDone { engine.beginEpoch() }
    return try engine.step { step, means, isSignalled in
      coordinator?.direct(step: step, means, signalled: isSignalled) ?? StepDecision(learningRate: 0, nextBeta: 0)
    }
  }

  /// Takes a step. Collective.
  ///
  /// - Throws: `Failure` with the status `diverged` if a value was not finite.
  package func next() throws(Failure) {
    guard case .done = try take() else {
      throw Failure(.diverged, "the benchmark's steps stopped being finite", hint: "report this with the preset used")
    }
  }
}
