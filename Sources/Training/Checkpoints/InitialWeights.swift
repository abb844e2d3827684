import Communication
import RunConfiguration
import Data
import Kernels
import Layers
import Persistence

/// Weights of an existing model from which a training starts. They can come from another program.
struct InitialWeights {
  private let path: String
  private let file: SafetensorsFile

  /// Opens the weights.
  ///
  /// - Parameter place: A run directory, whose newest checkpoint is used, a checkpoint, or a `.safetensors` file.
  init(_ place: String) throws(Failure) {
    // A `.safetensors` file is not opened as a `ModelFile`, because a file from another program lacks its metadata.
    path = place.hasSuffix(".safetensors") ? place : try ModelFile(place).path
    file = try SafetensorsFile(path: path)
  }

  /// Copies all parameters. The names and shapes in the file must be exactly those of the model.
  func fill(_ store: ParameterStore) throws(Failure) {
    if let fault = firstFault(store) {
      throw Failure(
        .badConfiguration, "train.init_from: \(fault)",
        hint: "give the model.* keys that \(path) was made with, or --set train.init_partial=true for what fits")
    }
    for parameter in store.parameters { try take(parameter, into: store) }
  }

  /// Copies one parameter. Values that are not finite are refused, because training would only be rolled back
  /// repeatedly.
  private func take(_ parameter: Parameter, into store: ParameterStore) throws(Failure) {
    try file.copy(parameter, into: store.values)
    let values = UnsafeBufferPointer(start: store.values + parameter.offset, count: parameter.shape.count)
    guard values.allSatisfy(\.isFinite) else {
      throw Failure(
        .badData, "train.init_from: tensor \"\(parameter.name)\" of \(path.printable) holds values that are not finite",
        hint: "give weights of a training that did not diverge")
    }
  }

  /// Copies the tensors that fit. Returns the names of the parameters that keep their initial values.
  func fillPartially(_ store: ParameterStore) throws(Failure) -> [String] {
    let fitting = store.parameters.filter { shape(of: $0.name) == $0.fileShape }
    guard !fitting.isEmpty else {
      throw Failure(
        .badConfiguration, "train.init_from: \(path.printable) has no tensor that fits the model",
        hint: "`vae-dist inspect` shows the names and shapes of both")
    }
    for parameter in fitting { try take(parameter, into: store) }
    return store.parameters.map(\.name).filter { name in !fitting.contains { $0.name == name } }
  }

  private func shape(of name: String) -> [Int]? { file.tensors.first { $0.name == name }?.shape }

  private func firstFault(_ store: ParameterStore) -> String? {
    for parameter in store.parameters {
      guard let found = shape(of: parameter.name) else {
        return "\(path.printable) has no tensor \"\(parameter.name)\", which the model has"
      }
      if found != parameter.fileShape {
        return "tensor \"\(parameter.name)\" of \(path.printable) has shape \(found), and the model's is "
          + "\(parameter.fileShape)"
      }
    }
    let extra = file.tensors.first { store[$0.name] == nil }
    return extra.map { "\(path.printable) has a tensor \"\($0.name.printable)\", which the model does not have" }
  }

  /// Returns a warning if the weights were trained on data with a different scaling.
  func warning(_ scaling: Scaling) -> String? {
    guard let other = try? ModelMetadata(file.metadata, path: path), other.scaling != scaling else { return nil }
    return "train.init_from: \(path.printable) was trained on data that was scaled differently"
  }

  /// Reads the weights on every rank. A later comparison of the parameters ensures that all ranks have read the same
  /// values. Returns warnings for the user. Collective.
  static func take(
    _ configuration: Configuration, _ store: ParameterStore, _ scaling: Scaling, _ communicator: Communicator
  ) throws(Failure) -> [String] {
    let place = configuration.train.initFrom, isPartial = configuration.train.initPartial
    return try communicator.together { () throws(Failure) in
      let weights = try InitialWeights(place), warnings = [weights.warning(scaling)].compactMap { $0 }
      guard isPartial else {
        try weights.fill(store)
        return warnings
      }
      let left = try weights.fillPartially(store)
      return warnings
        + (left.isEmpty ? [] : ["train.init_from: not taken from the file: " + left.joined(separator: ", ")])
    }
  }
}
