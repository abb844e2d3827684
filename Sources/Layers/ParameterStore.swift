import Autograd
import Kernels

/// A tensor that belongs to a model: its name, its shape, and its place in the flat buffers.
package struct Parameter: Sendable {
  /// How a step changes it.
  package enum Role: Sendable {
    /// By the optimiser, along its gradient.
    case learned
    /// By a rule of its own, from sums over the samples of the step.
    case statistic(StatisticRule)
  }

  package let name: String
  package let shape: Shape
  package fileprivate(set) var offset: Int
  package let role: Role
  /// nil: in files as in memory.
  package let layout: TorchLayout?
  package var range: Range<Int> { offset..<offset + shape.count }
  package var isLearned: Bool { if case .learned = role { true } else { false } }
  /// In files.
  package var fileShape: [Int] { layout?.shape ?? shape.dimensions }
}

/// How a parameter starts.
package enum Initialization: Sendable {
  case zeros
  case constant(Float)
  /// U(-bound, bound), drawn from the seed and the parameter's name alone.
  case uniform(Float)
  /// N(mean, deviation^2), drawn from the seed and the parameter's name alone.
  case normal(mean: Float, deviation: Float)
  /// Values that the training data gives, such as samples that pseudo-inputs begin as. A run that begins asks for them
  /// once, before its first step (`ParameterStore.fillFromData`); until then, and where a file brings the values, 0.
  case fromData
}

/// All parameters in one flat buffer: the learned ones in the order of their first recording, and the statistics, in
/// theirs, behind them.
///
/// Declared while the first graph is recorded; `allocate` then fixes the layout. A checkpoint is the buffer, an
/// exchange is a range of it, clipping is one norm, Adam is one loop over what is learned.
package final class ParameterStore {
  private var learned: [Parameter] = []
  /// Offsets count from the first statistic.
  private var statistics: [Parameter] = []
  /// Once the layout is fixed: the statistics with their offsets in the flat buffer.
  private(set) var statisticsInPlace: [Parameter] = []
  /// Of the learned parameters, and of the statistics behind them.
  package private(set) var learnedCount = 0
  package private(set) var statisticCount = 0
  package var count: Int { learnedCount + statisticCount }
  private var initializations: [String: Initialization] = [:]
  private var buffer: UnsafeMutablePointer<Float>?

  package init() {}
  private var ownsBuffer = true
  deinit { if ownsBuffer { buffer?.deallocate() } }

  /// The flat values. (count)
  package var values: UnsafeMutablePointer<Float> {
    guard let buffer else { preconditionFailure("parameters used before they were allocated") }
    return buffer
  }

  /// In the order of the flat buffer.
  package var parameters: [Parameter] { learned + statistics.map(placed) }

  private func placed(_ statistic: Parameter) -> Parameter {
    var parameter = statistic
    parameter.offset += learnedCount
    return parameter
  }

  /// Declares a learned parameter, or finds the one of this name: several graphs may record the same model.
  package func declare(
    _ name: String, _ shape: Shape, _ initialization: Initialization, layout: TorchLayout? = nil
  ) -> Parameter {
    if let known = known(name, shape, isLearned: true) { return known }
    let parameter = Parameter(name: name, shape: shape, offset: learnedCount, role: .learned, layout: layout)
    learned.append(parameter)
    initializations[name] = initialization
    learnedCount += shape.count
    return parameter
  }

  /// Declares a statistic, or finds the one of this name. Returns its offset among the statistics, whose place in the
  /// flat buffer is known when all parameters are.
  package func declareStatistic(
    _ name: String, _ shape: Shape, _ initialization: Initialization, _ rule: StatisticRule
  ) -> Int {
    if let known = known(name, shape, isLearned: false) { return known.offset }
    let offset = statisticCount
    statistics.append(Parameter(name: name, shape: shape, offset: offset, role: .statistic(rule), layout: nil))
    initializations[name] = initialization
    statisticCount += shape.count
    return offset
  }

  private func known(_ name: String, _ shape: Shape, isLearned: Bool) -> Parameter? {
    guard initializations[name] != nil else {
      precondition(buffer == nil, "parameter \(name) declared after the store was allocated")
      return nil
    }
    let found = (isLearned ? learned : statistics).first { $0.name == name }
    guard let found, found.shape == shape else {
      preconditionFailure("parameter \(name) declared with another shape than \(shape), or in another role")
    }
    return found
  }

  package subscript(name: String) -> Parameter? { parameters.first { $0.name == name } }

  /// The name of the parameter at an offset of the flat buffer.
  package func name(at offset: Int) -> String {
    parameters.first { $0.range.contains(offset) }?.name ?? "at \(offset)"
  }

  /// Ends declaration and sets initial values; the same seed and names give the same bits, in any order.
  package func allocate(seed: UInt64) {
    precondition(buffer == nil, "parameters allocated twice")
    let values = Buffer.allocate(Float.self, count: count)
    for parameter in parameters {
      guard let initialization = initializations[parameter.name] else { continue }
      let start = values + parameter.offset
      let generator = KeyedGenerator(seed: seed, stream: "parameter " + parameter.name)
      var sample: UInt64 = 0
      switch initialization {
      case .zeros, .fromData: break
      case .constant(let value): start.update(repeating: value, count: parameter.shape.count)
      case .uniform(let bound):
        generator.uniform(into: start, samples: &sample, rows: 1, columns: parameter.shape.count, epoch: 0)
        for i in 0..<parameter.shape.count { start[i] = (2 * start[i] - 1) * bound }
      case .normal(let mean, let deviation):
        generator.normal(into: start, samples: &sample, rows: 1, columns: parameter.shape.count, epoch: 0)
        for i in 0..<parameter.shape.count { start[i] = mean + deviation * start[i] }
      }
    }
    statisticsInPlace = statistics.map(placed)
    buffer = values
  }

  /// Asks for the values of every parameter that the training data initialises; all ranks have to be given the same.
  ///
  /// - provider: gives as many values as the parameter has, laid out as in memory.
  package func fillFromData(_ provider: (Parameter) throws(Failure) -> [Float]) throws(Failure) {
    for parameter in parameters {
      guard case .fromData = initializations[parameter.name] else { continue }
      let given = try provider(parameter)
      precondition(
        given.count == parameter.shape.count, "\(given.count) values for \(parameter.name) \(parameter.shape)")
      (values + parameter.offset).update(from: given, count: given.count)
    }
  }

  /// The values live in `memory` from here on, which outlives the store; `copies`: whether they have to be brought there.
  /// Before the first graph is recorded.
  package func move(to memory: UnsafeMutablePointer<Float>, copies: Bool) {
    if copies { memory.update(from: values, count: count) }
    if ownsBuffer { buffer?.deallocate() }
    buffer = memory
    ownsBuffer = false
  }

  /// Floats that have to be laid out anew to be written to a file.
  package var turnedCount: Int { parameters.reduce(0) { $0 + ($1.layout == nil ? 0 : $1.shape.count) } }

  /// SHA-256 over the bytes of all parameters, in order: "sha256:..."; or of other values laid out as they are.
  package func digest(of other: UnsafePointer<Float>? = nil) -> String {
    let hash = SHA256()
    hash.update(
      UnsafeRawBufferPointer(start: other ?? UnsafePointer(values), count: count * MemoryLayout<Float>.stride))
    return "sha256:" + hash.finish()
  }
}

/// A place in the tree of names while a graph is recorded: `encoder` / `0` / `weight` becomes `encoder.0.weight`.
package struct ParameterScope {
  package let graph: Graph
  package let store: ParameterStore
  package let path: String

  package init(graph: Graph, store: ParameterStore, path: String = "") {
    self.graph = graph
    self.store = store
    self.path = path
  }

  package subscript(_ name: String) -> ParameterScope {
    ParameterScope(graph: graph, store: store, path: path.isEmpty ? name : "\(path).\(name)")
  }

  package func parameter(
    _ name: String, _ shape: Shape, _ initialization: Initialization, layout: TorchLayout? = nil
  ) -> Tensor {
    let declared = store.declare(self[name].path, shape, initialization, layout: layout)
    return graph.parameter(shape, offset: declared.offset)
  }

  /// A parameter that `rule` changes after each step, from what operations add to the graph's `sums(of:)` it.
  package func statistic(
    _ name: String, _ shape: Shape, _ initialization: Initialization, _ rule: StatisticRule
  ) -> Tensor {
    let offset = store.declareStatistic(self[name].path, shape, initialization, rule)
    return graph.statistic(shape, offset: offset) { [store] in store.learnedCount }
  }
}
