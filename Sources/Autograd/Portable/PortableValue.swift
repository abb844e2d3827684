/// Builds a portable graph node by node.
package final class PortableWriter {
  package private(set) var graph = PortableGraph()
  private var known: [PortableGraph.Numbers.Key: PortableValue] = [:]

  package init() {}

  /// Adds an input of shape (batch, extents...).
  package func input(_ name: String, _ extents: [Int]) -> PortableValue {
    graph.inputs.append(.init(name: name, extents: extents))
    return PortableValue(name: name, writer: self)
  }

  /// Declares a value as an output of shape (batch, extents...).
  package func output(_ value: PortableValue, as name: String, _ extents: [Int], isFlag: Bool = false) {
    graph.nodes.append(.init(operation: "Identity", inputs: [value.name], output: name, attributes: [:]))
    graph.outputs.append(.init(name: name, extents: extents, isFlag: isFlag))
  }

  /// Adds a named constant.
  package func constant(_ name: String, _ extents: [Int], _ values: [Float]) -> PortableValue {
    graph.constants.append(.init(name: name, extents: extents, numbers: .floats(values)))
    return PortableValue(name: name, writer: self)
  }

  /// Adds an unnamed constant. Constants with the same numbers and shape are shared.
  package func constant(_ numbers: PortableGraph.Numbers, _ extents: [Int]) -> PortableValue {
    let key = PortableGraph.Numbers.Key(numbers, extents)
    if let value = known[key] { return value }
    let value = PortableValue(name: "constant.\(known.count)", writer: self)
    graph.constants.append(.init(name: value.name, extents: extents, numbers: numbers))
    known[key] = value
    return value
  }

  package func scalar(_ value: Float) -> PortableValue { constant(.floats([value]), []) }
  package func list(_ values: [Int]) -> PortableValue { constant(.integers(values), [values.count]) }
  package func list(_ values: [Float]) -> PortableValue { constant(.floats(values), [values.count]) }

  /// Adds a node and returns its result.
  ///
  /// - inputs: nil for an omitted input.
  package func node(
    _ operation: String, _ inputs: [PortableValue?], _ attributes: [String: PortableGraph.Attribute] = [:]
  ) -> PortableValue {
    let value = PortableValue(name: "\(operation).\(graph.nodes.count)", writer: self)
    // Omitted inputs at the end are not listed.
    let inputs = inputs.prefix((inputs.lastIndex { $0 != nil } ?? -1) + 1)
    graph.nodes.append(
      .init(operation: operation, inputs: inputs.map { $0?.name ?? "" }, output: value.name, attributes: attributes))
    return value
  }
}

extension PortableGraph.Numbers {
  /// A key that compares numbers by their bits, so that -0 and 0 differ.
  fileprivate struct Key: Hashable {
    private let bits: [Int]
    private let extents: [Int]
    private let isFloat: Bool

    init(_ numbers: PortableGraph.Numbers, _ extents: [Int]) {
      self.extents = extents
      switch numbers {
      case .floats(let values): (bits, isFloat) = (values.map { Int($0.bitPattern) }, true)
      case .integers(let values): (bits, isFloat) = (values, false)
      }
    }
  }
}

/// The result of a node in a portable graph. Arithmetic on it adds nodes.
package struct PortableValue {
  package let name: String
  package let writer: PortableWriter

  package static func + (a: Self, b: Self) -> Self { a.writer.node("Add", [a, b]) }
  package static func - (a: Self, b: Self) -> Self { a.writer.node("Sub", [a, b]) }
  package static func * (a: Self, b: Self) -> Self { a.writer.node("Mul", [a, b]) }
  package static func / (a: Self, b: Self) -> Self { a.writer.node("Div", [a, b]) }
  package static func + (a: Self, b: Float) -> Self { a + a.writer.scalar(b) }
  package static func + (a: Float, b: Self) -> Self { b.writer.scalar(a) + b }
  package static func - (a: Self, b: Float) -> Self { a - a.writer.scalar(b) }
  package static func - (a: Float, b: Self) -> Self { b.writer.scalar(a) - b }
  package static func * (a: Self, b: Float) -> Self { a * a.writer.scalar(b) }
  package static func * (a: Float, b: Self) -> Self { b * b.writer.scalar(a) }
  package static prefix func - (a: Self) -> Self { a.writer.node("Neg", [a]) }

  package var abs: Self { writer.node("Abs", [self]) }
  package var exp: Self { writer.node("Exp", [self]) }
  package var log: Self { writer.node("Log", [self]) }
  package var tanh: Self { writer.node("Tanh", [self]) }
  package var sigmoid: Self { writer.node("Sigmoid", [self]) }
  /// log(1 + exp(x))
  package var softplus: Self { writer.node("Softplus", [self]) }
  /// max(x, 0)
  package var positive: Self { writer.node("Relu", [self]) }

  package func limited(_ low: Float? = nil, _ high: Float? = nil) -> Self {
    writer.node("Clip", [self, low.map(writer.scalar), high.map(writer.scalar)])
  }
  package func isLess(than other: Float) -> Self { writer.node("Less", [self, writer.scalar(other)]) }
  package func isGreater(than other: Float) -> Self { writer.node("Greater", [self, writer.scalar(other)]) }
  package var isNoNumber: Self { writer.node("IsNaN", [self]) }
  /// Returns a where self, which is a flag, is true, and b elsewhere.
  package func choose(_ a: Self, _ b: Self) -> Self { writer.node("Where", [self, a, b]) }

  /// Sums over all axes of `rank` dimensions except the first. (batch, ...) -> (batch)
  package func sumOfRow(rank: Int = 2) -> Self {
    writer.node("ReduceSum", [self, writer.list(Array(1..<rank))], ["keepdims": .integer(0)])
  }
  /// Reshapes all dimensions except the first. (batch, ...) -> (batch, extents...)
  package func reshaped(_ extents: [Int]) -> Self { writer.node("Reshape", [self, writer.list([0] + extents)]) }
  /// Reshapes including the first dimension, to merge or split rows. (n, ...) -> (m, extents...)
  package func merged(_ extents: [Int]) -> Self { writer.node("Reshape", [self, writer.list([-1] + extents)]) }
  package func transposed(_ order: [Int]) -> Self { writer.node("Transpose", [self], ["perm": .integers(order)]) }
  /// Selects a range along an axis.
  package func slice(_ range: Range<Int>, axis: Int = 2) -> Self {
    let bounds = [[range.lowerBound], [range.upperBound], [axis]].map { writer.list($0) }
    return writer.node("Slice", [self] + bounds)
  }
  /// Selects columns. (batch, n) -> (batch, places)
  package func columns(_ places: [Int]) -> Self {
    writer.node("Gather", [self, writer.list(places)], ["axis": .integer(1)])
  }
}
