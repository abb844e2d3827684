import Autograd
import Communication
import Data
import Kernels
import Persistence
import Training
import VAE

/// Metrics of reconstructions and of samples from the prior, compared with the data.
package struct GenerationReport: Sendable, Equatable {
  /// Number of data samples, evenly spaced, and of their reconstructions. `priorSamples` is the number of samples from
  /// the prior.
  package var dataSamples: Int
  package var priorSamples: Int
  /// Mean `Sharpness` of E[x | z = mu] relative to the data; nil unless the samples are images. `sharpnessOfSamples` is
  /// the same ratio for E[x | z] with z from the prior.
  package var sharpnessOfReconstructions: Double?
  package var sharpnessOfSamples: Double?
  /// Total variance of E[x | z] with z from the prior, relative to that of the data. A value of 1 means equal variety.
  package var varianceRatio: Double
  /// `frechetDistance` between mu of the data and mu of generated samples. It uses the model's own encoder as the
  /// feature extractor, so values of different models are not comparable.
  package var frechetDistance: Double
}

extension GenerationReport {
  var json: JSON {
    .object([
      ("data_samples", .integer(dataSamples)), ("prior_samples", .integer(priorSamples)),
      ("sharpness_of_reconstructions", .optional(sharpnessOfReconstructions)),
      ("sharpness_of_samples", .optional(sharpnessOfSamples)), ("variance_ratio", .number(varianceRatio)),
      ("frechet_distance", .number(frechetDistance)),
    ])
  }
}

/// Decodes samples from the prior and encodes the results. The samples are divided among the ranks in batches of fixed
/// size.
package final class GenerationMetrics {
  package static let most = 2_048
  /// Maximum number of units. If there are more, those with the largest variance are used.
  private static let mostUnits = 256

  private let encoder: Encoder
  private let prior: PriorSampler
  private let decoder: GenerationGraph
  private let noiseColumns: Int
  private let data: Dataset
  private let communicator: Communicator
  private let sharpness: Sharpness?
  private let binarizes: Bool
  private let seed: UInt64
  /// For a model of binarized data: the data before binarization, or the uniform noise that generated samples are
  /// binarized with.
  private let plain: Buffer

  package init(_ model: TrainedModel, _ data: Dataset, _ encoder: Encoder, _ communicator: Communicator) {
    self.encoder = encoder
    prior = PriorSampler(model.autoencoder)
    decoder = model.autoencoder.generationGraph(batch: Validator.chunk, from: .latents, [.mean])
    noiseColumns = model.autoencoder.latents.noiseColumns
    self.data = data
    self.communicator = communicator
    sharpness = Sharpness(model.shape)
    binarizes = model.configuration.data.binarize == .dynamic
    seed = model.seed
    plain = Buffer(count: binarizes ? Validator.chunk * decoder[.mean].columns : 1)
  }

  private var elements: Int { decoder[.mean].columns }

  /// Computes the metrics. This call is collective.
  /// - posteriors: Posteriors of the data, from which the units with the largest variance are selected.
  package func measure(_ posteriors: Posteriors) throws(Failure) -> GenerationReport {
    let units = varying(posteriors.mu, dimensions: posteriors.latent, most: GenerationMetrics.mostUnits)
    let indices = (0..<data.count).spaced(GenerationMetrics.most)
    let share = indices[Validator.share(of: indices.count, rank: communicator.rank, size: communicator.size)]
    try communicator.together { () throws(Failure) in
      if let low = share.first, let high = share.last { try data.prepare(low..<high + 1) }
    }
    let real = try sums(of: indices.count, units) { chunk, row throws(Failure) in
      try addData(indices[chunk], units, to: row)
    }
    let drawn = try sums(of: GenerationMetrics.most, units) { chunk, row throws(Failure) in
      addSamples(chunk, units, to: row)
    }
    let variance = real.totalVariance(of: elements)
    return GenerationReport(
      dataSamples: indices.count, priorSamples: GenerationMetrics.most,
      sharpnessOfReconstructions: sharpness == nil ? nil : real.otherSharpness / real.sharpness,
      sharpnessOfSamples: sharpness == nil
        ? nil : drawn.sharpness / drawn.count / (real.sharpness / real.count),
      varianceRatio: drawn.totalVariance(of: elements) / variance,
      frechetDistance: frechetDistance(
        real.codes(elements, units.count), drawn.codes(elements, units.count)))
  }

  private func sums(
    of count: Int, _ units: [Int], _ add: (Range<Int>, UnsafeMutablePointer<Double>) throws(Failure) -> Void
  ) throws(Failure) -> GenerationSums {
    let width = GenerationSums.firstElement + elements + units.count * (1 + units.count)
    let leaves = (count + Validator.chunk - 1) / Validator.chunk
    let share = Validator.share(of: count, rank: communicator.rank, size: communicator.size)
    let activity = Activity("decoding and encoding \(count) samples", of: share.count)
    defer { activity.end() }
    return GenerationSums(
      values: try communicator.treeSum(leaves: leaves, width: width) { leaf, row throws(Failure) in
        let chunk = leaf * Validator.chunk..<min(count, (leaf + 1) * Validator.chunk)
        try add(chunk, row)
        Activity.advance(by: chunk.count)
      })
  }

  private func addData(
    _ chosen: ArraySlice<Int>, _ units: [Int], to row: UnsafeMutablePointer<Double>
  ) throws(Failure) {
    try encoder.load(chosen)
    encoder.forward()
    // Missing values are replaced by 0, the mean of the scaled column.
    if data.schema != nil { vd_observed(x, nil, x, chosen.count * elements) }
    if binarizes {
      try Array(chosen).withUnsafeBufferPointer { chosen throws(Failure) in try data.fill(chosen, into: plain.base) }
    }
    add(chosen.count, UnsafePointer(binarizes ? plain.base : x), units, to: row)
    guard let sharpness else { return }
    decoder.graph[decoder.input].update(from: mu, count: Validator.chunk * decoder.input.columns)
    if let y = encoder.graph.y { decoder.graph[decoder.y]?.update(from: encoder.graph.graph[y], count: y.count) }
    decoder.graph.forward(.deterministic)
    for i in 0..<chosen.count {
      row[GenerationSums.otherSharpness] += sharpness(decoder.graph[decoder[.mean]] + i * elements)
    }
  }

  private var x: UnsafeMutablePointer<Float> { encoder.graph.graph[encoder.graph.x] }
  private var mu: UnsafeMutablePointer<Float> { encoder.graph.graph[encoder.graph[.code]] }

  private func addSamples(_ chunk: Range<Int>, _ units: [Int], to row: UnsafeMutablePointer<Double>) {
    let samples = (0..<Validator.chunk).map { UInt64(chunk.lowerBound + $0) }
    // Samples are conditioned on classes and attributes with the same frequencies as in the data.
    let indices = (0..<data.count).spaced(GenerationMetrics.most)
    let conditions = data.conditions(of: (0..<Validator.chunk).map { indices[(chunk.lowerBound + $0) % indices.count] })
    let noise = PriorNoise(columns: noiseColumns, seed: seed, stream: "generation")
    let z = prior.draw(noise.draw(Validator.chunk, from: chunk.lowerBound), given: conditions)
    decoder.graph[decoder.input].update(from: z, count: z.count)
    decoder.graph[decoder.y]?.update(from: conditions, count: conditions.count)
    encoder.graph.graph[encoder.graph.y]?.update(from: conditions, count: conditions.count)
    decoder.graph.forward(.deterministic)
    x.update(from: decoder.graph[decoder[.mean]], count: Validator.chunk * elements)
    if binarizes {
      // The encoder was trained on binary values only.
      KeyedGenerator(seed: seed, stream: "generation bits").uniform(
        into: plain.base, samples: samples, rows: Validator.chunk, columns: elements, epoch: 0)
      vd_binarize(x, plain.base, Validator.chunk * elements)
    }
    encoder.forward()
    add(chunk.count, decoder.graph[decoder[.mean]], units, to: row)
  }

  /// Adds samples and the mu that the encoder has just computed for them to the sums. x (count, elements)
  private func add(_ count: Int, _ x: UnsafePointer<Float>, _ units: [Int], to row: UnsafeMutablePointer<Double>) {
    let elements = self.elements, latent = decoder.input.columns, codes = mu
    let pixels = row + GenerationSums.firstElement, means = pixels + elements, products = means + units.count
    row[GenerationSums.count] += Double(count)
    for i in 0..<count {
      let x = x + i * elements, mu = codes + i * latent
      row[GenerationSums.squares] += vd_sum_of_squares(x, elements)
      for j in 0..<elements { pixels[j] += Double(x[j]) }
      if let sharpness { row[GenerationSums.sharpness] += sharpness(x) }
      for (a, unit) in units.enumerated() {
        let value = Double(mu[unit])
        means[a] += value
        for (b, other) in units.enumerated() { products[a * units.count + b] += value * Double(mu[other]) }
      }
    }
  }
}

/// Sums over samples, in this order: the count, the sharpness, the sharpness of reconstructions, the squares of all
/// values, and then each element, each unit and each product of two units.
private struct GenerationSums {
  static let count = 0, sharpness = 1, otherSharpness = 2, squares = 3, firstElement = 4
  let values: [Double]

  var count: Double { max(1, values[GenerationSums.count]) }
  var sharpness: Double { values[GenerationSums.sharpness] }
  var otherSharpness: Double { values[GenerationSums.otherSharpness] }

  /// Total variance summed over the elements of a sample.
  func totalVariance(of elements: Int) -> Double {
    let first = GenerationSums.firstElement
    let means = values[first..<first + elements].reduce(0) { $0 + ($1 / count) * ($1 / count) }
    return max(0, values[GenerationSums.squares] / count - means)
  }

  func codes(_ elements: Int, _ units: Int) -> CodeMoments {
    let first = GenerationSums.firstElement + elements
    return CodeMoments(
      count: count, sums: values[first..<first + units], products: values[(first + units)...])
  }
}
