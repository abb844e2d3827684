import Training
import Communication
import Kernels
import Layers

/// Speed of the matrix products in a model's step for different numbers of rows in a microbatch. All ranks compute at
/// the same time, so that the effect of shared caches, memory and power is included.
package struct ProductBenchmark: Sendable {
  package enum Kind: String, CaseIterable, Sendable {
    /// y (M, out) = x (M, in) W^T
    case forward
    /// gx (M, in) = gy (M, out) W. The first layer has none, because the gradient of the data is not needed.
    case inputGradient = "input_gradient"
    /// gW (out, in) = gy^T x
    case weightGradient = "weight_gradient"
  }

  /// Shape of a weight matrix.
  package struct Layer: Equatable, Sendable {
    package let inputs: Int
    package let outputs: Int
    package let isFirst: Bool
  }

  /// Speed over all layers of the model in GFLOP/s, for each rank.
  package struct Rate: Sendable {
    package let library: String
    package let rows: Int
    package let kind: Kind
    package let ranks: [Double]
  }

  package static let rows = [8, 16, 32, 64, 128, 256, 512]

  package let layers: [Layer]
  package private(set) var rates: [Rate] = []

  package init(_ store: ParameterStore) {
    layers = store.parameters.filter { $0.shape.rank == 2 }.enumerated().map { index, parameter in
      Layer(inputs: parameter.shape[1], outputs: parameter.shape[0], isFirst: index == 0)
    }
  }

  /// Measures the library in use and, for comparison, OpenBLAS. The library in use is selected again afterwards.
  /// Collective.
  package mutating func run(
    _ setting: Products.Library, threads: Int, _ communicator: Communicator, rows: [Int] = rows
  ) throws(Failure) {
    try measure(rows, communicator)
    guard setting != .openblas, !Products.description.hasPrefix("OpenBLAS") else { return }
    try Products.select(.openblas, threads: threads)
    try measure(rows, communicator)
    try Products.select(setting, threads: threads)
  }

  private mutating func measure(_ rows: [Int], _ communicator: Communicator) throws(Failure) {
    let watch = Stopwatch(communicator), most = rows.max() ?? 1
    let widest = layers.reduce(1) { max($0, $1.inputs, $1.outputs) }
    let x = Buffer(count: most * widest), y = Buffer(count: most * widest)
    let weight = Buffer(count: layers.reduce(1) { max($0, $1.inputs * $1.outputs) })
    // The values have an ordinary size, because zeros or denormals could change the speed.
    for buffer in [x.base, y.base] { for i in 0..<most * widest { buffer[i] = Float(i % 17) / 17 - 0.4 } }
    for i in 0..<weight.count { weight.base[i] = Float(i % 13) / 13 - 0.5 }
    let activity = Activity("timing products of \(Products.description)", of: rows.count * Kind.allCases.count)
    defer { activity.end() }
    for m in rows {
      for kind in Kind.allCases {
        defer { Activity.advance() }
        let layers = layers.filter { kind != .inputGradient || !$0.isFirst }
        guard !layers.isEmpty else { continue }
        let (xs, ys, ws) = (x.base, y.base, weight.base)
        let seconds = try watch.median { () throws(Failure) in
          for layer in layers { ProductBenchmark.product(kind, m, layer, xs, ys, ws) }
        }
        let flops = layers.reduce(0.0) { $0 + 2 * Double(m) * Double($1.inputs) * Double($1.outputs) }
        rates.append(
          Rate(library: Products.description, rows: m, kind: kind, ranks: try watch.all(flops / seconds / 1e9)))
      }
    }
  }

  private static func product(
    _ kind: Kind, _ m: Int, _ layer: Layer, _ x: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    _ weight: UnsafeMutablePointer<Float>
  ) {
    let (inputs, outputs) = (layer.inputs, layer.outputs)
    switch kind {
    case .forward: Products.multiply(m, outputs, inputs, x, weight, transposedB: true, beta: 0, into: y)
    case .inputGradient: Products.multiply(m, inputs, outputs, y, weight, beta: 0, into: x)
    case .weightGradient: Products.multiply(outputs, inputs, m, y, transposedA: true, x, beta: 0, into: weight)
    }
  }
}
