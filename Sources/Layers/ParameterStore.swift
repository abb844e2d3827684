import Autograd
import Kernels

/// A tensor of the model that persists between steps: its name, shape and position in the flat buffers.
package struct Parameter: Sendable {
  /// How a training step changes the parameter.
  package enum Role: Sendable {
    /// The optimiser changes it according to its gradient.
    case learned
    /// A rule changes it, based on sums over the samples of the step.
    case statistic(StatisticRule)
  }

  package let name: String
  package let shape: Shape
  package fileprivate(set) var offset: Int
  package let role: Role
  /// The layout in files; nil if it is the layout in memory.
  package let layout: TorchLayout?
  package var range: Range<Int> { offset..<offset + shape.count }
  package var isLearned: Bool { if case .learned = role { true } else { false } }
  /// The shape in files.
  package var fileShape: [Int] { layout?.shape ?? shape.dimensions }
}

/// The initial values of a parameter.
package enum Initialization: Sendable {
  case zeros
  case constant(Float)
  /// U(-bound, bound). The draws depend only on the seed and the parameter's name.
  case uniform(Float)
  /// N(mean, deviation^2). The draws depend only on the seed and the parameter's name.
  case normal(mean: Float, deviation: Float)
  /// Values computed from the training data, such as samples that initialise pseudo-inputs. A new run computes them
  /// once before its first step (`ParameterStore.fillFromData`). Until then the values are 0. A checkpoint or model
  /// file replaces them.
  case fromData
}

/// All parameters in one flat buffer. The learned parameters come first, in the order in which they were first
/// recorded. The statistics follow in the same kind of order.
///
/// Parameters are declared while the first graph is recorded. `allocate` then fixes the layout. Because of the flat
/// buffer, a checkpoint is one block of memory, an exchange is a range of it, clipping needs one norm, and Adam is one
/// loop over the learned parameters.
package final class ParameterStore {
  private var learned: [Parameter] = []
  /// The statistics. Their offsets are relative to the first statistic.
  private var statistics: [Parameter] = []
  /// The statistics with their offsets in the flat buffer. Set when the layout is fixed.
  private(set) var statisticsInPlace: [Parameter] = []
  /// Number of values of all learned parameters, and of all statistics.
  package private(set) var learnedCount = 0
  package private(set) var statisticCount = 0
  package var count: Int { learnedCount + statisticCount }
  private var initializations: [String: Initialization] = [:]
  private var buffer: UnsafeMutablePointer<Float>?

  package init() {}
  private var ownsBuffer = true
  deinit { if ownsBuffer { buffer?.deallocate() } }

  /// The flat buffer of all values. (count)
  package var values: UnsafeMutablePointer<Float> {
    guard let buffer else { preconditionFailure("parameters used before they were allocated") }
    return buffer
  }

  /// All parameters in the order of the flat buffer.
  package var parameters: [Parameter] { learned + statistics.map(placed) }

  private func placed(_ statistic: Parameter) -> Parameter {
    var parameter = statistic
    parameter.offset += learnedCount
    return parameter
  }

  /// Declares a learned parameter, or returns the existing one of this name, because several graphs may record the same
  /// model.
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

  /// Declares a statistic, or finds the existing one of this name. Returns its offset among the statistics. Their
  /// position in the flat buffer is known only after all parameters are declared.
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

  /// The name of the parameter at an offset in the flat buffer.
  package func name(at offset: Int) -> String {
    parameters.first { $0.range.contains(offset) }?.name ?? "at \(offset)"
  }

  /// Ends declaration, allocates memory and sets initial values. The values depend only on the seed and the names, and
  /// not on the order of declaration.
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

  /// Sets the values of all parameters that are initialised from the training data. All ranks must receive the same
  /// values.
  ///
  /// - provider: returns the values of a parameter, as many as it has and in its memory layout.
  package func fillFromData(_ provider: (Parameter) throws(Failure) -> [Float]) throws(Failure) {
    for parameter in parameters {
      guard case .fromData = initializations[parameter.name] else { continue }
      let given = try provider(parameter)
      precondition(
        given.count == parameter.shape.count, "\(given.count) values for \(parameter.name) \(parameter.shape)")
      (values + parameter.offset).update(from: given, count: given.count)
    }
  }

  /// Moves the values to `memory`, which must outlive the store. Call it before the first graph is recorded.
  ///
  /// - copies: whether to copy the current values there.
  package func move(to memory: UnsafeMutablePointer<Float>, copies: Bool) {
    if copies { memory.update(from: values, count: count) }
    if ownsBuffer { buffer?.deallocate() }
    buffer = memory
    ownsBuffer = false
  }

  /// Number of floats that are stored in another layout in files.
  package var turnedCount: Int { parameters.reduce(0) { $0 + ($1.layout == nil ? 0 : $1.shape.count) } }

  /// SHA-256 of the bytes of all parameters in order, as "sha256:...". `other`: values to use instead of the store's,
  /// in the same layout.
  package func digest(of other: UnsafePointer<Float>? = nil) -> String {
    let hash = SHA256()
    hash.update(
      UnsafeRawBufferPointer(start: other ?? UnsafePointer(values), count: count * MemoryLayout<Float>.stride))
    return "sha256:" + hash.finish()
  }
}

/// A prefix of parameter names during recording. For example, `encoder` / `0` / `weight` gives the name
/// `encoder.0.weight`.
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

  /// Declares a learned parameter of this scope, or returns the existing one, and adds it to the graph.
  package func parameter(
    _ name: String, _ shape: Shape, _ initialization: Initialization, layout: TorchLayout? = nil
  ) -> Tensor {
    let declared = store.declare(self[name].path, shape, initialization, layout: layout)
    return graph.parameter(shape, offset: declared.offset)
  }

  /// Declares a parameter that `rule` changes after each step, based on what operations add to the graph's `sums(of:)`.
  package func statistic(
    _ name: String, _ shape: Shape, _ initialization: Initialization, _ rule: StatisticRule
  ) -> Tensor {
    let offset = store.declareStatistic(self[name].path, shape, initialization, rule)
    return graph.statistic(shape, offset: offset) { [store] in store.learnedCount }
  }
}
