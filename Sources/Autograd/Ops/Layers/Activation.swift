import Kernels

/// Elementwise activation functions. `Linear` and `Convolution` fuse them; they can also be recorded alone.
package enum Activation: String, CaseIterable, Sendable {
  case identity, relu, leakyReLU = "leaky_relu", elu, tanh, sigmoid, softplus, silu, gelu

  var code: Int32 {
    switch self {
    case .identity: Int32(VD_IDENTITY)
    case .relu: Int32(VD_RELU)
    case .leakyReLU: Int32(VD_LEAKY_RELU)
    case .elu: Int32(VD_ELU)
    case .tanh: Int32(VD_TANH)
    case .sigmoid: Int32(VD_SIGMOID)
    case .softplus: Int32(VD_SOFTPLUS)
    case .silu: Int32(VD_SILU)
    case .gelu: Int32(VD_GELU)
    }
  }

  /// Whether the derivative is computed from the input of the activation. For the other functions it follows from the
  /// output.
  var needsInput: Bool { self == .silu || self == .gelu }
  var needsOutput: Bool { self != .identity && !needsInput }
}

/// y = f(x), elementwise.
struct Activate: Operation {
  static let name = "activation"
  let x, y: Tensor
  let beforeActivation: Tensor?
  let zeroBias: Tensor
  let f: Activation
  var inputs: [Tensor] { [x, zeroBias] }
  var outputs: [Tensor] { [y] }
  var kept: [Tensor] { beforeActivation.map { [$0] } ?? [] }
  var translated: [Tensor] { [x] }

  func forward(_ memory: Memory) {
    memory[y].update(from: memory[x], count: x.count)
    vd_bias_activation(memory[y], beforeActivation.map { memory[$0] }, memory[zeroBias], x.rows, x.columns, f.code)
  }

  func backward(_ memory: Memory) {
    guard let gx = memory.gradient(x), let gy = memory.gradient(y) else { return }
    vd_activation_backward(gy, memory[y], beforeActivation.map { memory[$0] }, x.count, f.code)
    vd_add(gx, gy, x.count)
  }
}

extension Activate: PortableOperation {
  func translate(_ t: Translation) { t.map(x, to: y, f.translate) }
}

extension Activation {
  func translate(_ x: PortableValue) -> PortableValue {
    switch self {
    case .identity: x
    case .relu: x.positive
    case .leakyReLU: x.writer.node("LeakyRelu", [x], ["alpha": .float(0.01)])
    case .elu: x.writer.node("Elu", [x], ["alpha": .float(1)])
    case .tanh: x.tanh
    case .sigmoid: x.sigmoid
    case .softplus: x.softplus
    case .silu: x * x.sigmoid
    case .gelu: 0.5 * x * (1 + (0.7978845608 * (x + 0.044715 * (x * x * x))).tanh)
    }
  }
}

extension Graph {
  /// y = f(x), elementwise. Any shape.
  package func activate(_ x: Tensor, _ f: Activation) -> Tensor {
    guard f != .identity else { return x }
    let y = output(x.shape, of: [x])
    record(
      Activate(
        x: x, y: y, beforeActivation: f.needsInput ? scratch(x.shape) : nil, zeroBias: scratch([x.columns]), f: f))
    return y
  }
}
