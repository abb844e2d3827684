/// A model as a list of ONNX operators (opset 17) in execution order. Each operator has one result.
package struct PortableGraph: Sendable, Equatable {
  package var inputs: [Port] = []
  package var outputs: [Port] = []
  package var nodes: [Node] = []
  package var constants: [Constant] = []

  package init() {}

  /// An input or output of the graph: float32 numbers or flags of shape (batch, extents...). The batch size is free.
  package struct Port: Sendable, Equatable {
    package var name: String
    package var extents: [Int]
    package var isFlag = false

    package init(name: String, extents: [Int], isFlag: Bool = false) {
      (self.name, self.extents, self.isFlag) = (name, extents, isFlag)
    }
  }

  /// One ONNX operator with its inputs, its result and its attributes.
  package struct Node: Sendable, Equatable {
    package var operation: String
    /// Names of the inputs. An empty name means that the input is omitted.
    package var inputs: [String]
    package var output: String
    package var attributes: [String: Attribute]

    package init(operation: String, inputs: [String], output: String, attributes: [String: Attribute]) {
      (self.operation, self.inputs, self.output, self.attributes) = (operation, inputs, output, attributes)
    }
  }

  package enum Attribute: Sendable, Equatable {
    case integer(Int)
    case integers([Int])
    case float(Float)
    case text(String)
  }

  /// A constant of the graph: a parameter, or numbers that an operator needs.
  package struct Constant: Sendable, Equatable {
    package var name: String
    /// Shape of the constant; empty for a scalar.
    package var extents: [Int]
    package var numbers: Numbers

    package init(name: String, extents: [Int], numbers: Numbers) {
      precondition(numbers.count == extents.reduce(1, *), "\(name): \(numbers.count) numbers for \(extents)")
      (self.name, self.extents, self.numbers) = (name, extents, numbers)
    }
  }

  package enum Numbers: Sendable, Equatable {
    case floats([Float])
    case integers([Int])

    package var count: Int {
      switch self {
      case .floats(let values): values.count
      case .integers(let values): values.count
      }
    }
  }
}
