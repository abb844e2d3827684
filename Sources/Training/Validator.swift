import Autograd
import Communication
import Data
import Glibc
import Kernels
import VAE

/// The objective's own terms on the validation set, exact over shards: fixed chunks, summed in a fixed tree.
package final class Validator {
  /// Rows of a replay: a product's bits depend on it, so it is the same for every set and number of ranks.
  package static let chunk = 128

  private let autoencoder: VariationalAutoencoder
  private let graph: ELBOGraph
  private let data: Dataset
  private let communicator: Communicator
  /// Samples validated on.
  let count: Int
  private let chunks: Int
  private let loader: BatchLoader
  private let activeVariance: Double
  private let clock: PhaseClock
  /// mu of evenly spaced samples, as the last validation that was asked for it found it; on every rank.
  package private(set) var codes: [Float] = []

  /// - parameters: other values than the store's.
  package init(
    _ autoencoder: VariationalAutoencoder, data: Dataset, communicator: Communicator, configuration: Configuration,
    clock: PhaseClock, parameters: UnsafeMutablePointer<Float>? = nil
  ) {
    self.clock = clock
    self.autoencoder = autoencoder
    self.data = data
    self.communicator = communicator
    count = Validator.count(of: data, configuration)
    chunks = Validator.chunks(of: count)
    graph = autoencoder.elboGraph(batch: Validator.chunk, gradients: false, parameters: parameters)
    graph.graph.replay.isTraining = false
    activeVariance = configuration.monitor.activeVariance
    loader = BatchLoader(data: data, rows: Validator.chunk, configuration: configuration.data)
  }

  /// Samples validated on: all, or one chunk in a trial.
  static func count(of data: Dataset, _ configuration: Configuration) -> Int {
    configuration.isTrial ? min(chunk, data.count) : data.count
  }

  static func chunks(of count: Int) -> Int { (count + chunk - 1) / chunk }

  /// Validation samples that a rank reads.
  package static func share(of count: Int, rank: Int, size: Int) -> Range<Int> {
    let range = ReductionTree(leaves: chunks(of: count), ranks: size).range(of: rank)
    return min(count, range.lowerBound * chunk)..<min(count, range.upperBound * chunk)
  }

  /// Validation samples that pictures of the latent space show: evenly spaced, because many sets are sorted.
  package static func codeIndices(of count: Int, latent: Int) -> [Int] {
    Array(stride(from: 0, to: count, by: codeStride(of: count, latent: latent)))
  }

  private static func codeStride(of count: Int, latent: Int) -> Int {
    let most = max(1, min(2_000, (1 << 22) / latent))
    return max(1, (count + most - 1) / most)
  }

  /// Collective. Noise depends on seed and sample only, so that epochs are compared on the same draws. `beta`: of the loss.
  package func validate(seed: UInt64, beta: Double = 1, keepingCodes: Bool = false) throws(Failure) -> ValidationReport
  {
    let units = graph.inference.posterior.mu.columns
    codes = []
    let klUnits = graph.terms.klPerUnit.columns
    let inference = graph.inference, firstUnit = 5
    let firstMean = firstUnit + klUnits, firstSquare = firstMean + units, counted = firstSquare + units
    let width = counted + Bins.mu.count + Bins.logvar.count
    let memory = graph.graph
    memory[graph.terms.beta][0] = Float(beta)
    let share = Validator.share(of: count, rank: communicator.rank, size: communicator.size)
    let activity = Activity("validating", of: Validator.chunks(of: share.count))
    defer { activity.end() }
    let sums = try communicator.treeSum(leaves: chunks, width: width) { chunk, row throws(Failure) in
      clock.enter(.validate)
      let first = chunk * Validator.chunk
      let filled = min(Validator.chunk, count - first)
      try loader.load(first..<first + filled, into: memory[graph.x], seed: seed, attempt: 0, epoch: validationEpoch)
      memory.replay.samples = UnsafePointer(loader.samples)
      memory.replay.filled = filled
      memory.replay.seed = seed
      memory.replay.epoch = validationEpoch
      memory.replay.noiseScale = 0
      memory.forward()
      row[0] = Double(filled)
      row[3] = vd_weighted_sum(memory[graph.terms.reconstruction], loader.weights, Validator.chunk)
      memory.replay.noiseScale = 1
      memory.forward()
      row[1] = vd_weighted_sum(memory[graph.terms.reconstruction], loader.weights, Validator.chunk)
      row[2] = vd_weighted_sum(memory[graph.terms.kl], loader.weights, Validator.chunk)
      row[4] = vd_weighted_sum(memory[graph.terms.loss], loader.weights, Validator.chunk)
      vd_weighted_column_sums(
        row + firstUnit, nil, memory[graph.terms.klPerUnit], loader.weights, Validator.chunk, klUnits)
      vd_weighted_column_sums(
        row + firstMean, row + firstSquare, memory[inference.posterior.mu], loader.weights, Validator.chunk, units)
      Bins.mu.add(memory[inference.posterior.mu], filled * units, to: row + counted)
      Bins.logvar.add(memory[inference.posterior.logvar], filled * units, to: row + counted + Bins.mu.count)
      Activity.advance()
      if keepingCodes { keepCodes(first..<first + filled) }
    }
    if keepingCodes { try gatherCodes() }
    let n = max(sums[0], 1)
    let variance = (0..<units).map { unit in
      let mean = sums[firstMean + unit] / n
      return max(0, sums[firstSquare + unit] / n - mean * mean)
    }
    return ValidationReport(
      means: ELBOMeans(reconstruction: sums[1] / n, kl: sums[2] / n), reconstructionOfMean: sums[3] / n,
      loss: sums[4] / n, klPerUnit: (0..<klUnits).map { sums[firstUnit + $0] / n }, variancePerUnit: variance,
      activeUnits: variance.count { $0 > activeVariance },
      mu: Histogram(edges: Bins.mu.edges, counts: Array(sums[counted..<counted + Bins.mu.count])),
      sigma: Histogram(
        edges: Bins.logvar.edges.map { exp($0 / 2) }, counts: Array(sums.suffix(Bins.logvar.count))))
  }

  /// Hands over x and the posterior means of the first `n` validation samples, chunk by chunk, as validation computes
  /// them; root only.
  func encode(
    first n: Int, seed: UInt64,
    _ body: (_ count: Int, _ x: UnsafePointer<Float>, _ mu: UnsafePointer<Float>) -> Void
  ) throws(Failure) {
    let memory = graph.graph, n = min(n, count)
    memory.replay.samples = UnsafePointer(loader.samples)
    memory.replay.seed = seed
    memory.replay.epoch = validationEpoch
    memory.replay.noiseScale = 0
    for first in stride(from: 0, to: n, by: Validator.chunk) {
      let filled = min(Validator.chunk, n - first)
      try loader.load(first..<first + filled, into: memory[graph.x], seed: seed, attempt: 0, epoch: validationEpoch)
      memory.forward()
      body(filled, memory[graph.x], memory[graph.inference.posterior.mu])
    }
  }

  private func keepCodes(_ range: Range<Int>) {
    let mu = graph.inference.posterior.mu, values = graph.graph[mu]
    let spacing = Validator.codeStride(of: count, latent: mu.columns)
    for index in range where index % spacing == 0 {
      codes += UnsafeBufferPointer(start: values + (index - range.lowerBound) * mu.columns, count: mu.columns)
    }
  }

  /// Ranks hold consecutive chunks, so theirs in turn are all in order.
  private func gatherCodes() throws(Failure) {
    let parts = try communicator.gather(codes.withUnsafeBytes { [UInt8]($0) })
    codes = parts.flatMap { part in part.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) } }
  }

  /// The first validation samples and E[x | z] at their posterior mean; root only. (n, elements) each
  package func reconstructions(_ n: Int, seed: UInt64) throws(Failure) -> (originals: [Float], means: [Float]) {
    let count = min(n, Validator.chunk, data.count)
    guard let mean = graph.mean else { return ([], []) }
    let memory = graph.graph
    try loader.load(0..<count, into: memory[graph.x], seed: seed, attempt: 0, epoch: validationEpoch)
    memory.replay.noiseScale = 0
    memory.forward()
    func copy(_ tensor: Tensor) -> [Float] {
      Array(UnsafeBufferPointer(start: memory[tensor], count: count * tensor.columns))
    }
    return (copy(graph.x), copy(mean))
  }
}

/// The epoch number that keys validation's noise: no training epoch has it.
package let validationEpoch = UInt32.max
