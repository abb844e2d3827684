import Kernels

/// A model recorded once for one microbatch, and replayed.
///
/// Recording checks shapes and wires gradients; `finalize` places every tensor in one arena; `forward` and `backward`
/// then walk the list of operations: no allocation, no dispatch beyond one call per operation.
package final class Graph {
  /// Samples of a microbatch: the first extent of everything that is not a parameter.
  package let batch: Int
  package let recordsGradients: Bool

  enum Place {
    case arena
    case parameter(offset: Int)
    /// Behind the learned parameters.
    case statistic(offset: Int)
  }
  struct Entry {
    let shape: Shape
    let place: Place
    /// Whether its values depend on the samples of the microbatch; otherwise on parameters and constants alone.
    let dependsOnSamples: Bool
    var needsGradient: Bool
  }
  var entries: [Entry] = []
  var inputs: Set<Int> = []
  private var parameterTensors: [Int: Tensor] = [:]  // by offset: one tensor per parameter, however often it is used
  private var parameterIndices: [(index: Int, offset: Int)] = []
  /// By offset among the statistics: what they are, and where backward puts sums for them.
  private var statistics: [Int: (value: Tensor, sums: Tensor)] = [:]
  /// Where statistics begin in the flat parameter buffer, known when all parameters are.
  private var statisticsStart: () -> Int = { 0 }
  package private(set) var operations: [any Operation] = []
  private var labels: [String] = []
  private var backwardOrder: [Int] = []
  /// After each operation of backwardOrder: gradients of all parameters from this offset on are final.
  private var finalFrom: [Int] = []
  private var constants: [(index: Int, value: Float)] = []

  private var valueTable: UnsafeMutablePointer<UnsafeMutablePointer<Float>>?
  private var gradientTable: UnsafeMutablePointer<Memory.Gradient>?
  private var arena: UnsafeMutablePointer<Float>?
  var keptTensors: Set<Int> = []
  var droppedTensors: Set<Int> = []
  /// What the last forward replay was about: backward differentiates that one.
  var replay = Replay.deterministic
  private var drawsNoise = false
  /// Whether `redraw` will be asked: what it reads is then kept. Set before `finalize`.
  package var redraws = false
  var drawn: [Int] = []
  /// Where replays say what each operation took; nil: nobody asks.
  package var times: OperationTimes?
  /// Name of the layer being recorded, for messages.
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

  /// A tensor that the caller fills before each replay.
  package func input(_ shape: Shape, needsGradient: Bool = false) -> Tensor {
    let tensor = add(shape, .arena, needsGradient: needsGradient && recordsGradients, dependsOnSamples: true)
    inputs.insert(tensor.index)
    return tensor
  }

  /// The parameter at `offset` of the flat parameter buffer.
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

  /// A parameter that no gradient changes, at `offset` among the statistics, which lie behind all learned parameters.
  ///
  /// Operations read its value and pass no gradient to it; what a step has to say of it goes to `sums(of:)`.
  /// - start: where statistics begin in the flat parameter buffer, asked for when the graph is finalized.
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

  /// An output for operations whose backward adds sums for a statistic over the samples of the microbatch.
  ///
  /// They are added to `Memory.gradient`, in the gradient buffer at the statistic's place, and are summed over all
  /// microbatches of a step as gradients are.
  package func sums(of statistic: Tensor) -> Tensor {
    guard case .statistic(let offset) = entries[statistic.index].place, let known = statistics[offset] else {
      preconditionFailure("sums of \(statistic.shape), which is no statistic")
    }
    return known.sums
  }

  /// A tensor that an operation will write; it needs a gradient when one of the operation's inputs does.
  package func output(_ shape: Shape, of inputs: [Tensor]) -> Tensor {
    add(
      shape, .arena, needsGradient: recordsGradients && inputs.contains { entries[$0.index].needsGradient },
      dependsOnSamples: inputs.contains { entries[$0.index].dependsOnSamples })
  }

  /// One value at every place, the same in every replay.
  package func constant(_ value: Float, _ shape: Shape = [1]) -> Tensor {
    let tensor = add(shape, .arena, needsGradient: false, dependsOnSamples: false)
    constants.append((tensor.index, value))
    return tensor
  }

  /// The same values and gradient, seen with other extents.
  package func view(_ tensor: Tensor, _ shape: Shape) -> Tensor {
    precondition(shape.count == tensor.count, "\(tensor.shape) seen as \(shape)")
    return Tensor(index: tensor.index, shape: shape)
  }

  /// Rows of pixels seen as images. (batch, rows * columns * channels) -> (batch, rows, columns, channels)
  package func view(_ tensor: Tensor, as image: ImageShape) -> Tensor {
    view(tensor, [tensor.rows, image.rows, image.columns, image.channels])
  }

  /// Values kept from forward for backward, or drawn: never differentiated.
  package func scratch(_ shape: Shape) -> Tensor { add(shape, .arena, needsGradient: false, dependsOnSamples: true) }

  package func record(_ operation: some Operation) {
    precondition(valueTable == nil, "recording \(type(of: operation).name) into a finalized graph")
    operations.append(operation)
    let name = type(of: operation).name
    labels.append(scopeName.isEmpty ? name : "\(scopeName) (\(name))")
  }

  package func needsGradient(_ tensor: Tensor) -> Bool { entries[tensor.index].needsGradient }

  /// Refuses to record an operation over a value that would need a gradient which the operation does not compute.
  func requireConstant(_ tensor: Tensor, _ role: String) {
    precondition(
      !needsGradient(tensor), "\(role) \(tensor.shape) would need a gradient, and the operation computes none for it")
  }

  /// Refuses values of samples whose first extent is not the batch, or a multiple of it where a sample has several rows.
  /// What depends on parameters alone, such as pseudo-inputs, has as many rows as it likes.
  func requireRowsOfSamples(_ tensor: Tensor, _ name: String) {
    precondition(
      tensor.shape.rank > 0 && (tensor.rows % batch == 0 || !entries[tensor.index].dependsOnSamples),
      "\(name) \(scopeName): \(tensor.shape) in a graph for \(batch) samples")
  }

  /// Refuses to draw noise for anything but one row of each sample: rows are keyed by the samples of a replay.
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

  // MARK: Placing

  /// Its values are read after a replay: nothing else takes their place.
  package func keep(_ tensors: [Tensor]) { keptTensors.formUnion(tensors.map(\.index)) }

  /// Forgets operations that nothing kept depends on, with their tensors.
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

  /// Ends recording: places every tensor in the arena and points parameters into `parameters`.
  package func finalize(parameters: UnsafeMutablePointer<Float>) {
    precondition(valueTable == nil, "graph finalized twice")
    for operation in operations { operation.prepare() }
    if redraws {
      precondition(!recordsGradients, "a graph with gradients draws once")
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

  /// A parameter's gradient is final after the last operation of backward that has it as an input, and sums for a
  /// statistic after the last that has them as an output.
  private func findFinal() {
    var last = [Int: Int]()
    for (place, index) in backwardOrder.enumerated() {
      for tensor in operations[index].inputs + operations[index].outputs { last[tensor.index] = place }
    }
    finalFrom = backwardOrder.indices.map { place in
      // A parameter that nothing depends on is zeroed at the end.
      let pending = parameterIndices.filter { last[$0.index] ?? .max > place }
      return pending.map { $0.offset + entries[$0.index].shape.count }.max() ?? 0
    }
  }

  /// Makes an input stand where the caller's values are, so that they need not be copied in.
  package func point(_ input: Tensor, to values: UnsafeMutablePointer<Float>) {
    guard let valueTable, inputs.contains(input.index) else {
      preconditionFailure("tensor \(input.shape) is no input of a finalized graph")
    }
    valueTable[input.index] = values
  }

  /// Bytes of the arena, values and gradients of values; known while recording, before anything is placed.
  package var arenaBytes: Int { planMemory().plan.count * MemoryLayout<Float>.stride }
  /// With what operations read beside tensors.
  package var bytes: Int { arenaBytes + operations.reduce(0) { $0 + $1.tableBytes } }

  /// What was recorded, in order: the layer's name, the extents of what comes out, and products of a microbatch.
  package var layers: [(label: String, shape: Shape, multiplyAdds: Int)] {
    zip(labels, operations).map { ($0, $1.outputs[0].shape, $1.multiplyAdds) }
  }

  /// Where a tensor's values come from: a parameter, a constant, whoever fills the input, or an operation.
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

  /// What an operation is called in messages.
  package func label(_ operation: Int) -> String { labels[operation] }

  // MARK: Replaying

  var memory: Memory {
    guard let valueTable, let gradientTable else { preconditionFailure("graph replayed before it was finalized") }
    return Memory(values: valueTable, gradients: gradientTable, replay: replay)
  }

  package subscript(_ tensor: Tensor) -> UnsafeMutablePointer<Float> { memory[tensor] }
  /// Of a tensor that only some graphs have.
  package subscript(_ tensor: Tensor?) -> UnsafeMutablePointer<Float>? { tensor.map { memory[$0] } }
  package func gradient(_ tensor: Tensor) -> UnsafeMutablePointer<Float>? { memory.gradient(tensor) }

  /// Computes every value of a graph in which no operation draws noise; noise that is an input counts in full.
  package func forward() {
    precondition(!drawsNoise, "a graph that draws noise is replayed without samples: forward(_:) takes a Replay")
    forward(.undrawn)
  }

  /// Computes every value. A backward replay that follows is about the same samples and the same noise.
  package func forward(_ replay: Replay) {
    self.replay = replay
    let memory = memory
    times?.begin()
    for (index, operation) in operations.enumerated() {
      operation.forward(memory)
      times?.mark(index)
    }
  }

  /// Writes d(sum_i seed[i] root[i]) / d(parameter) to `gradients`, laid out as the parameters are; once after a
  /// forward, because gradients take the memory of values that are no longer needed. After each
  /// operation `finished` is told from which offset on they are final.
  package func backward(
    from root: Tensor, seed: UnsafePointer<Float>, gradients: UnsafeMutablePointer<Float>,
    finished: (_ from: Int) -> Void = { _ in }
  ) {
    guard let gradientTable else { preconditionFailure("graph replayed before it was finalized") }
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
    // A parameter that nothing depends on has gradient 0, not what stood there before.
    for (index, _) in parameterIndices { _ = memory.gradient(tensor(index)) }
  }

  /// The matrix products of a forward and backward replay, and nothing else. Leaves no meaningful values behind.
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

  /// After a forward replay: the first operation with an output that is not finite, and the rows where it is not.
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
