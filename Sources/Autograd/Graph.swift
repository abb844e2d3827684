import Kernels

/// A computation graph that is recorded once for one microbatch and then replayed.
///
/// Recording checks shapes and connects gradients. `finalize` places all tensors in one arena. `forward` and `backward`
/// then execute the list of operations: they allocate nothing, and each operation is one call.
package final class Graph {
  /// Number of samples of a microbatch. It is the first dimension of every tensor that is not a parameter.
  package let batch: Int
  package let recordsGradients: Bool

  enum Place {
    case arena
    case parameter(offset: Int)
    /// Statistics follow the learned parameters in the parameter buffer.
    case statistic(offset: Int)
  }
  struct Entry {
    let shape: Shape
    let place: Place
    /// Whether the values depend on the samples of the microbatch. If not, they depend only on parameters and
    /// constants.
    let dependsOnSamples: Bool
    var needsGradient: Bool
  }
  var entries: [Entry] = []
  var inputs: Set<Int> = []
  private var parameterTensors: [Int: Tensor] = [:]  // by offset: one tensor per parameter, however often it is used
  private var parameterIndices: [(index: Int, offset: Int)] = []
  /// For each offset among the statistics: the statistic, and the tensor into which backward adds its sums.
  private var statistics: [Int: (value: Tensor, sums: Tensor)] = [:]
  /// Returns the start of the statistics in the flat parameter buffer. It is known only after all parameters are
  /// declared.
  private var statisticsStart: () -> Int = { 0 }
  package private(set) var operations: [any Operation] = []
  private var labels: [String] = []
  private var backwardOrder: [Int] = []
  /// For each operation of `backwardOrder`: after the operation, the gradients of all parameters from this offset on
  /// are final.
  private var finalFrom: [Int] = []
  private var constants: [(index: Int, value: Float)] = []

  private var valueTable: UnsafeMutablePointer<UnsafeMutablePointer<Float>>?
  private var gradientTable: UnsafeMutablePointer<Memory.Gradient>?
  private var arena: UnsafeMutablePointer<Float>?
  var keptTensors: Set<Int> = []
  var droppedTensors: Set<Int> = []
  /// The last forward replay. Backward differentiates this replay.
  var replay = Replay.deterministic
  private var drawsNoise = false
  /// Whether `redraw` will be called. If so, the tensors that it reads are kept. Set this before `finalize`.
  package var redraws = false
  var drawn: [Int] = []
  /// Receives the time of each operation; nil if times are not measured.
  package var times: OperationTimes?
  /// Name of the layer that is being recorded, for messages.
  package var scopeName = ""

  package init(batch: Int, recordsGradients: Bool = true) {
    precondition(batch > 0, "graph for a batch of \(batch)")
    self.batch = batch
    self.recordsGradients = recordsGradients
  }

  deinit {
    valueTable?.deallocate()
    gradientTable?.deallocate()
    arena?.deallocate()
  }

  // MARK: Recording

  /// Records an input, which the caller fills before each replay.
  package func input(_ shape: Shape, needsGradient: Bool = false) -> Tensor {
    let tensor = add(shape, .arena, needsGradient: needsGradient && recordsGradients, dependsOnSamples: true)
    inputs.insert(tensor.index)
    return tensor
  }

  /// Returns the parameter at `offset` of the flat parameter buffer.
  package func parameter(_ shape: Shape, offset: Int) -> Tensor {
    if let known = parameterTensors[offset] {
      precondition(known.shape == shape, "parameter at \(offset) recorded as \(known.shape) and as \(shape)")
      return known
    }
    let tensor = add(shape, .parameter(offset: offset), needsGradient: recordsGradients, dependsOnSamples: false)
    parameterTensors[offset] = tensor
    parameterIndices.append((tensor.index, offset))
    return tensor
  }

  /// Returns a statistic: a parameter that is not changed by gradients. `offset` is its position among the statistics,
  /// which follow all learned parameters.
  ///
  /// Operations read its value and compute no gradient for it. They add their contributions of a step to `sums(of:)`.
  ///
  /// - start: returns the start of the statistics in the flat parameter buffer; called when the graph is finalized.
  package func statistic(_ shape: Shape, offset: Int, from start: @escaping () -> Int) -> Tensor {
    if let known = statistics[offset] {
      precondition(known.value.shape == shape, "statistic at \(offset) recorded as \(known.value.shape) and \(shape)")
      return known.value
    }
    statisticsStart = start
    let value = add(shape, .statistic(offset: offset), needsGradient: false, dependsOnSamples: false)
    let sums = add(shape, .statistic(offset: offset), needsGradient: recordsGradients, dependsOnSamples: true)
    statistics[offset] = (value, sums)
    return value
  }

  /// Returns an output for operations that sum over the samples of the microbatch, for a statistic, in backward.
  ///
  /// The operation adds the sums to `Memory.gradient` of this tensor, which is at the statistic's position in the
  /// gradient buffer. Like gradients, the sums are then added over all microbatches of a step.
  package func sums(of statistic: Tensor) -> Tensor {
    guard case .statistic(let offset) = entries[statistic.index].place, let known = statistics[offset] else {
      preconditionFailure("sums of \(statistic.shape), which is not a statistic")
    }
    return known.sums
  }

  /// Allocates the output of an operation. It needs a gradient if one of the operation's inputs needs one.
  package func output(_ shape: Shape, of inputs: [Tensor]) -> Tensor {
    add(
      shape, .arena, needsGradient: recordsGradients && inputs.contains { entries[$0.index].needsGradient },
      dependsOnSamples: inputs.contains { entries[$0.index].dependsOnSamples })
  }

  /// A constant tensor with the same value in every element.
  package func constant(_ value: Float, _ shape: Shape = [1]) -> Tensor {
    let tensor = add(shape, .arena, needsGradient: false, dependsOnSamples: false)
    constants.append((tensor.index, value))
    return tensor
  }

  /// Returns a view with another shape. It shares values and gradient with `tensor`.
  package func view(_ tensor: Tensor, _ shape: Shape) -> Tensor {
    precondition(shape.count == tensor.count, "\(tensor.shape) cannot be viewed as \(shape)")
    return Tensor(index: tensor.index, shape: shape)
  }

  /// Views rows of pixels as images. (batch, rows * columns * channels) -> (batch, rows, columns, channels)
  package func view(_ tensor: Tensor, as image: ImageShape) -> Tensor {
    view(tensor, [tensor.rows, image.rows, image.columns, image.channels])
  }

  /// Allocates a tensor that is not differentiated, for values that forward keeps for backward and for random draws.
  package func scratch(_ shape: Shape) -> Tensor { add(shape, .arena, needsGradient: false, dependsOnSamples: true) }

  /// Appends an operation to the graph.
  package func record(_ operation: some Operation) {
    precondition(valueTable == nil, "recording \(type(of: operation).name) into a finalized graph")
    operations.append(operation)
    let name = type(of: operation).name
    labels.append(scopeName.isEmpty ? name : "\(scopeName) (\(name))")
  }

  package func needsGradient(_ tensor: Tensor) -> Bool { entries[tensor.index].needsGradient }

  /// Traps if the tensor needs a gradient. Operations call this for inputs that they do not differentiate.
  func requireConstant(_ tensor: Tensor, _ role: String) {
    precondition(
      !needsGradient(tensor), "\(role) \(tensor.shape) would need a gradient, and the operation computes none for it")
  }

  /// Traps if a tensor that depends on samples has a first dimension that is not a multiple of the batch size. A
  /// multiple occurs if a sample has several rows. Tensors that depend only on parameters, such as pseudo-inputs, may
  /// have any number of rows.
  func requireRowsOfSamples(_ tensor: Tensor, _ name: String) {
    precondition(
      tensor.shape.rank > 0 && (tensor.rows % batch == 0 || !entries[tensor.index].dependsOnSamples),
      "\(name) \(scopeName): \(tensor.shape) in a graph for \(batch) samples")
  }

  /// Traps unless the tensor has exactly one row per sample. Noise requires this because each row is keyed by its
  /// sample.
  func requireOneRowPerSample(_ tensor: Tensor, _ name: String) {
    precondition(
      tensor.shape.rank > 0 && tensor.rows == batch,
      "\(name) \(scopeName): noise for \(tensor.shape) in a graph for \(batch) samples")
  }

  private func add(_ shape: Shape, _ place: Place, needsGradient: Bool, dependsOnSamples: Bool) -> Tensor {
    precondition(valueTable == nil, "a tensor \(shape) added to a finalized graph")
    entries.append(
      Entry(shape: shape, place: place, dependsOnSamples: dependsOnSamples, needsGradient: needsGradient))
    return Tensor(index: entries.count - 1, shape: shape)
  }

  // MARK: Placement

  /// Marks tensors that the caller reads after a replay. Their memory is not reused.
  package func keep(_ tensors: [Tensor]) { keptTensors.formUnion(tensors.map(\.index)) }

  /// Removes operations, and their tensors, on which no kept tensor depends.
  package func dropUnneeded() {
    var needed = keptTensors
    let kept = operations.indices.reversed().filter { i in
      guard operations[i].outputs.contains(where: { needed.contains($0.index) }) else { return false }
      needed.formUnion(operations[i].inputs.map(\.index))
      return true
    }
    func tensors(_ operation: any Operation) -> [Int] {
      (operation.outputs + operation.kept + operation.workspace).map(\.index)
    }
    droppedTensors = Set(operations.flatMap(tensors)).subtracting(kept.flatMap { tensors(operations[$0]) })
    (operations, labels) = (kept.reversed().map { operations[$0] }, kept.reversed().map { labels[$0] })
  }

  /// Ends the recording. Places all tensors in the arena, and makes parameters refer to `parameters`.
  package func finalize(parameters: UnsafeMutablePointer<Float>) {
    precondition(valueTable == nil, "the graph was finalized twice")
    for operation in operations { operation.prepare() }
    if redraws {
      precondition(!recordsGradients, "a graph with gradients cannot make further draws")
      drawn = drawnOperations
      keep(drawFrontier)
    }
    drawsNoise = operations.contains { $0 is any NoiseOperation }
    backwardOrder = backwardOperations
    let start = statisticsStart()
    for (offset, statistic) in statistics { parameterIndices.append((statistic.sums.index, start + offset)) }
    let (plan, valuePlaces, gradientPlaces) = planMemory()
    let arena = Buffer.allocate(Float.self, count: plan.count)
    let values = UnsafeMutablePointer<UnsafeMutablePointer<Float>>.allocate(capacity: max(entries.count, 1))
    let gradients = UnsafeMutablePointer<Memory.Gradient>.allocate(capacity: max(entries.count, 1))
    for (i, entry) in entries.enumerated() {
      switch entry.place {
      case .arena: values.advanced(by: i).initialize(to: arena + plan.offsets[valuePlaces[i]!])
      case .parameter(let offset): values.advanced(by: i).initialize(to: parameters + offset)
      case .statistic(let offset): values.advanced(by: i).initialize(to: parameters + start + offset)
      }
      gradients.advanced(by: i).initialize(
        to: Memory.Gradient(base: gradientPlaces[i].map { arena + plan.offsets[$0] }))
    }
    for constant in constants {
      values[constant.index].update(repeating: constant.value, count: entries[constant.index].shape.count)
    }
    self.arena = arena
    valueTable = values
    gradientTable = gradients
    findFinal()
  }

  var backwardOperations: [Int] {
    operations.indices.reversed().filter { operations[$0].outputs.contains(where: needsGradient) }
  }

  /// A parameter's gradient is final after the last backward operation that has the parameter as an input. The sums for
  /// a statistic are final after the last operation that has them as an output.
  private func findFinal() {
    var last = [Int: Int]()
    for (place, index) in backwardOrder.enumerated() {
      for tensor in operations[index].inputs + operations[index].outputs { last[tensor.index] = place }
    }
    finalFrom = backwardOrder.indices.map { place in
      // A parameter that no operation uses is zeroed at the end of backward.
      let pending = parameterIndices.filter { last[$0.index] ?? .max > place }
      return pending.map { $0.offset + entries[$0.index].shape.count }.max() ?? 0
    }
  }

  /// Makes an input refer to the caller's memory, so that its values need not be copied.
  package func point(_ input: Tensor, to values: UnsafeMutablePointer<Float>) {
    guard let valueTable, inputs.contains(input.index) else {
      preconditionFailure("tensor \(input.shape) is not an input of a finalized graph")
    }
    valueTable[input.index] = values
  }

  /// Size of the arena in bytes: values and their gradients. It is known during recording, before memory is allocated.
  package var arenaBytes: Int { planMemory().plan.count * MemoryLayout<Float>.stride }
  /// `arenaBytes` plus the tables of the operations.
  package var bytes: Int { arenaBytes + operations.reduce(0) { $0 + $1.tableBytes } }

  /// The recorded operations in order: layer name, output shape, and multiply-adds of a microbatch.
  package var layers: [(label: String, shape: Shape, multiplyAdds: Int)] {
    zip(labels, operations).map { ($0, $1.outputs[0].shape, $1.multiplyAdds) }
  }

  /// The source of a tensor's values: a parameter, a constant, an input that the caller fills, or a recorded operation.
  package enum Origin {
    case parameter(offset: Int)
    case constant(Float)
    case input
    case recorded
  }

  package func origin(of tensor: Tensor) -> Origin {
    switch entries[tensor.index].place {
    case .parameter(let offset): return .parameter(offset: offset)
    case .statistic(let offset): return .parameter(offset: statisticsStart() + offset)
    case .arena: break
    }
    if inputs.contains(tensor.index) { return .input }
    return constants.first { $0.index == tensor.index }.map { .constant($0.value) } ?? .recorded
  }

  /// The name of an operation in messages.
  package func label(_ operation: Int) -> String { labels[operation] }

  // MARK: Replay

  var memory: Memory {
    guard let valueTable, let gradientTable else {
      preconditionFailure("the graph was replayed before it was finalized")
    }
    return Memory(values: valueTable, gradients: gradientTable, replay: replay)
  }

  package subscript(_ tensor: Tensor) -> UnsafeMutablePointer<Float> { memory[tensor] }
  /// The values of a tensor that only some graphs have.
  package subscript(_ tensor: Tensor?) -> UnsafeMutablePointer<Float>? { tensor.map { memory[$0] } }
  /// The gradient of a tensor after a backward replay; nil if the tensor has none.
  package func gradient(_ tensor: Tensor) -> UnsafeMutablePointer<Float>? { memory.gradient(tensor) }

  /// Computes all values of a graph that has no noise operations. Noise that is passed as an input is used with full
  /// scale.
  package func forward() {
    precondition(!drawsNoise, "a graph that draws noise is replayed without samples: forward(_:) takes a Replay")
    forward(.undrawn)
  }

  /// Computes all values. A subsequent backward replay uses the same samples and noise.
  package func forward(_ replay: Replay) {
    self.replay = replay
    let memory = memory
    times?.begin()
    for (index, operation) in operations.enumerated() {
      operation.forward(memory)
      times?.mark(index)
    }
  }

  /// Writes d(sum_i seed[i] root[i]) / d(parameter) to `gradients`, in the layout of the parameters. Call it at most
  /// once after each `forward`, because gradients reuse the memory of values.
  ///
  /// - finished: called after each operation with the offset from which on all gradients are final.
  package func backward(
    from root: Tensor, seed: UnsafePointer<Float>, gradients: UnsafeMutablePointer<Float>,
    finished: (_ from: Int) -> Void = { _ in }
  ) {
    guard let gradientTable else { preconditionFailure("the graph was replayed before it was finalized") }
    for index in entries.indices { gradientTable[index].isWritten = false }
    for (index, offset) in parameterIndices { gradientTable[index].base = gradients + offset }
    let memory = memory
    guard let start = memory.product(into: root)?.base else {
      preconditionFailure("the objective depends on no parameter")
    }
    start.update(from: seed, count: root.count)
    times?.begin()
    for (place, index) in backwardOrder.enumerated() {
      operations[index].backward(memory)
      times?.mark(index)
      finished(finalFrom[place])
    }
    // A parameter that no operation uses gets gradient 0 instead of old contents of the buffer.
    for (index, _) in parameterIndices { _ = memory.gradient(tensor(index)) }
  }

  /// Executes only the matrix products of a forward and a backward replay, for timing. The values are meaningless
  /// afterwards.
  package func replayProducts(gradients: UnsafeMutablePointer<Float>) {
    let memory = memory
    guard let gradientTable else { return }
    for (index, offset) in parameterIndices { gradientTable[index].base = gradients + offset }
    times?.begin()
    for (index, operation) in operations.enumerated() {
      operation.products(memory)
      times?.mark(index)
    }
  }

  // MARK: Diagnosis

  /// Returns the first operation with a non-finite output, and the affected rows. Call it after a forward replay.
  package func firstNonFinite(
    inputs: [Tensor], parameterName: (Int) -> String = { "at \($0)" }
  ) -> (label: String, rows: [Int])? {
    func rows(_ tensor: Tensor) -> [Int] {
      guard tensor.rows == batch else { return vd_all_finite(self[tensor], tensor.count) == 0 ? [0] : [] }
      return (0..<batch).filter { vd_all_finite(self[tensor] + $0 * tensor.columns, tensor.columns) == 0 }
    }
    for input in inputs where !rows(input).isEmpty { return ("input data", rows(input)) }
    for (index, offset) in parameterIndices where vd_all_finite(self[tensor(index)], tensor(index).count) == 0 {
      return ("parameter \(parameterName(offset))", [])
    }
    for (index, operation) in operations.enumerated() {
      let bad = Set(operation.outputs.flatMap(rows)).sorted()
      if !bad.isEmpty { return (labels[index], bad) }
    }
    return nil
  }

  private func tensor(_ index: Int) -> Tensor { Tensor(index: index, shape: entries[index].shape) }
}
