import Foundation
import Kernels
import Persistence

/// A model on disk, given by a run directory, a checkpoint directory, or a `.safetensors` file.
package struct ModelFile {
  package let path: String
  package let metadata: ModelMetadata
  package let tensors: [TensorDescription]
  package let step: Int
  package let epoch: Int
  package let digest: String
  /// The training state of the checkpoint that contains the model; nil if there is none.
  package let training: TrainingState?
  /// Warnings about checkpoints that were skipped because they are damaged.
  package let warnings: [String]

  /// Opens a model and computes its digest.
  ///
  /// - Throws: `Failure` if there is no model at this path, or if it is damaged or was not written by this program.
  package init(_ place: String) throws(Failure) {
    var place = place, warnings = [String]()
    while place.count > 1, place.hasSuffix("/") { place.removeLast() }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: place, isDirectory: &isFolder) else {
      throw Failure(
        .missingInput, "\(place): there is no such run, checkpoint or file",
        hint: "give a run directory (runs/...), one of its checkpoints, or a .safetensors file")
    }
    path = isFolder.boolValue ? try ModelFile.find(in: place, warnings: &warnings) : place
    self.warnings = warnings
    let file = try SafetensorsFile(path: path)
    metadata = try ModelMetadata(file.metadata, path: path)
    tensors = file.tensors
    step = file.metadata["vae_dist.step"].flatMap { Int($0) } ?? 0
    epoch = file.metadata["vae_dist.epoch"].flatMap { Int($0) } ?? 0
    digest = try ModelFile.digest(file, path: path)
    training = ModelFile.training(beside: path, step: step)
  }

  private static func training(beside path: String, step: Int) -> TrainingState? {
    let place = URL(fileURLWithPath: path).deletingLastPathComponent().path + "/state.json"
    guard let bytes = try? DurableFile.read(place), let state = try? TrainingState.decode(bytes, from: place),
      state.step == step
    else { return nil }
    return state
  }

  private static func find(in folder: String, warnings: inout [String]) throws(Failure) -> String {
    let direct = folder + "/model.safetensors"
    if FileManager.default.fileExists(atPath: direct) { return direct }
    let checkpoints = FileManager.default.fileExists(atPath: folder + "/checkpoints") ? folder + "/checkpoints" : folder
    let store = CheckpointStore(directory: checkpoints, keep: .max)
    let found = store.newestValid(atMost: nil)
    warnings = found.skipped.map {
      "the checkpoint of step \($0.step) is damaged and was skipped: \($0.reason.message)"
    }
    guard let step = found.step else {
      throw Failure(
        found.skipped.isEmpty ? .missingInput : .badData, "\(folder): no checkpoint that can be read",
        hint: found.skipped.first.map(\.reason.message) ?? "give a run directory made by `vae-dist train`")
    }
    return store.path(step: step) + "/model.safetensors"
  }

  /// SHA-256 of the bytes of all parameters, in the order of the file, which is the order of the parameter store.
  private static func digest(_ file: SafetensorsFile, path: String) throws(Failure) -> String {
    let hash = SHA256()
    let total = file.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
    let activity = Activity("computing the digest of \(path)", of: total)
    defer { activity.end() }
    for tensor in file.tensors {
      let count = tensor.shape.reduce(1, *)  // checked against the file's length when it was opened
      let values = Buffer(count: count)
      try file.copy(tensor.name, shape: tensor.shape, into: values.base)
      hash.update(UnsafeRawBufferPointer(rebasing: values.bytes[..<(count * MemoryLayout<Float>.stride)]))
      Activity.advance(by: count)
    }
    return "sha256:" + hash.finish()
  }

  package var parameterCount: Int { tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }

  package var json: JSON {
    let keys = metadata.configuration.schema.keys.map { ($0.path, JSON.text($0.text(metadata.configuration))) }
    return .object([
      ("digest", .text(digest)), ("parameters", .integer(parameterCount)), ("step", .integer(step)),
      ("epoch", .integer(epoch)), ("config", .object(keys)),
      ("tensors", .object(tensors.map { ($0.name, .array($0.shape.map(JSON.integer))) })), ("path", .text(path)),
    ])
  }

  package var text: String {
    var lines = ["model       \(path)", "digest      \(digest)", "trained     \(step) steps, \(epoch) epochs"]
    lines.append("sample      \(metadata.shape)")
    lines.append("parameters  \(parameterCount)")
    let width = tensors.map(\.name.count).max() ?? 0
    for tensor in tensors {
      lines.append(
        "  " + tensor.name.padding(to: width) + "  (" + tensor.shape.map(String.init).joined(separator: ", ") + ")")
    }
    return (lines + ["", metadata.configuration.yaml]).joined(separator: "\n")
  }
}
