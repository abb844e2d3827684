import Autograd

/// An upper bound on -log p(x) that training minimises. A bound combines the reconstruction term with the latents of a
/// trace.
package protocol Bound {
  /// Records the bound in the trace's graph.
  ///
  /// - reconstruction: -log p(x | z) in nats, of shape (batch).
  func record(_ reconstruction: Tensor, _ trace: Trace) -> RecordedBound
}

/// The result of `Bound.record`: the weighted terms of the loss, and the KL divergences that reports show.
package struct RecordedBound {
  /// The terms of the loss: per-sample tensors (batch), each with a coefficient (1). Training minimises their weighted
  /// sum.
  package let weighted: [(Tensor, Tensor)]
  /// The KL of each unit, without free bits, in nats. A group with one KL for all its units has one column.
  /// (batch, columns)
  package let klPerUnit: Tensor
  /// The sum of `klPerUnit` over columns, in nats. (batch)
  package let kl: Tensor
  /// The weight of the KL. The caller sets it before a replay. (1)
  package let beta: Tensor
  /// The floor of each unit's KL in nats; nil if the bound has no free bits. The caller may set it before a replay. (1)
  package let freeBits: Tensor?
}
