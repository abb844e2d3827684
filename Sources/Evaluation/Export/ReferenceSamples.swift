import Autograd
import Data
import Kernels
import Persistence
import Training
import VAE

/// Some samples and what the program makes of them: what an exported model has to agree with.
package struct ReferenceSamples: Sendable {
  /// In the units of the data. (count, extents...)
  package let x: PortableArray
  /// What the model is told of them: one-hot, or attributes in the units of the data; nil where that is nothing.
  /// (count, condition)
  package let y: PortableArray?
  /// (count, latent)
  package let mu: PortableArray
  package let logvar: PortableArray
  /// E[x | z = mu], in the units of the data. (count, extents...)
  package let reconstruction: PortableArray
  /// Of a model with a learned prior: standard normal noise for as many draws, z of the prior, and E[x | z] in the units
  /// of the data. (count, noise columns), (count, latent), (count, extents...)
  package let noise, z, drawn: PortableArray?

  /// What a calibration says of them; nil without one. (count)
  package let score: PortableArray?
  /// 0 or 1. (count)
  package let anomalous: PortableArray?

  /// At most `most` samples, evenly spaced.
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

  /// As files that any program can be checked with: what goes in, and what has to come out.
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
  /// Of as many rows as there are, as the model sees them. x (count, elements), y (count, condition)
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
  /// Classes as one-hot, attributes as they are. (indices.count, condition)
  fileprivate func told(of indices: [Int]) throws(Failure) -> [Float] {
    guard case .attributes = condition else { return conditions(of: indices) }
    var values: [Float] = []
    for index in indices { values += try attributes(at: index) }
    return values
  }
}
