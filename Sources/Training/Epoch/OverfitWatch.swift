import Settings

/// Whether a model learns a few batches by heart: what cannot do that cannot do anything.
package enum OverfitWatch {
  /// What a checkpoint keeps of it.
  package struct State: Sendable, Equatable, Codable {
    /// Reconstruction of the first epoch.
    package var first: Double?
    package var hasComplained = false
  }

  /// Steps before the first judgement, and the part of the first reconstruction that it must have fallen by.
  private static let steps = 200
  private static let fall = 0.05

  /// A message, once, when the reconstruction does not fall.
  static func judge(_ means: ELBOMeans, epoch: Int, step: Int, isLast: Bool, _ state: inout State) -> String? {
    let first = state.first ?? means.reconstruction
    state.first = first
    guard step >= steps || isLast, epoch > 1, !state.hasComplained else { return nil }
    guard first - means.reconstruction < fall * abs(first) else { return nil }
    state.hasComplained = true
    func text(_ value: Double) -> String { decimalText((value * 1_000).rounded() / 1_000) }
    return
      "train.overfit_batches: after \(epoch) epochs on the same samples the reconstruction is \(text(means.reconstruction)) "
      + "nats, and it began at \(text(first)): it does not go down. Look at optimizer.learning_rate "
      + "(`vae-dist train --find-learning-rate`), objective.reconstruction (sum), objective.beta.end, model.dropout, and "
      + "whether the data is what you think it is (`vae-dist data inspect`)"
  }
}
