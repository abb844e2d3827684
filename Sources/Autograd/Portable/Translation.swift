import Kernels

/// An operation that can be exported to ONNX.
package protocol PortableOperation: Operation {
  /// The inputs that `translate` reads.
  func translated(by t: Translation) -> [Tensor]
  /// Writes the computation of `forward` outside training. If no noise was supplied for a draw, the posterior mean is
  /// used.
  func translate(_ t: Translation)
}

extension PortableOperation {
  package func translated(by t: Translation) -> [Tensor] { inputs }
}

/// Translates the operations of a recorded graph to a portable graph.
///
/// Images are (rows, columns, channels) in the program and (channels, rows, columns) in ONNX. A value keeps the layout
/// in which it was computed, and is transposed only when another layout is needed. Consecutive convolutions therefore
/// need no transposition.
package final class Translation {
  package let writer: PortableWriter
  private let graph: Graph
  private let parameter: (_ offset: Int) -> (name: String, values: UnsafePointer<Float>)
  /// The layouts of each tensor: the one in which it was computed, and those derived from it.
  private var places: [Int: [Place]] = [:]
  private var weights: [String: PortableValue] = [:]

  /// A value of a certain shape, in one or both axis orders.
  private struct Place {
    /// The shape in the program.
    let shape: Shape
    var rows: PortableValue?
    /// The value with the channels before the pixels.
    var images: PortableValue?
  }

  /// - parameter: returns name and values of the parameter at an offset of the flat buffer.
  package init(
    of graph: Graph, into writer: PortableWriter,
    parameter: @escaping (_ offset: Int) -> (name: String, values: UnsafePointer<Float>)
  ) {
    (self.graph, self.writer, self.parameter) = (graph, writer, parameter)
  }

  /// Writes the operations that `results` depend on, and no others. Values that the caller supplies, for inputs or for
  /// results of operations, must be set first.
  package func write(_ results: [Tensor]) throws(Failure) {
    var wanted = Set(results.map(\.index)).subtracting(places.keys)
    var chosen: [any PortableOperation] = []
    for (i, operation) in graph.operations.enumerated().reversed() {
      guard operation.outputs.contains(where: { wanted.contains($0.index) }) else { continue }
      guard let operation = operation as? any PortableOperation else {
        throw Failure(
          .badConfiguration, "the operation \"\(graph.label(i))\" has no translation to ONNX",
          hint: "use --format safetensors, which needs no translation")
      }
      let read = operation.translated(by: self).filter { places[$0.index] == nil }
      let missing = read.first { if case .input = graph.origin(of: $0) { true } else { false } }
      if let missing {
        throw Failure(
          .badConfiguration,
          "\"\(graph.label(i))\" needs an input \(missing.shape) besides the sample, which an export does not have",
          hint: "use --format safetensors, which has the weights")
      }
      chosen.append(operation)
      wanted.formUnion(read.map(\.index))
    }
    for operation in chosen.reversed() { operation.translate(self) }
  }

  // MARK: Values

  /// Whether a value was supplied or written.
  func has(_ tensor: Tensor) -> Bool { places[tensor.index] != nil }

  /// The value in the program's axis order: (batch, ...) with channels last.
  package subscript(_ tensor: Tensor) -> PortableValue {
    get {
      guard let known = places[tensor.index] else { return value(of: tensor) }
      guard let at = known.firstIndex(where: { $0.shape == tensor.shape }) else {
        let value = self[graph.view(tensor, known[0].shape)], extents = Array(tensor.shape.dimensions.dropFirst())
        let seen = known[0].shape[0] == tensor.rows ? value.reshaped(extents) : value.merged(extents)
        places[tensor.index]?.append(Place(shape: tensor.shape, rows: seen))
        return seen
      }
      if let rows = known[at].rows { return rows }
      guard let rows = known[at].images?.transposed([0, 2, 3, 1]) else {
        preconditionFailure("a place without rows or images")
      }
      places[tensor.index]?[at].rows = rows
      return rows
    }
    set { places[tensor.index] = [Place(shape: tensor.shape, rows: newValue)] }
  }

  /// The value in ONNX's axis order: (batch, channels, rows, columns) for a tensor (batch, rows, columns, channels).
  /// Other tensors are not changed.
  package subscript(images tensor: Tensor) -> PortableValue {
    get {
      if let images = turned(tensor) { return images }
      let rows = self[tensor]
      guard tensor.shape.rank == 4, let at = places[tensor.index]?.firstIndex(where: { $0.shape == tensor.shape })
      else {
        return rows
      }
      let images = rows.transposed([0, 3, 1, 2])
      places[tensor.index]?[at].images = images
      return images
    }
    set {
      guard tensor.shape.rank == 4 else { return self[tensor] = newValue }
      places[tensor.index] = [Place(shape: tensor.shape, images: newValue)]
    }
  }

  private func turned(_ tensor: Tensor) -> PortableValue? {
    places[tensor.index]?.first { $0.shape == tensor.shape }?.images
  }

  /// The value as rows of shape (batch, columns).
  package subscript(rows tensor: Tensor) -> PortableValue {
    tensor.shape.rank == 2 ? self[tensor] : self[graph.view(tensor, [tensor.rows, tensor.columns])]
  }

  /// Writes y = f(x) for an elementwise function f, in the current layout of x.
  func map(_ x: Tensor, to y: Tensor, _ f: (PortableValue) -> PortableValue) {
    guard let images = turned(x), x.shape == y.shape else { return self[y] = f(self[x]) }
    self[images: y] = f(images)
  }

  /// A parameter with permuted axes or with another shape. It is stored in that layout as a constant, so that uses need
  /// no transposition.
  func weights(_ tensor: Tensor, order: [Int]? = nil, extents: [Int]? = nil) -> PortableValue {
    guard case .parameter(let offset) = graph.origin(of: tensor) else {
      let value = order.map(self[tensor].transposed) ?? self[tensor]
      return extents.map { writer.node("Reshape", [value, writer.list($0)]) } ?? value
    }
    let (name, values) = parameter(offset)
    let key = "\(name) \(order ?? []) \(extents ?? [])"
    if let known = weights[key] { return known }
    let memory = tensor.shape.dimensions, order = order ?? Array(memory.indices)
    // A parameter that is used in two layouts becomes two constants with different names.
    let isTaken = writer.graph.constants.contains { $0.name == name }
    let value = writer.constant(
      isTaken ? key : name, extents ?? order.map { memory[$0] }, permuted(values, memory, order))
    weights[key] = value
    return value
  }

  private func value(of tensor: Tensor) -> PortableValue {
    switch graph.origin(of: tensor) {
    case .parameter: return weights(tensor)
    case .constant(let value): return writer.list([value])
    case .input, .recorded:
      preconditionFailure("the translation of a graph reads a value \(tensor.shape) that is neither computed nor given")
    }
  }
}

/// Returns values with their axes permuted.
func permuted(_ values: UnsafePointer<Float>, _ extents: [Int], _ order: [Int]) -> [Float] {
  let count = extents.reduce(1, *)
  guard order != Array(extents.indices) else { return Array(UnsafeBufferPointer(start: values, count: count)) }
  return [Float](unsafeUninitializedCapacity: count) { target, filled in
    walk(extents, strides: rowMajorStrides(extents), order: order) { i, place in
      target.initializeElement(at: i, to: values[place])
    }
    filled = count
  }
}
