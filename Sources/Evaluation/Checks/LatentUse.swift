import Autograd
import Communication
import Data
import Kernels
import Training
import VAE

/// How the decoder uses z, measured on samples of a data set.
package struct LatentUse: Sendable, Equatable {
  package var samples = 0
  /// Mean -log p(x | z) in nats, with z from the posterior of x; `shuffledReconstruction` takes z from another sample.
  package var reconstruction = 0.0
  package var shuffledReconstruction = 0.0
  /// Standard error of `gap`.
  package var gapError = 0.0
  /// Share of the samples for which the z of another sample gives the larger -log p(x | z). Ties count half.
  package var gapShare = 0.0
  /// Variance over x of E[x | z = mu(x)], summed over dimensions. `dataVariance` is the variance of x itself, and
  /// `sampleVariance` is the variance of E[x | z] with z from the prior.
  package var reconstructionVariance = 0.0
  package var dataVariance = 0.0
  package var sampleVariance = 0.0
  /// Spearman correlation of -ELBO with the distance of x from the mean. In a collapsed model, the score is that
  /// distance.
  package var distanceCorrelation: Double?
  /// Share of all logvar values at the lower limit; `clampedHigh` is the share at the upper limit.
  package var clampedLow = 0.0
  package var clampedHigh = 0.0

  package init() {}

  /// Benefit of a sample's own z over the z of another sample, nats.
  package var gap: Double { shuffledReconstruction - reconstruction }
  /// Variance of the reconstructions as a share of the data's variance; 0 for a decoder that ignores z.
  package var varianceRatio: Double { dataVariance > 0 ? reconstructionVariance / dataVariance : 0 }
}

/// Runs the decoder on samples of a data set, both with their own z and with other z. The samples are divided among the
/// ranks.
final class LatentProbe {
  private let model: TrainedModel
  private let data: Dataset
  private let communicator: Communicator
  private let posteriors: Posteriors
  private let loader: BatchAssembler
  private let x: Buffer
  /// What the model is conditioned on; empty for an unconditional model.
  private let y: Buffer
  private let rows = Validator.chunk
  private var count: Int { posteriors.count }
  private var elements: Int { data.shape.elementCount }

  init(_ model: TrainedModel, _ data: Dataset, _ posteriors: Posteriors, _ communicator: Communicator) {
    self.model = model
    self.data = data
    self.posteriors = posteriors
    self.communicator = communicator
    loader = BatchAssembler(data: data, rows: rows, configuration: model.configuration.data)
    x = Buffer(count: rows * data.shape.elementCount)
    y = Buffer(count: rows * (data.condition?.width ?? 0))
  }

  /// Measures the use of the latent. This call is collective.
  func measure() throws(Failure) -> LatentUse {
    let share = posteriors.indices[Validator.share(of: count, rank: communicator.rank, size: communicator.size)]
    try communicator.together { () throws(Failure) in
      if let low = share.first, let high = share.last { try data.prepare(low..<high + 1) }
    }
    let spread = try spread()
    var use = LatentUse()
    use.samples = count
    (use.dataVariance, use.reconstructionVariance, use.sampleVariance) = spread.variances
    let values = try decode(from: spread.mean)
    let n = Double(max(1, count)), gaps = values.map { $0.shuffled - $0.own }
    use.reconstruction = values.reduce(0) { $0 + $1.own } / n
    use.shuffledReconstruction = values.reduce(0) { $0 + $1.shuffled } / n
    let squares = gaps.reduce(0) { $0 + ($1 - use.gap) * ($1 - use.gap) }
    use.gapError = n > 1 ? (squares / (n - 1) / n).squareRoot() : 0
    use.gapShare = gaps.reduce(0) { $0 + ($1 > 0 ? 1 : $1 == 0 ? 0.5 : 0) } / n
    let scores = values.indices.map { values[$0].own + posteriors.divergence(of: $0) }
    use.distanceCorrelation = rankCorrelation(scores, values.map(\.distance))
    let low = Float(model.configuration[.logvarLow]), high = Float(model.configuration[.logvarHigh])
    let all = Double(max(1, posteriors.logvar.count))
    use.clampedLow = Double(posteriors.logvar.count { $0 <= low }) / all
    use.clampedHigh = Double(posteriors.logvar.count { $0 >= high }) / all
    return use
  }

  /// Variances of x, its reconstructions and samples from the prior, each summed over dimensions, and the mean of x.
  private func spread() throws(Failure) -> (variances: (Double, Double, Double), mean: [Double]) {
    let decoder = model.autoencoder.generationGraph(batch: rows, from: .latents, [.mean]), width = elements
    let prior = PriorSampler(model.autoencoder)
    let noise = PriorNoise(
      columns: model.autoencoder.latents.noiseColumns, seed: model.seed, stream: "prior")
    let z = decoder.graph[decoder.input], mean = decoder.graph[decoder[.mean]]
    func add(_ values: UnsafePointer<Float>, _ filled: Int, _ sums: UnsafeMutablePointer<Double>) {
      for row in 0..<filled {
        for j in 0..<width {
          let value = Double(values[row * width + j])
          sums[j] += value
          sums[width] += value * value
        }
      }
    }
    let sums = try communicator.treeSum(leaves: chunks, width: 3 * (width + 1)) { chunk, sums throws(Failure) in
      let range = try load(chunk)
      zeroMissing()
      add(x.base, range.count, sums)
      tell(decoder.graph[decoder.y])
      fill(z, from: posteriors.mu, range) { $0 }
      decoder.graph.forward(.deterministic)
      add(mean, range.count, sums + width + 1)
      let told = data.conditions(of: Array(posteriors.indices[range]))
      fill(z, from: prior.draw(noise.draw(range.count, from: range.lowerBound), given: told), 0..<range.count) { $0 }
      decoder.graph.forward(.deterministic)
      add(mean, range.count, sums + 2 * (width + 1))
    }
    let n = Double(max(1, count))
    func variance(_ part: Int) -> Double {
      let first = part * (width + 1)
      return (0..<width).reduce(sums[first + width] / n) { $0 - sums[first + $1] * sums[first + $1] / (n * n) }
    }
    return ((max(0, variance(0)), max(0, variance(1)), max(0, variance(2))), (0..<width).map { sums[$0] / n })
  }

  private struct Decoded {
    var own: Double
    var shuffled: Double
    var distance: Double
  }

  /// -log p(x | z) of every sample with its own z and with the z of another sample, and its distance from the mean.
  private func decode(from mean: [Double]) throws(Failure) -> [Decoded] {
    let share = Validator.share(of: count, rank: communicator.rank, size: communicator.size)
    let mine = try communicator.together { () throws(Failure) in try decode(share, from: mean) }
    return try communicator.gather(mine.withUnsafeBytes { [UInt8]($0) }).flatMap { part in
      part.withUnsafeBytes { bytes in
        let values = bytes.bindMemory(to: Double.self)
        return stride(from: 0, to: values.count, by: 3).map {
          Decoded(own: values[$0], shuffled: values[$0 + 1], distance: values[$0 + 2])
        }
      }
    }
  }

  private func decode(_ share: Range<Int>, from mean: [Double]) throws(Failure) -> [Double] {
    let decoder = model.autoencoder.generationGraph(batch: rows, from: .latents, [.reconstruction]), partner = partners
    let draws = posteriors.draw(seed: model.seed), z = decoder.graph[decoder.input]
    let nll = decoder.graph[decoder[.reconstruction]]
    var values = [Double]()
    for first in stride(from: share.lowerBound, to: share.upperBound, by: rows) {
      let range = try load(first / rows)
      decoder.graph[decoder.x]?.update(from: x.base, count: rows * elements)
      zeroMissing()
      tell(decoder.graph[decoder.y])
      fill(z, from: draws, range) { $0 }
      decoder.graph.forward(.deterministic)
      let own = range.indices.map { Double(nll[$0 - first]) }
      fill(z, from: draws, range) { partner[$0] }
      decoder.graph.forward(.deterministic)
      for row in 0..<range.count {
        let distance = (0..<elements).reduce(0.0) {
          let difference = Double(x.base[row * elements + $1]) - mean[$1]
          return $0 + difference * difference
        }
        values += [own[row], Double(nll[row]), distance]
      }
    }
    return values
  }

  /// A random partner for each sample. No sample is used twice, and none is its own partner if there is more than one.
  private var partners: [Int] {
    let order = KeyedPermutation(
      count: count, generator: KeyedGenerator(seed: model.seed, stream: "shuffle"), epoch: 0, part: 0)
    var partners = [Int](repeating: 0, count: count)
    for i in 0..<count { partners[order[i]] = order[(i + 1) % count] }
    return partners
  }

  private var chunks: Int { (count + rows - 1) / rows }

  private func load(_ chunk: Int) throws(Failure) -> Range<Int> {
    let range = chunk * rows..<min(count, (chunk + 1) * rows)
    try loader.load(
      posteriors.indices[range], into: x.base, data.condition == nil ? nil : y.base, seed: model.seed)
    return range
  }

  /// Replaces missing values by 0, the mean of the scaled column.
  private func zeroMissing() {
    if data.schema != nil { vd_observed(x.base, nil, x.base, x.count) }
  }

  private func tell(_ input: UnsafeMutablePointer<Float>?) { input?.update(from: y.base, count: y.count) }

  private func fill(
    _ z: UnsafeMutablePointer<Float>, from values: [Float], _ range: Range<Int>, _ source: (Int) -> Int
  ) {
    let latent = posteriors.latent
    values.withUnsafeBufferPointer { values in
      guard let base = values.baseAddress else { return }
      for i in range { (z + (i - range.lowerBound) * latent).update(from: base + source(i) * latent, count: latent) }
    }
  }
}
