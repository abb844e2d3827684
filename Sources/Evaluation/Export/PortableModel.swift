import Autograd
import Data
import Kernels
import VAE

/// Builds graphs of a trained model for other programs. Inputs and outputs are in the units of the data, since the
/// scaling (x - offset) * scale is part of the graphs. Graphs of a conditional model have the additional input y: a
/// one-hot class or attributes.
package struct PortableModel {
  let autoencoder: VariationalAutoencoder
  private let shape: SampleShape
  private let scaling: Scaling
  private let condition: Condition?

  package init(_ model: TrainedModel) {
    self.init(model.autoencoder, model.shape, model.file.metadata.scaling, model.condition)
  }

  package init(
    _ autoencoder: VariationalAutoencoder, _ shape: SampleShape, _ scaling: Scaling, _ condition: Condition? = nil
  ) {
    (self.autoencoder, self.shape, self.scaling, self.condition) = (autoencoder, shape, scaling, condition)
  }

  private var latent: Int { autoencoder.latent }

  /// The encoder: x -> mu, logvar
  package func encoder() throws(Failure) -> PortableGraph {
    try autoencoder.latents.requireGaussian(for: "the export of an encoder")
    let encoder = autoencoder.scoringGraph(batch: 1, [.code, .logvar]), writer = PortableWriter()
    let t = translation(of: encoder.graph, into: writer), mu = encoder[.code], logvar = encoder[.logvar]
    t[encoder.x] = scaled(input(of: writer))
    t.give(encoder.y, told(by: writer))
    try t.write([mu, logvar])
    writer.output(t[mu], as: "mu", [latent])
    writer.output(t[logvar], as: "logvar", [latent])
    return writer.graph
  }

  /// The decoder: z -> reconstruction, E[x | z]
  package func decoder() throws(Failure) -> PortableGraph {
    try generator(from: .latents, "z", latent)
  }

  /// The sampler: standard normal noise -> z, a draw from the prior, and reconstruction, E[x | z]
  package func sampler() throws(Failure) -> PortableGraph {
    try generator(from: .prior, "noise", autoencoder.latents.noiseColumns)
  }

  private func generator(
    from origin: GenerationOrigin, _ input: String, _ columns: Int
  ) throws(Failure) -> PortableGraph {
    let decoder = autoencoder.generationGraph(batch: 1, from: origin, [.z, .mean]), writer = PortableWriter()
    let t = translation(of: decoder.graph, into: writer)
    t[decoder.input] = writer.input(input, [columns])
    t.give(decoder.y, told(by: writer))
    try t.write([decoder[.z], decoder[.mean]])
    if origin == .prior { writer.output(t[rows: decoder[.z]], as: "z", [latent]) }
    let mean = unscaled(t[rows: decoder[.mean]])
    writer.output(shape.isImage ? mean.reshaped(shape.extents) : mean, as: "reconstruction", shape.extents)
    return writer.graph
  }

  // MARK: Parts

  func translation(of graph: Graph, into writer: PortableWriter) -> Translation {
    let store = autoencoder.store
    return Translation(of: graph, into: writer) { (store.name(at: $0), UnsafePointer(store.values + $0)) }
  }

  /// The input x in the units of the data. (batch, elements)
  func input(of writer: PortableWriter) -> PortableValue {
    let x = writer.input("x", shape.extents)
    return shape.isImage ? x.reshaped([shape.elementCount]) : x
  }

  /// The input y in the model's scale, or nil for an unconditional model. (batch, condition)
  func told(by writer: PortableWriter) -> PortableValue? {
    guard let condition else { return nil }
    let y = writer.input("y", [condition.width])
    guard case .attributes(_, let scaling) = condition else { return y }
    return (y - writer.list(scaling.offset)) * writer.list(scaling.scale)
  }

  func scaled(_ x: PortableValue) -> PortableValue {
    scaling == .identity ? x : (x - x.writer.list(scaling.offset)) * x.writer.list(scaling.scale)
  }

  private func unscaled(_ x: PortableValue) -> PortableValue {
    scaling == .identity ? x : x / x.writer.list(scaling.scale) + x.writer.list(scaling.offset)
  }
}

extension Translation {
  /// Assigns a value to an input that exists only in some graphs.
  func give(_ tensor: Tensor?, _ value: PortableValue?) {
    if let tensor, let value { self[tensor] = value }
  }
}
