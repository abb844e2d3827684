import Kernels

/// An operation that other programs can be told of: one that a model may contain without noise and dropout.
package protocol PortableOperation: Operation {
  /// Those of the inputs that translate reads.
  func translated(by t: Translation) -> [Tensor]
  /// Says what forward computes outside training, with the posterior's mean where no noise was given for a draw.
  func translate(_ t: Translation)
}

extension PortableOperation {
  package func translated(by t: Translation) -> [Tensor] { inputs }
}

/// A walk over the operations of a recorded graph that writes them as a portable one.
///
/// Images are (rows, columns, channels) here and (channels, rows, columns) there. A value stays as it came out, and is
/// turned where somebody wants it otherwise: between two convolutions nothing is.
package final class Translation {
  package let writer: PortableWriter
  private let graph: Graph
  private let parameter: (_ offset: Int) -> (name: String, values: UnsafePointer<Float>)
  /// As it came out, and what was made of that.
  private var places: [Int: [Place]] = [:]
  private var weights: [String: PortableValue] = [:]

  /// A value with certain extents, in one order of axes or in both.
  private struct Place {
    /// As the program sees it.
    let shape: Shape
    var rows: PortableValue?
    /// Channels before the pixels.
    var images: PortableValue?
  }

  /// - parameter: name and values of the parameter at an offset of the flat buffer.
  package init(
    of graph: Graph, into writer: PortableWriter,
    parameter: @escaping (_ offset: Int) -> (name: String, values: UnsafePointer<Float>)
  ) {
    (self.graph, self.writer, self.parameter) = (graph, writer, parameter)
  }

  /// Writes what `results` depend on, and nothing else; values that the caller gives, of inputs or of any operation,
  /// were set before.
  package func write(_ results: [Tensor]) throws(Failure) {
    var wanted = Set(results.map(\.index)).subtracting(places.keys)
    var chosen: [any PortableOperation] = []
    for (i, operation) in graph.operations.enumerated().reversed() {
      guard operation.outputs.contains(where: { wanted.contains($0.index) }) else { continue }
      guard let operation = operation as? any PortableOperation else {
        throw Failure(
          .badConfiguration, "the operation \"\(graph.label(i))\" has no translation to ONNX",
          hint: "--format safetensors needs none")
      }
      let read = operation.translated(by: self).filter { places[$0.index] == nil }
      let missing = read.first { if case .input = graph.origin(of: $0) { true } else { false } }
      if let missing {
        throw Failure(
          .badConfiguration,
          "\"\(graph.label(i))\" reads something beside the sample, \(missing.shape), which no export has",
          hint: "--format safetensors has the weights")
      }
      chosen.append(operation)
      wanted.formUnion(read.map(\.index))
    }
    for operation in chosen.reversed() { operation.translate(self) }
  }

  // MARK: Values

  /// Whether a value was given or written.
  func has(_ tensor: Tensor) -> Bool { places[tensor.index] != nil }

  /// As the program has it: (batch, ...), channels last.
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
      guard let rows = known[at].images?.transposed([0, 2, 3, 1]) else { preconditionFailure("a place of nothing") }
      places[tensor.index]?[at].rows = rows
      return rows
    }
    set { places[tensor.index] = [Place(shape: tensor.shape, rows: newValue)] }
  }

  /// (batch, channels, rows, columns) of a tensor (batch, rows, columns, channels); others as they are.
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

  /// (batch, columns), whatever its shape.
  package subscript(rows tensor: Tensor) -> PortableValue {
    tensor.shape.rank == 2 ? self[tensor] : self[graph.view(tensor, [tensor.rows, tensor.columns])]
  }

  /// y = f(x), elementwise: in whatever order x is.
  func map(_ x: Tensor, to y: Tensor, _ f: (PortableValue) -> PortableValue) {
    guard let images = turned(x), x.shape == y.shape else { return self[y] = f(self[x]) }
    self[images: y] = f(images)
  }

  /// A parameter with its axes in another order, or seen with other extents: made so, not turned in every use.
  func weights(_ tensor: Tensor, order: [Int]? = nil, extents: [Int]? = nil) -> PortableValue {
    guard case .parameter(let offset) = graph.origin(of: tensor) else {
      let value = order.map(self[tensor].transposed) ?? self[tensor]
      return extents.map { writer.node("Reshape", [value, writer.list($0)]) } ?? value
    }
    let (name, values) = parameter(offset)
    let key = "\(name) \(order ?? []) \(extents ?? [])"
    if let known = weights[key] { return known }
    let memory = tensor.shape.dimensions, order = order ?? Array(memory.indices)
    // Not the name alone where a parameter is used in two ways.
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
      preconditionFailure("a value \(tensor.shape) that nothing wrote and nobody gave, in the translation of a graph")
    }
  }
}

/// Values laid out with their axes in another order.
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
