import Glibc
import Kernels

/// An array of float64 numbers in row-major order. Flags are 0 and 1.
package struct PortableArray: Sendable, Equatable {
  package var extents: [Int]
  package var numbers: [Double]

  package init(_ extents: [Int], _ numbers: [Double]) {
    precondition(numbers.count == extents.reduce(1, *), "\(numbers.count) numbers for an array of \(extents)")
    (self.extents, self.numbers) = (extents, numbers)
  }

  package var strides: [Int] { rowMajorStrides(extents) }

  /// The numbers of elements before an axis, along it, and after it.
  func around(_ axis: Int) -> (outer: Int, own: Int, inner: Int) {
    let axis = axis < 0 ? axis + extents.count : axis
    return (extents[..<axis].reduce(1, *), extents[axis], extents[(axis + 1)...].reduce(1, *))
  }
}

/// Evaluates a portable graph in float64, operator by operator, as the ONNX specification defines them. It is slow, but
/// it shares no code with the kernels of the program and can therefore verify an exported graph.
package struct PortableInterpreter {
  private let graph: PortableGraph
  private let constants: [String: PortableArray]

  package init(_ graph: PortableGraph) {
    self.graph = graph
    constants = Dictionary(
      graph.constants.map { constant in
        switch constant.numbers {
        case .floats(let values): (constant.name, PortableArray(constant.extents, values.map(Double.init)))
        case .integers(let values): (constant.name, PortableArray(constant.extents, values.map(Double.init)))
        }
      }, uniquingKeysWith: { first, _ in first })
  }

  /// Evaluates the graph.
  ///
  /// - inputs: arrays by name. Returns the outputs by name.
  package func run(_ inputs: [String: PortableArray]) throws(Failure) -> [String: PortableArray] {
    var values = inputs, last: [String: Int] = [:]
    for (i, node) in graph.nodes.enumerated() { for name in node.inputs { last[name] = i } }
    let kept = Set(graph.outputs.map(\.name))
    for (i, node) in graph.nodes.enumerated() {
      var arguments: [PortableArray?] = []
      for name in node.inputs {
        guard name.isEmpty || values[name] ?? constants[name] != nil else {
          throw Failure(.badData, "the graph's \(node.operation) reads \"\(name)\", which no node before it computes")
        }
        arguments.append(values[name] ?? constants[name])
      }
      values[node.output] = try PortableOperator(node: node, inputs: arguments).result()
      Activity.advance()
      for name in node.inputs where last[name] == i && !kept.contains(name) { values[name] = nil }
    }
    return values.filter { kept.contains($0.key) }
  }
}

/// The evaluation of one operator.
struct PortableOperator {
  let node: PortableGraph.Node
  let inputs: [PortableArray?]

  func result() throws(Failure) -> PortableArray {
    if let f = Self.functions[node.operation] {
      let x = try input(0)
      return PortableArray(x.extents, x.numbers.map(f))
    }
    if let f = Self.pairs[node.operation] { return try combine(input(0), input(1), f) }
    guard let f = Self.others[node.operation] else { throw fault("is not an operator that this program knows") }
    return try f(self)()
  }

  func input(_ n: Int) throws(Failure) -> PortableArray {
    guard n < inputs.count, let array = inputs[n] else { throw fault("has no input \(n)") }
    return array
  }

  func list(_ n: Int) throws(Failure) -> [Int] { try input(n).numbers.map { Int($0) } }

  func integer(_ name: String, _ otherwise: Int) -> Int {
    if case .integer(let value) = node.attributes[name] { value } else { otherwise }
  }

  func integers(_ name: String) throws(Failure) -> [Int] {
    guard case .integers(let values) = node.attributes[name] else { throw fault("has no \(name)") }
    return values
  }

  func float(_ name: String, _ otherwise: Double) -> Double {
    if case .float(let value) = node.attributes[name] { Double(value) } else { otherwise }
  }

  func fault(_ text: String) -> Failure {
    Failure(.badData, "\(node.operation), which makes \"\(node.output)\", \(text)", hint: "export the model again")
  }

  private static let functions: [String: @Sendable (Double) -> Double] = [
    "Identity": { $0 }, "IsNaN": { $0.isNaN ? 1 : 0 }, "Abs": { abs($0) }, "Neg": { -$0 }, "Exp": { exp($0) },
    "Log": { log($0) },
    "Relu": { max($0, 0) }, "Tanh": { tanh($0) }, "Sigmoid": { 1 / (1 + exp(-$0)) },
    "Softplus": { max($0, 0) + log1p(exp(-abs($0))) },
  ]

  private static let pairs: [String: @Sendable (Double, Double) -> Double] = [
    "Add": { $0 + $1 }, "Sub": { $0 - $1 }, "Mul": { $0 * $1 }, "Div": { $0 / $1 }, "Max": { max($0, $1) },
    "Less": { $0 < $1 ? 1 : 0 }, "Greater": { $0 > $1 ? 1 : 0 },
  ]

  private typealias Maker = @Sendable (PortableOperator) -> () throws(Failure) -> PortableArray
  private static let others: [String: Maker] = [
    "LeakyRelu": { $0.leakyRelu }, "Elu": { $0.elu }, "Clip": { $0.clip }, "Where": { $0.choose }, "Gemm": { $0.gemm },
    "Reshape": { $0.reshape }, "Transpose": { $0.transpose }, "Concat": { $0.concatenate }, "Slice": { $0.slice },
    "Gather": { $0.gather },
    "ReduceSum": { $0.sum }, "ReduceLogSumExp": { $0.logSum }, "Softmax": { $0.softmax },
    "InstanceNormalization": { $0.instanceNorm }, "LayerNormalization": { $0.layerNorm }, "Conv": { $0.convolution },
    "ConvTranspose": { $0.transposedConvolution }, "AveragePool": { $0.averagePool },
    "DepthToSpace": { $0.depthToSpace }, "Resize": { $0.resize },
  ]

  /// Applies f elementwise to two arrays with ONNX broadcasting.
  func combine(_ a: PortableArray, _ b: PortableArray, _ f: (Double, Double) -> Double) throws(Failure) -> PortableArray
  {
    if a.extents == b.extents { return PortableArray(a.extents, zip(a.numbers, b.numbers).map(f)) }
    let rank = max(a.extents.count, b.extents.count)
    func padded(_ extents: [Int]) -> [Int] { Array(repeating: 1, count: rank - extents.count) + extents }
    let (x, y) = (PortableArray(padded(a.extents), a.numbers), PortableArray(padded(b.extents), b.numbers))
    guard zip(x.extents, y.extents).allSatisfy({ $0 == $1 || $0 == 1 || $1 == 1 }) else {
      throw fault("has inputs of \(a.extents) and \(b.extents)")
    }
    let extents = zip(x.extents, y.extents).map { max($0, $1) }
    func steps(_ array: PortableArray) -> [Int] {
      zip(array.strides, array.extents).map { $1 == 1 ? 0 : $0 }
    }
    let (left, right) = (steps(x), steps(y))
    var at = [Int](repeating: 0, count: rank), i = 0, j = 0
    let numbers = (0..<extents.reduce(1, *)).map { _ in
      defer {
        for axis in extents.indices.reversed() {
          at[axis] += 1
          i += left[axis]
          j += right[axis]
          if at[axis] < extents[axis] { break }
          i -= at[axis] * left[axis]
          j -= at[axis] * right[axis]
          at[axis] = 0
        }
      }
      return f(x.numbers[i], y.numbers[j])
    }
    return PortableArray(extents, numbers)
  }
}

extension PortableOperator {
  func leakyRelu() throws(Failure) -> PortableArray {
    let x = try input(0), alpha = float("alpha", 0.01)
    return PortableArray(x.extents, x.numbers.map { $0 > 0 ? $0 : alpha * $0 })
  }

  func elu() throws(Failure) -> PortableArray {
    let x = try input(0), alpha = float("alpha", 1)
    return PortableArray(x.extents, x.numbers.map { $0 > 0 ? $0 : alpha * expm1($0) })
  }

  func clip() throws(Failure) -> PortableArray {
    func bound(_ n: Int, _ otherwise: Double) -> Double {
      n < inputs.count ? inputs[n]?.numbers[0] ?? otherwise : otherwise
    }
    let x = try input(0), low = bound(1, -.infinity), high = bound(2, .infinity)
    return PortableArray(x.extents, x.numbers.map { min(max($0, low), high) })
  }

  func choose() throws(Failure) -> PortableArray {
    let flags = try input(0)
    // The value that is not chosen may be NaN. Multiplying it by 0 would keep the NaN.
    let first = try combine(flags, input(1)) { $0 != 0 ? $1 : 0 }
    let second = try combine(flags, input(2)) { $0 != 0 ? 0 : $1 }
    return try combine(first, second, +)
  }

  /// x W^T + b
  func gemm() throws(Failure) -> PortableArray {
    let x = try input(0), weight = try input(1), bias = try input(2)
    guard integer("transB", 0) == 1, x.extents.count == 2, weight.extents.count == 2, x.extents[1] == weight.extents[1],
      bias.numbers.count == weight.extents[0]
    else { throw fault("has inputs of \(x.extents), \(weight.extents) and \(bias.extents)") }
    let (rows, outputs, width) = (x.extents[0], weight.extents[0], x.extents[1])
    var y: [Double] = []
    y.reserveCapacity(rows * outputs)
    x.numbers.withUnsafeBufferPointer { x in
      weight.numbers.withUnsafeBufferPointer { weight in
        for row in 0..<rows {
          for output in 0..<outputs {
            var sum = bias.numbers[output]
            for k in 0..<width { sum += x[row * width + k] * weight[output * width + k] }
            y.append(sum)
          }
        }
      }
    }
    return PortableArray([rows, outputs], y)
  }

  func reshape() throws(Failure) -> PortableArray {
    let x = try input(0)
    var extents = try list(1)
    for (axis, extent) in extents.enumerated() where extent == 0 && axis < x.extents.count {
      extents[axis] = x.extents[axis]
    }
    let known = extents.filter { $0 >= 0 }.reduce(1, *)
    if let open = extents.firstIndex(of: -1), known > 0 { extents[open] = x.numbers.count / known }
    guard extents.reduce(1, *) == x.numbers.count else { throw fault("cannot reshape \(x.extents) to \(extents)") }
    return PortableArray(extents, x.numbers)
  }

  func transpose() throws(Failure) -> PortableArray {
    let x = try input(0), order = try integers("perm")
    guard order.sorted() == Array(x.extents.indices) else { throw fault("cannot transpose \(x.extents) by \(order)") }
    let extents = order.map { x.extents[$0] }, strides = order.map { x.strides[$0] }
    var at = [Int](repeating: 0, count: extents.count), place = 0
    let numbers = x.numbers.indices.map { _ in
      defer {
        for axis in extents.indices.reversed() {
          at[axis] += 1
          place += strides[axis]
          if at[axis] < extents[axis] { break }
          place -= at[axis] * strides[axis]
          at[axis] = 0
        }
      }
      return x.numbers[place]
    }
    return PortableArray(extents, numbers)
  }

  func concatenate() throws(Failure) -> PortableArray {
    var parts: [PortableArray] = []
    for n in inputs.indices { parts.append(try input(n)) }
    let axis = integer("axis", 0)
    guard parts.allSatisfy({ $0.extents.count > axis && $0.around(axis).outer == parts[0].around(axis).outer }) else {
      throw fault("has inputs of \(parts.map(\.extents))")
    }
    var extents = parts[0].extents
    extents[axis] = parts.reduce(0) { $0 + $1.extents[axis] }
    let numbers = (0..<parts[0].around(axis).outer).flatMap { row in
      parts.flatMap { part in
        let (_, own, inner) = part.around(axis)
        return part.numbers[row * own * inner..<(row + 1) * own * inner]
      }
    }
    return PortableArray(extents, numbers)
  }

  /// Slices along one axis.
  func slice() throws(Failure) -> PortableArray {
    let x = try input(0), from = try list(1), to = try list(2), axes = try list(3)
    guard axes.count == 1, x.extents.indices.contains(axes[0]), 0 <= from[0], from[0] < to[0],
      to[0] <= x.extents[axes[0]]
    else { throw fault("cannot take \(from) to \(to) of axis \(axes) of \(x.extents)") }
    let (outer, own, inner) = x.around(axes[0])
    var extents = x.extents
    extents[axes[0]] = to[0] - from[0]
    let numbers: [Double] = (0..<outer).flatMap { row in
      let start = (row * own + from[0]) * inner, end = (row * own + to[0]) * inner
      return x.numbers[start..<end]
    }
    return PortableArray(extents, numbers)
  }

  /// Selects indices along one axis.
  func gather() throws(Failure) -> PortableArray {
    let x = try input(0), places = try list(1), axis = integer("axis", 0)
    guard x.extents.indices.contains(axis), places.allSatisfy((0..<x.extents[axis]).contains) else {
      throw fault("cannot take \(places) of axis \(axis) of \(x.extents)")
    }
    let (outer, own, inner) = x.around(axis)
    var extents = x.extents
    extents[axis] = places.count
    var numbers: [Double] = []
    for row in 0..<outer {
      for place in places.map({ (row * own + $0) * inner }) { numbers += x.numbers[place..<place + inner] }
    }
    return PortableArray(extents, numbers)
  }

  func sum() throws(Failure) -> PortableArray { try reduce(list(1)) { $0.reduce(0, +) } }

  func logSum() throws(Failure) -> PortableArray {
    try reduce(integers("axes")) { values in
      let top = values.max() ?? 0
      return top + log(values.reduce(0) { $0 + exp($1 - top) })
    }
  }

  /// Reduces over adjacent axes.
  private func reduce(_ axes: [Int], _ f: ([Double]) -> Double) throws(Failure) -> PortableArray {
    let x = try input(0)
    guard let low = axes.min(), let high = axes.max(), high - low == axes.count - 1, low >= 0, high < x.extents.count
    else { throw fault("cannot reduce \(x.extents) over \(axes)") }
    let outer = x.extents[..<low].reduce(1, *), own = x.extents[low...high].reduce(1, *)
    let inner = x.extents[(high + 1)...].reduce(1, *)
    let numbers = (0..<outer * inner).map { i in
      f((0..<own).map { x.numbers[(i / inner * own + $0) * inner + i % inner] })
    }
    let between = integer("keepdims", 1) == 1 ? axes.map { _ in 1 } : []
    return PortableArray(Array(x.extents[..<low]) + between + Array(x.extents[(high + 1)...]), numbers)
  }

  func softmax() throws(Failure) -> PortableArray {
    var x = try input(0)
    let (outer, own, inner) = x.around(integer("axis", -1))
    for i in 0..<outer * inner {
      let places = (0..<own).map { (i / inner * own + $0) * inner + i % inner }
      let top = places.map { x.numbers[$0] }.max() ?? 0
      let total = places.reduce(0) { $0 + exp(x.numbers[$1] - top) }
      for place in places { x.numbers[place] = exp(x.numbers[place] - top) / total }
    }
    return x
  }
}
