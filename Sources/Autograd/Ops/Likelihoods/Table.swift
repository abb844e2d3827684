import Kernels

/// The elements of each column of a table: one for a column of numbers, several (one-hot) for a column of categories.
package struct TableLayout: Sendable, Equatable {
  package let sizes: [Int32]
  package var columns: Int { sizes.reduce(0) { $0 + Int($1) } }
  package var numbers: Int { sizes.count { $0 == 1 } }

  package init(sizes: [Int]) {
    precondition(!sizes.isEmpty && sizes.allSatisfy { $0 > 0 }, "columns of \(sizes) elements")
    self.sizes = sizes.map(Int32.init)
  }
}

/// loss_i = -sum_c log p(x_ic | location_ic) in nats, over the columns c with a present value. Numbers have the
/// distribution N(location, sigma_c^2), and categories have the probabilities softmax(location). x, location
/// (batch, n). raw (numbers), or (1) if all numbers share one sigma, contains log sigma before its soft floor.
struct TableNegativeLogLikelihood: Operation {
  static let name = "likelihood of a table"
  let layout: TableLayout
  let floor: Float
  let x, location, raw, sigma, loss: Tensor
  var inputs: [Tensor] { [x, location, raw] }
  var outputs: [Tensor] { [loss] }
  var kept: [Tensor] { [sigma] }
  private var step: Int { raw.count > 1 ? 1 : 0 }

  func forward(_ memory: Memory) {
    vd_table(
      memory[loss], memory[sigma], memory[location], memory[x], memory[raw], step, floor, layout.sizes,
      layout.sizes.count,
      x.rows, x.columns)
  }

  func backward(_ memory: Memory) {
    guard let g = memory.gradient(loss) else { return }
    vd_table_backward(
      memory.gradient(location), memory.gradient(raw), step, g, memory[sigma], memory[location], memory[x],
      layout.sizes,
      layout.sizes.count, x.rows, x.columns)
  }
}

/// y = location for numbers, and y = softmax(location) for categories. (batch, n)
struct TableMean: Operation {
  static let name = "mean of a table"
  let layout: TableLayout
  let location, y: Tensor
  var inputs: [Tensor] { [location] }
  var outputs: [Tensor] { [y] }
  var readsOutput: Bool { true }

  func forward(_ memory: Memory) {
    vd_table_mean(memory[y], memory[location], layout.sizes, layout.sizes.count, y.rows, y.columns)
  }

  func backward(_ memory: Memory) {
    guard let gy = memory.gradient(y), let glocation = memory.gradient(location) else { return }
    vd_table_mean_backward(glocation, gy, memory[y], layout.sizes, layout.sizes.count, y.rows, y.columns)
  }
}

/// Draws x ~ p(. | location) with noise keyed by sample; not differentiated. (batch, n)
struct TableSample: NoiseOperation {
  static let name = "sample of a table"
  let layout: TableLayout
  let floor: Float
  let location, raw, normals, uniforms, x: Tensor
  let normalStream, uniformStream: UInt64
  var inputs: [Tensor] { [location, raw] }
  var outputs: [Tensor] { [x] }
  var workspace: [Tensor] { [normals, uniforms] }

  func forward(_ memory: Memory) {
    let replay = memory.replay
    KeyedGenerator(seed: replay.seed, streamHash: normalStream, attempt: replay.attempt).normal(
      into: memory[normals], samples: replay.keys, rows: x.rows, columns: x.columns, epoch: replay.epoch)
    KeyedGenerator(seed: replay.seed, streamHash: uniformStream, attempt: replay.attempt).uniform(
      into: memory[uniforms], samples: replay.keys, rows: x.rows, columns: layout.sizes.count, epoch: replay.epoch)
    vd_table_sample(
      memory[x], memory[location], memory[raw], raw.count > 1 ? 1 : 0, floor, memory[normals], memory[uniforms],
      layout.sizes,
      layout.sizes.count, x.rows, x.columns)
  }

  func backward(_ memory: Memory) {}
}

/// y = x with missing values (NaN) replaced by 0; mask = 1 where a value is present, and 0 elsewhere. The input is data
/// and is not differentiated. (batch, n)
struct Observed: Operation {
  static let name = "observed values"
  let x, y: Tensor
  let mask: Tensor?
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { mask.map { [y, $0] } ?? [y] }

  func forward(_ memory: Memory) { vd_observed(memory[y], mask.map { memory[$0] }, memory[x], x.count) }

  func backward(_ memory: Memory) {}
}

extension TableLayout {
  /// Ranges of elements that are processed together: the elements of one category column, or adjacent number columns.
  fileprivate var runs: [(elements: Range<Int>, isCategory: Bool)] {
    sizes.reduce(into: []) { runs, size in
      let first = runs.last?.elements.upperBound ?? 0, elements = first..<first + Int(size)
      guard size == 1, let last = runs.last, !last.isCategory else { return runs.append((elements, size > 1)) }
      runs[runs.count - 1].elements = last.elements.lowerBound..<elements.upperBound
    }
  }
}

extension TableNegativeLogLikelihood: PortableOperation {
  func translate(_ t: Translation) {
    let x = t[rows: x], location = t[rows: location], nothing = t.writer.scalar(0)
    var losses: [PortableValue] = []
    for (elements, _) in layout.runs.filter(\.isCategory) {
      let value = x.slice(elements, axis: 1), logits = location.slice(elements, axis: 1)
      let total = t.writer.node("ReduceLogSumExp", [logits], ["axes": .integers([1]), "keepdims": .integer(0)])
      let isMissing = value.slice(0..<1, axis: 1).reshaped([]).isNoNumber
      losses.append(isMissing.choose(nothing, total - (value * logits).sumOfRow()))
    }
    let numbers = layout.runs.filter { !$0.isCategory }.flatMap(\.elements)
    if !numbers.isEmpty {
      let value = x.columns(numbers), d = location.columns(numbers) - value
      let log = floor == -.infinity ? t[raw] : (t[raw] - floor).softplus + floor
      let loss = 0.5 * (d * d * (log * -2).exp) + (log + halfLog2Pi)
      losses.append(value.isNoNumber.choose(nothing, loss).sumOfRow())
    }
    t[self.loss] = losses.dropFirst().reduce(losses[0], +)
  }
}

extension TableMean: PortableOperation {
  func translate(_ t: Translation) {
    let location = t[rows: location]
    let parts = layout.runs.map { elements, isCategory in
      let part = location.slice(elements, axis: 1)
      return isCategory ? t.writer.node("Softmax", [part], ["axis": .integer(1)]) : part
    }
    t[y] = t.writer.node("Concat", parts, ["axis": .integer(1)])
  }
}

extension Observed: PortableOperation {
  func translate(_ t: Translation) {
    let x = t[rows: x], isMissing = x.isNoNumber, zero = t.writer.scalar(0)
    t[y] = isMissing.choose(zero, x)
    if let mask { t[mask] = isMissing.choose(zero, t.writer.scalar(1)) }
  }
}

extension Graph {
  /// -log p(x | location) for each sample, in nats. x, location (batch, n), raw (numbers) or (1) -> (batch)
  ///
  /// log sigma = floor + softplus(raw - floor); without a floor, log sigma = raw.
  package func table(
    _ x: Tensor, location: Tensor, raw: Tensor, floor: Float = -.infinity, _ layout: TableLayout
  ) -> Tensor {
    precondition(
      x.columns == layout.columns && location.shape == x.shape && [1, layout.numbers].contains(raw.count),
      "a table of \(layout.columns) elements: data \(x.shape), location \(location.shape), sigma \(raw.shape)")
    requireConstant(x, "a table: data")
    let loss = output([x.rows], of: [location, raw])
    record(
      TableNegativeLogLikelihood(
        layout: layout, floor: floor, x: x, location: location, raw: raw, sigma: scratch([3 * max(1, layout.numbers)]),
        loss: loss))
    return loss
  }

  /// E[x | location]. (batch, n)
  package func tableMean(_ location: Tensor, _ layout: TableLayout) -> Tensor {
    guard layout.numbers < layout.sizes.count else { return location }
    let y = output(location.shape, of: [location])
    record(TableMean(layout: layout, location: location, y: y))
    return y
  }

  /// Draws from p(x | location); not differentiated. (batch, n)
  package func tableSample(
    _ location: Tensor, raw: Tensor, floor: Float, _ layout: TableLayout, stream: String
  ) -> Tensor {
    requireOneRowPerSample(location, "draw from a table")
    let x = scratch(location.shape)
    record(
      TableSample(
        layout: layout, floor: floor, location: location, raw: raw, normals: scratch(location.shape),
        uniforms: scratch([location.rows, layout.sizes.count]), x: x, normalStream: KeyedGenerator.hash(stream),
        uniformStream: KeyedGenerator.hash(stream + " of categories")))
    return x
  }

  /// Replaces missing values by 0 and, if `masked` is true, appends a mask of the present values. (batch, n) ->
  /// (batch, n or 2 n)
  package func observed(_ x: Tensor, masked: Bool) -> Tensor {
    requireConstant(x, "observed values: data")
    let y = scratch(x.shape), mask = masked ? scratch(x.shape) : nil
    record(Observed(x: x, y: y, mask: mask))
    return mask.map { concatenate([y, $0]) } ?? y
  }
}
