import Autograd

/// A bound on -log p(x) that training minimises: what is recorded of a reconstruction term and the latents of a trace.
package protocol Bound {
  /// - reconstruction: -log p(x | z), nats (batch).
  func record(_ reconstruction: Tensor, _ trace: Trace) -> RecordedBound
}

/// What a bound recorded: its terms with their weights, and the KL that reports read.
package struct RecordedBound {
  /// The terms whose weighted sum is minimised, each (batch) with a coefficient (1).
  package let weighted: [(Tensor, Tensor)]
  /// The rates of all groups side by side, without free bits. (batch, columns)
  package let klPerUnit: Tensor
  /// Their sum. (batch)
  package let kl: Tensor
  /// Weight of the KL, which the caller sets before a replay. (1)
  package let beta: Tensor
  /// Floor of a unit's KL, which the caller may set before a replay. (1)
  package let freeBits: Tensor?
}
