import Autograd
import Foundation
import Kernels
import Testing

/// An operation under test: what is recorded, and the same function in double precision.
struct OpCase: Sendable, CustomTestStringConvertible {
  enum Role: Sendable {
    case data, input, parameter, statistic
    var hasGradient: Bool { self == .input || self == .parameter }
  }
  struct Leaf: Sendable {
    let role: Role
    let shape: [Int]
    let values: [Float]
    var count: Int { values.count }
  }

  let name: String
  let batch: Int
  let leaves: [Leaf]
  let record: @Sendable (Graph, [Tensor]) -> Tensor
  /// Values of the leaves -> values of the root.
  let reference: @Sendable ([[Double]]) -> [Double]
  var testDescription: String { name }

  // The samples of every replay of the cases.
  static let seed: UInt64 = 11
  static let attempt = 1
  static let epoch: UInt32 = 5
  static func samples(_ batch: Int) -> [UInt64] { (0..<UInt64(batch)).map { $0 &* 0x1_0000_0007 } }

  /// The numbers that a replay draws from a stream. (batch, columns)
  static func drawn(_ stream: String, batch: Int, columns: Int, normal: Bool) -> [Float] {
    let generator = KeyedGenerator(seed: seed, stream: stream, attempt: attempt)
    var values = [Float](repeating: 0, count: batch * columns)
    let samples = samples(batch)
    if normal {
      generator.normal(into: &values, samples: samples, rows: batch, columns: columns, epoch: epoch)
    } else {
      generator.uniform(into: &values, samples: samples, rows: batch, columns: columns, epoch: epoch)
    }
    return values
  }
}

// MARK: Leaves

/// Fixed values between about -2 and 2. They are not within 0.01 of 0, where some functions have a kink.
func values(_ count: Int, salt: Int, scale: Float = 1) -> [Float] {
  (0..<count).map { i in
    let x = sin(Double(i) * 12.9898 + Double(salt) * 78.233) * 43758.5453
    let unit = x - x.rounded(.down)  // [0, 1)
    return scale * Float(unit < 0.5 ? 4 * unit - 2 - 0.01 : 4 * unit - 2 + 0.01)
  }
}

func leaf(_ role: OpCase.Role, _ shape: [Int], salt: Int = 0, scale: Float = 1) -> OpCase.Leaf {
  OpCase.Leaf(role: role, shape: shape, values: values(shape.reduce(1, *), salt: salt, scale: scale))
}

func leaf(_ role: OpCase.Role, _ shape: [Int], _ values: [Float]) -> OpCase.Leaf {
  OpCase.Leaf(role: role, shape: shape, values: values)
}

// MARK: References

private func sigmoid(_ x: Double) -> Double { x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)) }
private func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

func activation(_ f: Activation, _ x: Double) -> Double {
  switch f {
  case .identity: x
  case .relu: max(x, 0)
  case .leakyReLU: x > 0 ? x : Double(Float(0.01)) * x
  case .elu: x > 0 ? x : expm1(x)
  case .tanh: tanh(x)
  case .sigmoid: sigmoid(x)
  case .softplus: softplus(x)
  case .silu: x * sigmoid(x)
  case .gelu: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
  }
}

private func rows(_ x: [Double], _ count: Int) -> [[Double]] {
  let columns = x.count / count
  return (0..<count).map { Array(x[$0 * columns..<($0 + 1) * columns]) }
}

private func linear(_ x: [Double], _ weight: [Double], _ bias: [Double], batch: Int, _ f: Activation) -> [Double] {
  rows(x, batch).flatMap { row in
    zip(rows(weight, bias.count), bias).map { w, b in activation(f, zip(row, w).reduce(b) { $0 + $1.0 * $1.1 }) }
  }
}

private let shapes: [[Int]] = [[1, 1], [3, 5], [7, 17], [5, 33]]

// MARK: The table

/// Every operation has at least one case here. A test compares the cases with the files in Sources/Autograd/Ops.
let opCases: [OpCase] =
  activationCases + linearCases + shapeCases + limitCases + dropoutCases + noiseCases + divergenceCases
  + likelihoodCases + sharingCases + convolutionCases + valueLikelihoodCases + mixtureCases + similarityCases
  + normalizationCases + resamplingCases + aggregateCases + tableCases + priorCases + statisticCases

private let activationCases: [OpCase] = Activation.allCases.flatMap { f in
  shapes.map { shape in
    OpCase(
      name: "activate \(f.rawValue) \(shape)", batch: shape[0], leaves: [leaf(.input, shape, salt: 1, scale: 2)],
      record: { $0.activate($1[0], f) }, reference: { $0[0].map { activation(f, $0) } })
  }
}

private func linearCase(_ shape: [Int], to outputs: Int, _ f: Activation, _ role: OpCase.Role) -> OpCase {
  OpCase(
    name: "linear \(shape) to \(outputs) \(f.rawValue), x is \(role)", batch: shape[0],
    leaves: [
      leaf(role, shape, salt: 2), leaf(.parameter, [outputs, shape[1]], salt: 3, scale: 0.5),
      leaf(.parameter, [outputs], salt: 4),
    ],
    record: { $0.linear($1[0], weight: $1[1], bias: $1[2], activation: f) },
    reference: { linear($0[0], $0[1], $0[2], batch: shape[0], f) })
}

private let linearCases: [OpCase] =
  zip(shapes, [1, 4, 9, 3]).flatMap { shape, outputs in
    Activation.allCases.map { linearCase(shape, to: outputs, $0, .input) }
  } + [linearCase([7, 17], to: 9, .relu, .data), linearCase([5, 33], to: 1, .gelu, .data), severalRows]

/// Three samples of two rows each, and the two rows of a sample next to each other.
private let severalRows = OpCase(
  name: "linear of several rows a sample", batch: 3,
  leaves: [
    leaf(.input, [3, 2, 5], salt: 2), leaf(.parameter, [4, 5], salt: 3, scale: 0.5), leaf(.parameter, [4], salt: 4),
    leaf(.parameter, [2, 8], salt: 5), leaf(.parameter, [2], salt: 6),
  ],
  record: { graph, x in
    let rows = graph.linear(graph.view(x[0], [6, 5]), weight: x[1], bias: x[2], activation: .tanh)
    return graph.linear(graph.view(rows, [3, 8]), weight: x[3], bias: x[4])
  },
  reference: { x in
    linear(linear(x[0], x[1], x[2], batch: 6, .tanh), x[3], x[4], batch: 3, .identity)
  })

private let shapeCases: [OpCase] =
  shapes.map { shape in
    OpCase(
      name: "row sum \(shape)", batch: shape[0], leaves: [leaf(.input, shape)], record: { $0.rowSum($1[0]) },
      reference: { rows($0[0], shape[0]).map { $0.reduce(0, +) } })
  } + [
    OpCase(
      name: "concatenate three, one of them data", batch: 3,
      leaves: [leaf(.input, [3, 5], salt: 1), leaf(.data, [3, 1], salt: 2), leaf(.input, [3, 17], salt: 3)],
      record: { $0.concatenate($1) },
      reference: { parts in
        (0..<3).flatMap { row in parts.flatMap { rows($0, 3)[row] } }
      }),
    OpCase(
      name: "concatenate one", batch: 3, leaves: [leaf(.input, [3, 5])], record: { $0.concatenate($1) },
      reference: { $0[0] }),
    OpCase(
      name: "weighted sum of two and data", batch: 5,
      leaves: [
        leaf(.data, [1], [0.3]), leaf(.input, [5, 3], salt: 1), leaf(.input, [5, 3], salt: 2), leaf(.data, [5, 3]),
      ],
      record: { graph, x in
        graph.weightedSum([(x[0], x[1]), (graph.constant(-1.5), x[2]), (graph.constant(2), x[3])])
      },
      reference: { x in (0..<15).map { Double(Float(0.3)) * x[1][$0] - 1.5 * x[2][$0] + 2 * x[3][$0] } }),
  ]

private let limitCases: [OpCase] = shapes.flatMap { shape in
  [
    // There are values on both sides of both limits.
    OpCase(
      name: "clamp \(shape)", batch: shape[0], leaves: [leaf(.input, shape, salt: 5)],
      record: { $0.clamp($1[0], low: -0.7, high: 1.1) },
      reference: { $0[0].map { min(max($0, Double(Float(-0.7))), Double(Float(1.1))) } }),
    OpCase(
      name: "free bits \(shape)", batch: shape[0], leaves: [leaf(.input, shape, salt: 6)],
      record: { $0.freeBits($1[0], floor: $0.constant(0.4)) }, reference: { $0[0].map { max($0, Double(Float(0.4))) } }),
  ]
}

private let dropoutCases: [OpCase] = shapes.flatMap { shape in
  [Float(0), 0.25, 0.8].map { p in
    OpCase(
      name: "dropout \(p) \(shape)", batch: shape[0], leaves: [leaf(.input, shape, salt: 7)],
      record: { $0.dropout($1[0], probability: p, stream: "dropout test") },
      reference: { x in
        let uniforms = OpCase.drawn("dropout test", batch: shape[0], columns: shape[1], normal: false)
        return zip(x[0], uniforms).map { x, u in u < p ? 0 : x / (1 - Double(p)) }
      })
  }
}

private let noiseCases: [OpCase] = shapes.flatMap { shape -> [OpCase] in
  let batch = shape[0], columns = shape[1]
  @Sendable func reference(_ mu: [Double], _ logvar: [Double], _ eps: [Double]) -> [Double] {
    mu.indices.map { mu[$0] + exp(logvar[$0] / 2) * eps[$0] }
  }
  let roles: [(OpCase.Role, OpCase.Role)] = [(.input, .input), (.input, .data), (.data, .input)]
  return roles.map { mu, logvar in
    OpCase(
      name: "reparameterize \(shape), supplied eps, mu is \(mu), logvar is \(logvar)", batch: batch,
      leaves: [leaf(mu, shape, salt: 1), leaf(logvar, shape, salt: 2, scale: 2), leaf(.data, shape, salt: 3)],
      record: { $0.reparameterize(mu: $1[0], logvar: $1[1], eps: $1[2]) },
      reference: { reference($0[0], $0[1], $0[2]) })
  } + [
    OpCase(
      name: "reparameterize \(shape), keyed eps", batch: batch,
      leaves: [leaf(.input, shape, salt: 4), leaf(.input, shape, salt: 5, scale: 2)],
      record: { graph, x in
        graph.reparameterize(mu: x[0], logvar: x[1], eps: graph.standardNormal(columns: columns, stream: "eps"))
      },
      reference: {
        reference($0[0], $0[1], OpCase.drawn("eps", batch: batch, columns: columns, normal: true).map(Double.init))
      })
  ]
}

private let divergenceCases: [OpCase] = shapes.flatMap { shape in
  [(OpCase.Role.input, OpCase.Role.input), (.input, .data), (.data, .input)].map { mu, logvar in
    OpCase(
      name: "Gaussian KL \(shape), mu is \(mu), logvar is \(logvar)", batch: shape[0],
      leaves: [leaf(mu, shape, salt: 1), leaf(logvar, shape, salt: 2, scale: 2)],
      record: { $0.gaussianKL(mu: $1[0], logvar: $1[1]) },
      reference: { x in x[0].indices.map { (expm1(x[1][$0]) - x[1][$0] + x[0][$0] * x[0][$0]) / 2 } })
  }
}

private let likelihoodCases: [OpCase] =
  shapes.flatMap { shape -> [OpCase] in
    let batch = shape[0]
    @Sendable func gaussian(_ x: [Double], _ mean: [Double], _ logSigma: Double) -> [Double] {
      zip(rows(x, batch), rows(mean, batch)).map { x, mean in
        zip(x, mean).reduce(0) {
          $0 + pow($1.0 - $1.1, 2) / (2 * exp(2 * logSigma)) + logSigma + log(2 * Double.pi) / 2
        }
      }
    }
    @Sendable func bernoulli(_ x: [Double], _ logits: [Double]) -> [Double] {
      zip(rows(x, batch), rows(logits, batch)).map { x, l in
        zip(x, l).reduce(0) { $0 + softplus($1.1) - $1.0 * $1.1 }
      }
    }
    let grey = values(shape[0] * shape[1], salt: 9).map { min(max($0 / 4 + 0.5, 0), 1) }
    return [
      OpCase(
        name: "Gaussian \(shape), fixed sigma", batch: batch,
        leaves: [leaf(.data, shape, salt: 1), leaf(.input, shape, salt: 2)],
        record: { graph, x in graph.gaussian(x[0], mean: x[1], logSigma: graph.constant(-0.75)) },
        reference: { gaussian($0[0], $0[1], -0.75) }),
      OpCase(
        name: "Gaussian \(shape), learned sigma", batch: batch,
        leaves: [leaf(.data, shape, salt: 1), leaf(.input, shape, salt: 2), leaf(.parameter, [1], [0.6])],
        record: { graph, x in graph.gaussian(x[0], mean: x[1], logSigma: x[2]) },
        reference: { gaussian($0[0], $0[1], $0[2][0]) }),
      OpCase(
        name: "Gaussian \(shape), only sigma learned", batch: batch,
        leaves: [leaf(.data, shape, salt: 1), leaf(.data, shape, salt: 2), leaf(.parameter, [1], [-1.3])],
        record: { graph, x in graph.gaussian(x[0], mean: x[1], logSigma: x[2]) },
        reference: { gaussian($0[0], $0[1], $0[2][0]) }),
      OpCase(
        name: "Bernoulli \(shape)", batch: batch,
        leaves: [leaf(.data, shape, grey), leaf(.input, shape, salt: 3, scale: 3)],
        record: { graph, x in graph.bernoulli(x[0], logits: x[1]) }, reference: { bernoulli($0[0], $0[1]) }),
      OpCase(
        name: "Bernoulli \(shape), logits up to 80", batch: batch,
        leaves: [leaf(.data, shape, grey), leaf(.input, shape, salt: 4, scale: 40)],
        record: { graph, x in graph.bernoulli(x[0], logits: x[1]) }, reference: { bernoulli($0[0], $0[1]) }),
    ]
  }

private let statisticCases = [
  OpCase(
    name: "linear by a statistic, and column sums for two", batch: 3,
    leaves: [
      leaf(.input, [3, 2, 4], salt: 1), leaf(.statistic, [5, 8], salt: 2), leaf(.parameter, [5], salt: 3),
      leaf(.statistic, [4], salt: 4),
    ],
    record: { graph, x in
      let h = graph.activate(x[0], .tanh)
      graph.addColumnSums(graph.view(h, [6, 4]), to: x[3])
      let y = graph.linear(graph.view(h, [3, 8]), weight: x[1], bias: x[2])
      return graph.activate(y, .sigmoid)
    },
    reference: { x in linear(x[0].map { tanh($0) }, x[1], x[2], batch: 3, .sigmoid) })
]

private let sharingCases: [OpCase] = [
  OpCase(
    name: "one tensor as both terms", batch: 3, leaves: [leaf(.input, [3, 5])],
    record: { graph, x in graph.weightedSum([(graph.constant(2), x[0]), (graph.constant(0.5), x[0])]) },
    reference: { $0[0].map { 2.5 * $0 } }),
  OpCase(
    name: "one tensor beside itself", batch: 3, leaves: [leaf(.input, [3, 5])],
    record: { graph, x in graph.concatenate([x[0], graph.activate(x[0], .tanh), x[0]]) },
    reference: { x in rows(x[0], 3).flatMap { $0 + $0.map { tanh($0) } + $0 } }),
  OpCase(
    name: "one tensor as mu and logvar", batch: 3, leaves: [leaf(.input, [3, 5])],
    record: { graph, x in graph.gaussianKL(mu: x[0], logvar: x[0]) },
    reference: { $0[0].map { (expm1($0) - $0 + $0 * $0) / 2 } }),
  OpCase(
    name: "one layer applied twice", batch: 4,
    leaves: [leaf(.input, [4, 5]), leaf(.parameter, [5, 5], salt: 1, scale: 0.4), leaf(.parameter, [5], salt: 2)],
    record: { graph, x in
      let h = graph.linear(x[0], weight: x[1], bias: x[2], activation: .tanh)
      return graph.linear(h, weight: x[1], bias: x[2], activation: .silu)
    },
    reference: { linear(linear($0[0], $0[1], $0[2], batch: 4, .tanh), $0[1], $0[2], batch: 4, .silu) }),
]
