import Autograd
import Kernels
import Layers

/// Prints portable graphs as methods of a `torch.nn.Module`. Parameters have the names and layout that they have in
/// files.
final class TorchProgram {
  private let parameters: [Parameter]
  /// For each value in the store's buffer, its index within its parameter in a file, stored as the bits of a float.
  /// Graphs read these instead of the values, which shows the order in which a graph reads a parameter.
  private let places: Buffer
  /// Constants with more than one element. They become buffers of the module.
  private var constants: [PortableGraph.Constant] = []

  init(over store: ParameterStore) {
    parameters = store.parameters
    places = Buffer(count: store.count)
    for parameter in parameters {
      let inFile = (0..<parameter.shape.count).map { Float(bitPattern: UInt32($0)) }
      let memory = places.base + parameter.offset
      if let layout = parameter.layout {
        layout.read(inFile, to: memory)
      } else {
        memory.update(from: inFile, count: inFile.count)
      }
    }
  }

  /// The values that a graph reads in place of the parameter at an offset.
  func places(at offset: Int) -> UnsafePointer<Float> { UnsafePointer(places.base + offset) }

  /// Entries of the Python dictionary of parameters: name and shape.
  var parameterLines: String {
    parameters.map { "    \"\($0.name)\": \($0.fileShape)," }.joined(separator: "\n")
  }

  /// The constants used by the methods printed so far, as lines of `__init__`.
  var constantLines: String {
    constants.enumerated().map { i, constant in
      guard case .floats(let numbers) = constant.numbers else { preconditionFailure("a buffer of integers") }
      let text = "torch.tensor([\(numbers.map(Self.number).joined(separator: ", "))]).reshape(\(constant.extents))"
      return "        self.register_buffer(\"constant\(i)\", \(text), persistent=False)\n"
    }.joined()
  }

  /// A method that computes a graph, indented for use in a class.
  func method(_ name: String, _ graph: PortableGraph, about: String) throws(Failure) -> String {
    var expressions = Dictionary(uniqueKeysWithValues: graph.inputs.map { ($0.name, $0.name) })
    var integers: [String: [Int]] = [:]
    for constant in graph.constants {
      switch constant.numbers {
      case .integers(let numbers): integers[constant.name] = numbers
      case .floats(let numbers): expressions[constant.name] = try expression(of: constant, numbers)
      }
    }
    var lines: [String] = []
    for node in graph.nodes {
      let arguments = node.inputs.map {
        TorchOperator.Argument(text: expressions[$0] ?? "None", integers: integers[$0])
      }
      let operation = TorchOperator(node: node, arguments: arguments, constants: graph.constants)
      if node.operation == "Identity" {
        expressions[node.output] = operation[0]
        continue
      }
      guard let text = TorchOperator.texts[node.operation]?(operation) else {
        throw Failure(
          .badConfiguration, "the operator \(node.operation) has no translation to PyTorch", hint: "use --format onnx")
      }
      let variable = "v\(lines.count)"
      lines.append("\(variable) = \(text)")
      expressions[node.output] = variable
    }
    lines.append("return " + graph.outputs.map { expressions[$0.name] ?? $0.name }.joined(separator: ", "))
    let inputs = graph.inputs.map(\.name).joined(separator: ", ")
    if lines.contains(where: { $0.contains("parameter(") }) { lines.insert("parameter = self.get_parameter", at: 0) }
    return "    def \(name)(self, \(inputs)):  # \(about)\n" + lines.map { "        \($0)\n" }.joined()
  }

  /// The Python expression of a constant: a named parameter, a number or a buffer.
  private func expression(of constant: PortableGraph.Constant, _ numbers: [Float]) throws(Failure) -> String {
    // The name of a constant that reads a parameter again is followed by its order and extents.
    let name = String(constant.name.prefix { $0 != " " })
    if let parameter = parameters.first(where: { $0.name == name }) {
      let text = "parameter(\"\(name)\")", isAsInFile = numbers.indices.allSatisfy { numbers[$0].bitPattern == $0 }
      if isAsInFile { return parameter.fileShape == constant.extents ? text : text + ".reshape(\(constant.extents))" }
      let inMemory = places(at: parameter.offset)
      guard let layout = parameter.layout,
        numbers.indices.allSatisfy({ numbers[$0].bitPattern == inMemory[$0].bitPattern })
      else {
        throw Failure(
          .badConfiguration, "the parameter \(name) is read in an order that a PyTorch module cannot express",
          hint: "use --format onnx")
      }
      return layout.inMemory(text) + ".reshape(\(constant.extents))"
    }
    if constant.extents.isEmpty { return Self.number(numbers[0]) }
    let place = constants.firstIndex { $0.extents == constant.extents && $0.numbers == constant.numbers }
    if place == nil { constants.append(constant) }
    return "self.constant\(place ?? constants.count - 1)"
  }

  static func number(_ value: Float) -> String { value.isFinite ? "\(value)" : "float(\"\(value)\")" }
}

/// One operator and its translation to PyTorch.
struct TorchOperator {
  struct Argument {
    let text: String
    /// The values if the argument is a list of integers.
    let integers: [Int]?
  }

  let node: PortableGraph.Node
  let arguments: [Argument]
  let constants: [PortableGraph.Constant]

  /// The Python expression of an argument.
  subscript(_ n: Int) -> String { n < arguments.count ? arguments[n].text : "None" }

  private func integers(_ n: Int) -> [Int] { arguments[n].integers ?? [] }

  /// The Python text of an attribute. Lists become tuples.
  private func attribute(_ name: String, _ otherwise: String = "") -> String {
    switch node.attributes[name] {
    case .integer(let value): "\(value)"
    case .integers(let values): Self.tuple(values)
    case .float(let value): "\(value)"
    case .text(let value): value
    case nil: otherwise
    }
  }

  private func flag(_ name: String, _ otherwise: Bool) -> String {
    attribute(name, otherwise ? "1" : "0") == "1" ? "True" : "False"
  }

  private static func tuple(_ values: [Int]) -> String { "(" + values.map { "\($0), " }.joined() + ")" }

  /// The padding, which is the same on every side for all windows.
  private var padding: String {
    if case .integers(let pads) = node.attributes["pads"] { "\(pads[0])" } else { "0" }
  }

  /// The target extents of a reshape. An extent of 0 keeps that of the input.
  private var extents: String {
    integers(1).enumerated().map { $1 == 0 ? "\(self[0]).shape[\($0)]" : "\($1)" }.joined(separator: ", ")
  }

  private func indices(_ axis: Int, _ last: String) -> String {
    String(repeating: ":, ", count: axis) + last
  }

  /// Integer scale factors of rows and columns.
  private var factors: String {
    guard let constant = constants.first(where: { $0.name == node.inputs[2] }),
      case .floats(let numbers) = constant.numbers
    else { return "None" }
    return Self.tuple(numbers.dropFirst(2).map { Int($0) })
  }

  typealias Text = @Sendable (TorchOperator) -> String

  private static func call(_ function: String) -> Text { { "\(function)(\($0[0]))" } }
  private static func infix(_ symbol: String) -> Text { { "\($0[0]) \(symbol) \($0[1])" } }

  static let texts: [String: Text] = [
    "IsNaN": call("torch.isnan"), "Abs": call("torch.abs"), "Neg": { "-\($0[0])" }, "Exp": call("torch.exp"),
    "Log": call("torch.log"), "Relu": call("torch.relu"), "Tanh": call("torch.tanh"),
    "Sigmoid": call("torch.sigmoid"), "Softplus": call("F.softplus"),
    "Add": infix("+"), "Sub": infix("-"), "Mul": infix("*"), "Div": infix("/"), "Less": infix("<"),
    "Greater": infix(">"),
    "Max": { "torch.clamp(\($0[0]), min=\($0[1]))" },
    "LeakyRelu": { "F.leaky_relu(\($0[0]), \($0.attribute("alpha", "0.01")))" },
    "Elu": { "F.elu(\($0[0]), \($0.attribute("alpha", "1.0")))" },
    "Clip": { "torch.clamp(\($0[0]), min=\($0[1]), max=\($0[2]))" },
    "Where": { "torch.where(\($0[0]), \($0[1]), \($0[2]))" },
    "Gemm": { "F.linear(\($0[0]), \($0[1]), \($0[2]))" },
    "Reshape": { "\($0[0]).reshape(\($0.extents))" },
    "Transpose": { "\($0[0]).permute\($0.attribute("perm"))" },
    "Concat": {
      "torch.cat([\($0.arguments.map(\.text).joined(separator: ", "))], \($0.attribute("axis", "0")))"
    },
    "Slice": { "\($0[0])[\($0.indices($0.integers(3)[0], "\($0.integers(1)[0]):\($0.integers(2)[0])"))]" },
    "Gather": {
      "\($0[0])[\($0.indices(Int($0.attribute("axis", "0")) ?? 0, "\($0.integers(1))"))]"
    },
    "ReduceSum": { "\($0[0]).sum(\(tuple($0.integers(1))), keepdim=\($0.flag("keepdims", true)))" },
    "ReduceLogSumExp": {
      "torch.logsumexp(\($0[0]), \($0.attribute("axes")), keepdim=\($0.flag("keepdims", true)))"
    },
    "Softmax": { "torch.softmax(\($0[0]), \($0.attribute("axis", "-1")))" },
    "InstanceNormalization": {
      "F.instance_norm(\($0[0]), weight=\($0[1]), bias=\($0[2]), eps=\($0.attribute("epsilon", "1e-5")))"
    },
    "LayerNormalization": {
      "F.layer_norm(\($0[0]), \($0[0]).shape[-1:], \($0[1]), \($0[2]), \($0.attribute("epsilon", "1e-5")))"
    },
    "Conv": {
      "F.conv2d(\($0[0]), \($0[1]), \($0[2]), \($0.attribute("strides", "1")), \($0.padding), "
        + "groups=\($0.attribute("group", "1")))"
    },
    "ConvTranspose": {
      "F.conv_transpose2d(\($0[0]), \($0[1]), \($0[2]), \($0.attribute("strides", "1")), \($0.padding), "
        + "\($0.attribute("output_padding", "0")), groups=\($0.attribute("group", "1")))"
    },
    "AveragePool": {
      "F.avg_pool2d(\($0[0]), \($0.attribute("kernel_shape")), \($0.attribute("strides", "1")), \($0.padding), "
        + "count_include_pad=\($0.flag("count_include_pad", false)))"
    },
    "DepthToSpace": { "F.pixel_shuffle(\($0[0]), \($0.attribute("blocksize")))" },
    "Resize": { "F.interpolate(\($0[0]), scale_factor=\($0.factors))" },
  ]
}

extension TorchLayout {
  /// The Python expression that converts a parameter from the layout of files to the layout in memory.
  fileprivate func inMemory(_ text: String) -> String {
    let inFile = order.map { extents[$0] }, back = extents.indices.map { axis in order.firstIndex(of: axis) ?? axis }
    func turned(_ text: String) -> String { "\(text).reshape(\(inFile)).permute(\(back))" }
    guard tail > 0 else { return turned(text) }
    let rows = "\(text).reshape(\(extents[0]), -1)"
    return "torch.cat([\(turned(rows + "[:, :-\(tail)]")).reshape(\(extents[0]), -1), \(rows)[:, -\(tail):]], 1)"
  }
}
