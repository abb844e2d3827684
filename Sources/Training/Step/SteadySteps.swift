import Communication
import Kernels

/// Steps one after the other, round the epochs, without validation and checkpoints: what is measured.
package final class SteadySteps {
  package let engine: StepEngine
  /// On rank 0.
  private var coordinator: Coordinator?

  /// Collective.
  package convenience init(_ setup: TrainingSetup) throws(Failure) {
    try self.init(setup, decidedBy: setup.coordinator)
  }

  /// The steps of `coordinator`, which rank 0 follows instead of the training's own. Collective.
  init(_ setup: TrainingSetup, decidedBy coordinator: Coordinator) throws(Failure) {
    engine = try StepEngine(setup)
    self.coordinator = engine.communicator.isRoot ? coordinator : nil
    var weights = coordinator.weights(after: engine.cursor.step)
    try engine.communicator.broadcastValue(&weights)
    engine.follow(weights)
  }

  /// Gives shared memory back; collective.
  package func close() { engine.close() }

  /// Collective.
  func take() throws(Failure) -> StepEngine.Outcome {
    if engine.isEpochDone { engine.beginEpoch() }
    return try engine.step { step, means, isSignalled in
      coordinator?.direct(step: step, means, signalled: isSignalled) ?? StepDecision(learningRate: 0, nextBeta: 0)
    }
  }

  /// A step as training does it. Collective.
  package func next() throws(Failure) {
    guard case .done = try take() else {
      throw Failure(.diverged, "the benchmark's steps stopped being finite", hint: "report this with the preset used")
    }
  }
}
