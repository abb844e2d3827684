/// The result of an exchange, which is the same on every rank: the summed gradient and the summed rows.
package struct Exchanged {
  /// Sum of the gradients of all leaves, in the layout of the parameters. Valid until `release`.
  package let gradient: UnsafeMutablePointer<Float>
  /// Sum of the squares of the gradient's elements that belong to its norm.
  package let squares: Double
  /// Sum of the rows in tree order, (rowWidth). Valid until the next exchange.
  package let sums: UnsafePointer<Double>
  /// The answer of the root.
  package let answer: SIMD8<Double>
}

/// How ranks exchange gradients.
package enum ExchangeRoute: String, CaseIterable, Sendable {
  /// Shared memory within a node and messages between nodes.
  case auto
  /// Shared memory only; all ranks must be on one node.
  case window
  /// Messages only, even within a node.
  case messages
}
