import Communication
import RunConfiguration
import Data
import Kernels
import Persistence
import Training
import VAE

/// A model from disk with its weights, on every rank alike, and the data that it is asked about.
package final class TrainedModel {
  package let file: ModelFile
  package let autoencoder: VariationalAutoencoder
  package var configuration: Configuration { file.metadata.configuration }
  package var shape: SampleShape { file.metadata.shape }
  /// Of a mixed table.
  package var schema: TableSchema? { file.metadata.schema }
  /// What it is told of samples.
  package var condition: Condition? { file.metadata.condition }
  package var seed: UInt64 { UInt64(configuration.train.seed) }

  /// - place: a run directory (its newest checkpoint), a checkpoint, or a `.safetensors` file. Collective.
  package init(_ place: String, _ communicator: Communicator) throws(Failure) {
    file = try communicator.together { () throws(Failure) in try ModelFile(place) }
    try communicator.agree(
      on: [("model", file.digest)], when: "before evaluation", status: .badData,
      hint: "give every host the same model file")
    autoencoder = try communicator.together { [file] () throws(Failure) in try TrainedModel.load(file) }
    try communicator.agreeOnArithmetic(initial: autoencoder.store.digest())
  }

  private static func load(_ file: ModelFile) throws(Failure) -> VariationalAutoencoder {
    let configuration = file.metadata.configuration, schema = file.metadata.schema
    try Products.select(configuration.train.products, threads: configuration.train.threads)
    let autoencoder = try VariationalAutoencoder(
      configuration.modelSettings(file.metadata.shape, schema, file.metadata.condition),
      among: configuration.schema.registries,
      likelihood: configuration.likelihood(schema),
      objective: configuration.objectiveSettings, seed: UInt64(configuration.train.seed))
    let tensors = try SafetensorsFile(path: file.path)
    for parameter in autoencoder.store.parameters { try tensors.copy(parameter, into: autoencoder.store.values) }
    return autoencoder
  }

  /// What it is evaluated on: the samples that `spec` holds out where it has some, else all of it; without `spec` those
  /// that the run was validated on. Scaled as the model's training data was.
  /// - label: another column of a table than that of training.
  package func open(_ spec: String?, label: String? = nil) throws(Failure) -> Dataset {
    guard label == nil || condition?.kind != .label else {
      throw Failure(
        .usage,
        "--label: the model is told the labels that it was trained with (model.condition), which are of another column",
        hint: "leave --label out")
    }
    let data = if let spec { try held(spec, label) } else { try validation() }
    guard data.shape == shape else {
      throw Failure(
        .badData, "\(data.name): its samples are \(data.shape), but the model was trained on \(shape)",
        hint: "give data of the same shape (--data); data.image_size and data.channels are the model's own")
    }
    data.scaling = file.metadata.scaling
    data.requirement = try configuration.dataRequirement
    try data.adopt(condition)
    return data
  }

  private func held(_ spec: String, _ label: String?) throws(Failure) -> Dataset {
    var table = configuration.data.table
    guard label == nil || table.isMixed else {
      throw Failure(
        .usage, "--label names a column of a table, and the model was not trained on one (data.columns)",
        hint: "give labels as y of an .npz, or as a folder for each class")
    }
    table.label = label ?? table.label
    let whole = try openWhole(
      spec, images: ImageOptions(size: configuration.data.imageSize, channels: configuration.data.channels),
      table: table, schema: file.metadata.schema)
    return whole.valid ?? whole.train
  }

  private func validation() throws(Failure) -> Dataset {
    do { return try configuration.openSets(schema: file.metadata.schema).valid } catch {
      guard error.status == .missingInput else { throw error }
      var failure = error
      failure.hint = "the run's own data is not where it was: give --data SPEC"
      throw failure
    }
  }

  /// In what unit an image's likelihood is told beside nats; nil where it says nothing.
  package var bits: BitsPerDimension? {
    guard shape.isImage else { return nil }
    return BitsPerDimension(
      autoencoder.likelihood.nature, dimensions: shape.elementCount, scale: file.metadata.scaling.scale)
  }
}

extension TrainedModel {
  /// In the units of the data, as it was before scaling. x (count, elements)
  package func unscaled(_ x: [Float]) -> [Float] { file.metadata.scaling.undo(x) }
}
