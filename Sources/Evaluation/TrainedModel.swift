import Communication
import RunConfiguration
import Data
import Kernels
import Persistence
import Training
import VAE

/// A model that was loaded from disk, with its weights, identical on every rank. It also opens the data sets to
/// evaluate it on.
package final class TrainedModel {
  package let file: ModelFile
  package let autoencoder: VariationalAutoencoder
  package var configuration: Configuration { file.metadata.configuration }
  package var shape: SampleShape { file.metadata.shape }
  /// The columns of the training table, or nil unless the model was trained on a mixed table.
  package var schema: TableSchema? { file.metadata.schema }
  /// What the model is conditioned on, or nil when it is unconditional.
  package var condition: Condition? { file.metadata.condition }
  package var seed: UInt64 { UInt64(configuration.train.seed) }

  /// Loads a model. This call is collective.
  /// - place: A run directory (its newest checkpoint is loaded), a checkpoint, or a `.safetensors` file.
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

  /// Opens the data set to evaluate the model on, scaled as the model's training data was.
  ///
  /// If `spec` has a held-out part, that part is opened, and otherwise the whole set. Without `spec`, the run's
  /// validation set is opened.
  /// - label: The label column of a table, when it is not the one used in training.
  package func open(_ spec: String?, label: String? = nil) throws(Failure) -> Dataset {
    guard label == nil || condition?.kind != .label else {
      throw Failure(
        .usage,
        "--label: the model is conditioned on the labels of the column that it was trained with (model.condition)",
        hint: "omit --label")
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
      failure.hint = "the run's own data has been moved or removed: give its new place with --data SPEC"
      throw failure
    }
  }

  /// Converts nats to bits per dimension; nil when the samples are not images or when the likelihood is not normalized.
  package var bits: BitsPerDimension? {
    guard shape.isImage else { return nil }
    return BitsPerDimension(
      autoencoder.likelihood.nature, dimensions: shape.elementCount, scale: file.metadata.scaling.scale)
  }
}

extension TrainedModel {
  /// Maps x from the model's scale back to the units of the data. x (count, elements)
  package func unscaled(_ x: [Float]) -> [Float] { file.metadata.scaling.undo(x) }
}
