import Autograd
import Data
import Kernels
import Persistence
import Training
import VAE

/// Samples and the program's results for them, which an exported model must reproduce.
package struct ReferenceSamples: Sendable {
  /// Input samples in the units of the data. (count, extents...)
  package let x: PortableArray
  /// What the model is conditioned on: one-hot classes, or attributes in the units of the data; nil for an
  /// unconditional model. (count, condition)
  package let y: PortableArray?
  /// Mean of the posterior; `logvar` has the same shape. (count, latent)
  package let mu: PortableArray
  package let logvar: PortableArray
  /// E[x | z = mu] in the units of the data. (count, extents...)
  package let reconstruction: PortableArray
  /// For a model with a learned prior: standard normal noise, the resulting z from the prior, and E[x | z] in the units
  /// of the data; nil otherwise. (count, noise columns), (count, latent), (count, extents...)
  package let noise, z, drawn: PortableArray?

  /// Anomaly scores, or nil without a calibration. (count)
  package let score: PortableArray?
  /// 1 for a score above the threshold and 0 otherwise, or nil without a calibration. (count)
  package let anomalous: PortableArray?

  /// Computes the results for at most `most` evenly spaced samples.
  package init(_ model: TrainedModel, _ data: Dataset, calibration: Calibration?, most: Int) throws(Failure) {
    let indices = (0..<data.count).spaced(most), elements = model.shape.elementCount
    let graph = model.autoencoder.scoringGraph(batch: indices.count, [.code, .logvar, .mean]), memory = graph.graph
    var stored = [Float](repeating: 0, count: indices.count * elements)
    try data.prepare(0..<data.count)
    for (row, index) in indices.enumerated() {
      try stored.withUnsafeMutableBufferPointer { buffer throws(Failure) in
        try data.readStored(index, into: buffer.baseAddress! + row * elements)
      }
    }
    try indices.withUnsafeBufferPointer { indices throws(Failure) in try data.fill(indices, into: memory[graph.x]) }
    if let input = memory[graph.y] { for (i, value) in data.conditions(of: indices).enumerated() { input[i] = value } }
    memory.forward(.deterministic)
    func values(_ tensor: Tensor) -> [Float] { Array(UnsafeBufferPointer(start: memory[tensor], count: tensor.count)) }
    func array(_ extents: [Int], _ values: [Float]) -> PortableArray {
      PortableArray([indices.count] + extents, values.map(Double.init))
    }
    let latent = model.autoencoder.latent, extents = model.shape.extents
    x = array(extents, stored)
    y = try data.condition.map { condition throws(Failure) in
      array([condition.width], try data.told(of: indices))
    }
    mu = array([latent], values(graph[.code]))
    logvar = array([latent], values(graph[.logvar]))
    reconstruction = array(extents, model.unscaled(values(graph[.mean])))
    if model.autoencoder.hasStandardPrior {
      (noise, z, drawn) = (nil, nil, nil)
    } else {
      let columns = model.autoencoder.latents.noiseColumns, told = graph.y.map(values) ?? []
      let values = PriorNoise(columns: columns, seed: model.seed, stream: "check").draw(indices.count)
      let draws = PriorSampler(model.autoencoder).draw(values, given: told)
      noise = array([columns], values)
      z = array([latent], draws)
      drawn = array(extents, model.unscaled(LatentDecoder(model.autoencoder).decode(draws, given: told)))
    }
    let scores = calibration.map { calibration in
      RowScorer(model.autoencoder, calibration.score, draws: calibration.draws, seed: model.seed)
        .scores(of: values(graph.x), graph.y.map(values) ?? [])
    }
    score = scores.map { PortableArray([indices.count], $0) }
    anomalous = scores.flatMap { scores in
      calibration.map { calibration in
        PortableArray([indices.count], scores.map { calibration.isAnomalous($0) ? 1 : 0 })
      }
    }
  }

  package var count: Int { x.extents[0] }

  /// Writes inputs and expected results as NumPy files, so that any program can be checked against them.
  package func write(to folder: String) throws(Failure) {
    let others = [
      ("y", y), ("noise", noise), ("z", z), ("drawn", drawn), ("score", score), ("anomalous", anomalous),
    ].compactMap { name, array in
      array.map { (name, $0) }
    }
    for (name, array) in [("x", x), ("mu", mu), ("logvar", logvar), ("reconstruction", reconstruction)] + others {
      try NPYFile.write(array.numbers.map { Float($0) }, array.extents, to: "\(folder)/\(name).npy")
    }
  }
}

extension RowScorer {
  /// Scores of any number of rows in the model's scale. x (count, elements), y (count, condition)
  fileprivate func scores(of x: [Float], _ y: [Float]) -> [Double] {
    let count = x.count / elements, condition = y.count / count
    return stride(from: 0, to: count, by: rows).flatMap { first in
      let filled = min(rows, count - first)
      for i in 0..<filled * elements { self.x[i] = x[first * elements + i] }
      if let told = self.y { for i in 0..<filled * condition { told[i] = y[first * condition + i] } }
      return scores(of: filled)
    }
  }
}

extension Dataset {
  /// One-hot classes, or attributes in the units of the data. (indices.count, condition)
  fileprivate func told(of indices: [Int]) throws(Failure) -> [Float] {
    guard case .attributes = condition else { return conditions(of: indices) }
    var values: [Float] = []
    for index in indices { values += try attributes(at: index) }
    return values
  }
}
