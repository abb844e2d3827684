import Autograd
import Communication
import RunConfiguration
import Data
import Glibc
import Kernels
import VAE

/// Evaluates the terms of the objective on the validation set. The result does not depend on the number of ranks,
/// because fixed chunks are summed in a fixed tree.
package final class Validator {
  /// Number of rows of a replay. The bits of a matrix product depend on it, so it is the same for every data set and
  /// number of ranks.
  package static let chunk = 128

  private let graph: ELBOGraph
  private let latents: LatentLayout
  private let data: Dataset
  private let communicator: Communicator
  /// Number of validation samples.
  let count: Int
  private let chunks: Int
  private let loader: BatchAssembler
  private let activeVariance: Double
  private let clock: PhaseClock
  /// The samples shown, as of the last validation, on rank 0; nil if nothing is shown.
  package private(set) var shown: ShownSamples?

  /// Builds the graph for validation.
  ///
  /// - Parameters:
  ///   - shows: Whether to keep samples for display.
  ///   - parameters: Values to use in place of the store's.
  package init(
    _ autoencoder: VariationalAutoencoder, data: Dataset, communicator: Communicator, configuration: Configuration,
    clock: PhaseClock, shows: Bool = false, parameters: UnsafeMutablePointer<Float>? = nil
  ) {
    self.clock = clock
    latents = autoencoder.latents
    self.data = data
    self.communicator = communicator
    count = Validator.count(of: data, configuration)
    chunks = Validator.chunks(of: count)
    graph = autoencoder.elboGraph(batch: Validator.chunk, gradients: false, parameters: parameters)
    activeVariance = configuration.monitor.activeVariance
    loader = BatchAssembler(data: data, rows: Validator.chunk, configuration: configuration.data)
    if shows { shown = ShownSamples(of: count, latent: autoencoder.latent, shape: data.shape) }
  }

  /// Number of validation samples: all of them, or one chunk in a trial run.
  static func count(of data: Dataset, _ configuration: Configuration) -> Int {
    configuration.isTrial ? min(chunk, data.count) : data.count
  }

  static func chunks(of count: Int) -> Int { (count + chunk - 1) / chunk }

  /// The validation samples that a rank reads.
  package static func share(of count: Int, rank: Int, size: Int) -> Range<Int> {
    let range = ReductionTree(leaves: chunks(of: count), ranks: size).range(of: rank)
    return min(count, range.lowerBound * chunk)..<min(count, range.upperBound * chunk)
  }

  /// Validates the model. Collective.
  ///
  /// The noise depends on seed and sample only, so that all epochs use the same draws.
  ///
  /// - Parameter beta: Weight of the KL in the loss.
  package func validate(seed: UInt64, beta: Double = 1) throws(Failure) -> ValidationReport {
    let units = graph.code.columns
    shown?.clear()
    let klUnits = graph.terms.bound.klPerUnit.columns
    let firstUnit = 5
    let firstMean = firstUnit + klUnits, firstSquare = firstMean + units, counted = firstSquare + units
    let width = counted + Bins.mu.count + Bins.logvar.count
    let memory = graph.graph
    memory[graph.terms.bound.beta][0] = Float(beta)
    let share = Validator.share(of: count, rank: communicator.rank, size: communicator.size)
    let activity = Activity("validating", of: Validator.chunks(of: share.count))
    defer { activity.end() }
    let sums = try communicator.treeSum(leaves: chunks, width: width) { chunk, row throws(Failure) in
      clock.enter(.validate)
      let first = chunk * Validator.chunk
      let filled = min(Validator.chunk, count - first)
      try loader.load(
        first..<first + filled, into: memory[graph.x], memory[graph.y], seed: seed)
      let replay = Replay.evaluation(loader.samples, filled: filled, seed: seed)
      memory.forward(replay.atMean)
      row[0] = Double(filled)
      row[3] = vd_weighted_sum(memory[graph.terms.reconstruction], loader.weights, Validator.chunk)
      memory.forward(replay)
      row[1] = vd_weighted_sum(memory[graph.terms.reconstruction], loader.weights, Validator.chunk)
      row[2] = vd_weighted_sum(memory[graph.terms.bound.kl], loader.weights, Validator.chunk)
      row[4] = vd_weighted_sum(memory[graph.terms.loss], loader.weights, Validator.chunk)
      vd_weighted_column_sums(
        row + firstUnit, nil, memory[graph.terms.bound.klPerUnit], loader.weights, Validator.chunk, klUnits)
      vd_weighted_column_sums(
        row + firstMean, row + firstSquare, memory[graph.code], loader.weights, Validator.chunk, units)
      Bins.mu.add(memory[graph.code], filled * units, to: row + counted)
      if let logvar = graph.logvar {
        Bins.logvar.add(memory[logvar], filled * units, to: row + counted + Bins.mu.count)
      }
      Activity.advance()
      shown?.keep(first..<first + filled, x: memory[graph.x], codes: memory[graph.code])
    }
    try shown?.gather(communicator)
    let n = max(sums[0], 1)
    let variance = (0..<units).map { unit in
      let mean = sums[firstMean + unit] / n
      return max(0, sums[firstSquare + unit] / n - mean * mean)
    }
    let klPerUnit = (0..<klUnits).map { sums[firstUnit + $0] / n }
    var report = ValidationReport(
      means: ELBOMeans(reconstruction: sums[1] / n, kl: sums[2] / n), reconstructionOfMean: sums[3] / n,
      loss: sums[4] / n, klPerUnit: klPerUnit, variancePerUnit: variance,
      activeUnits: variance.count { $0 > activeVariance },
      mu: Histogram(edges: Bins.mu.edges, counts: Array(sums[counted..<counted + Bins.mu.count])),
      sigma: Histogram(
        edges: Bins.logvar.edges.map { exp($0 / 2) }, counts: Array(sums.suffix(Bins.logvar.count))))
    report.klPerGroup = latents.sums(klPerUnit).map { ($0.name, $0.sum) }
    return report
  }
}
