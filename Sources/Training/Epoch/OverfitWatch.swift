import Settings

/// Checks whether a model can memorise a few batches, a basic test of the model and the optimisation.
package enum OverfitWatch {
  /// The part that is saved in a checkpoint.
  package struct State: Sendable, Equatable, Codable {
    /// Reconstruction term of the first epoch, in nats.
    package var first: Double?
    package var hasComplained = false
  }

  /// Number of steps before the first check, and the relative decrease of the reconstruction term that it expects.
  private static let steps = 200
  private static let fall = 0.05

  /// Returns a message if the reconstruction term does not decrease. The message is returned once.
  static func judge(_ means: ELBOMeans, epoch: Int, step: Int, isLast: Bool, _ state: inout State) -> String? {
    let first = state.first ?? means.reconstruction
    state.first = first
    guard step >= steps || isLast, epoch > 1, !state.hasComplained else { return nil }
    guard first - means.reconstruction < fall * abs(first) else { return nil }
    state.hasComplained = true
    func text(_ value: Double) -> String { "\((value * 1_000).rounded() / 1_000, .decimal)" }
    return
      "train.overfit_batches: after \(epoch) epochs on the same samples the reconstruction is \(text(means.reconstruction)) "
      + "nats, and it began at \(text(first)): it does not go down. Check optimizer.learning_rate "
      + "(`vae-dist train --find-learning-rate`), objective.reconstruction (sum), objective.beta.end, model.dropout, and "
      + "whether the data is what you think it is (`vae-dist data inspect`)"
  }
}
