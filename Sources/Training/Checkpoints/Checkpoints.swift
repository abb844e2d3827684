import Communication
import Foundation
import Kernels
import Layers
import Optimizers
import Persistence

/// Saves and restores the state of a run.
///
/// Only rank 0 accesses the disk and knows which checkpoints exist. Restored values reach the other ranks by broadcast,
/// and the other ranks make no decisions from the return values of this class.
package final class Checkpoints {
  private let store: CheckpointStore?
  private let metadata: [String: String]
  private var saved: Set<Int> = []
  /// Step of the newest checkpoint until a later finite step has shown that it is valid.
  private var unproven: Int?
  private var proven: Int?
  private var lastFailure: Failure?
  /// Set if the path names a single checkpoint. No other checkpoint is used then.
  private var onlyStep: Int?
  /// Absolute path of the directory with symbolic links resolved; empty on ranks other than 0. It identifies the
  /// directory even after it was removed.
  private let place: String
  /// Called before a checkpoint is written. It recreates the run directory if it has vanished, and returns a notice for
  /// the user in that case.
  package var beforeSaving: () throws(Failure) -> String? = { () throws(Failure) in nil }
  /// Called when a checkpoint is written completely and is about to be renamed to its final name.
  package var beforeInstalling: () -> Void {
    get { store?.beforeInstalling ?? {} }
    set { store?.beforeInstalling = newValue }
  }

  /// Creates an object that writes to and reads from `directory`, which is nil on ranks other than 0.
  package init(directory: String?, keep: Int, metadata: [String: String]) {
    store = directory.map { CheckpointStore(directory: $0, keep: keep) }
    place = directory.map(Checkpoints.absolute) ?? ""
    self.metadata = metadata
  }

  /// Creates an object that reads checkpoints. `path` is a run directory, its subdirectory `checkpoints`, or a single
  /// checkpoint; it is nil on ranks other than 0.
  package init(reading path: String?) {
    metadata = [:]
    guard var path else {
      (store, place) = (nil, "")
      return
    }
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    let resolved = URL(fileURLWithPath: path).resolvingSymlinksInPath()
    // A checkpoint that no longer exists is recognised by its name.
    let parent = resolved.deletingLastPathComponent()
    let isNamedAsOne = resolved.lastPathComponent.hasPrefix("step-") && parent.lastPathComponent == "checkpoints"
    if isNamedAsOne || FileManager.default.fileExists(atPath: path + "/state.json") {
      onlyStep = resolved.lastPathComponent.split(separator: "-").last.flatMap { Int($0) }
      path = parent.path
    } else {
      let inner = path + "/checkpoints"
      let isFolderOfCheckpoints = URL(fileURLWithPath: path).lastPathComponent == "checkpoints"
      if FileManager.default.fileExists(atPath: inner) || !isFolderOfCheckpoints { path = inner }
    }
    store = CheckpointStore(directory: path, keep: .max)
    place = Checkpoints.absolute(path)
  }

  private static func absolute(_ path: String) -> String {
    URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.path
  }

  /// Prefix of parameter names in the optimiser's file. It is used if the parameters are averaged, for the values that
  /// training continues from.
  private static let trained = "trained"

  /// Whether both objects refer to the same directory; rank 0 only.
  func isSamePlace(as other: Checkpoints) -> Bool { place == other.place }

  /// The record of this checkpoint that a run keeps if it starts from it.
  func origin(step: Int) -> TrainingState.Origin { TrainingState.Origin(checkpoints: place, step: step) }

  /// Whether a run with this origin started from the checkpoint or directory that this object refers to.
  func isOrigin(_ origin: TrainingState.Origin?) -> Bool {
    origin?.checkpoints == place && (onlyStep == nil || onlyStep == origin?.step)
  }

  /// Writes a checkpoint. On ranks other than 0, nothing is done.
  ///
  /// - Returns: A notice for the user if something unexpected happened; otherwise nil.
  /// - Throws: `Failure` if the checkpoint cannot be written.
  package func save(
    _ state: TrainingState, _ parameters: ParameterStore, _ optimizer: Optimizer, best: Bool
  ) throws(Failure) -> String? {
    guard let store else { return nil }
    var notice: String?
    do { notice = try beforeSaving() } catch {
      lastFailure = error
      throw error
    }
    let described = parameters.parameters.map { TensorDescription(name: $0.name, shape: $0.fileShape) }
    var metadata = metadata
    metadata["vae_dist.step"] = "\(state.step)"
    metadata["vae_dist.epoch"] = "\(state.epoch)"
    let header = Safetensors.encodeHeader(described, metadata: metadata)
    // The model file contains the parameters that validation used, which are the average if there is one. The
    // parameters that training continues from are in the optimiser's file.
    let values = FileValues(parameters, optimizer.average ?? parameters.values)
    // Statistics have no optimiser state, and the average contains them unchanged.
    let learned = zip(parameters.parameters, described).filter(\.0.isLearned).map(\.1)
    let states = Array(zip(optimizer.settings.rule.state, optimizer.state))
    var kinds = states.map { ($0, FileValues(parameters, $1, learnedOnly: true)) }
    if optimizer.average != nil {
      kinds.append((Checkpoints.trained, FileValues(parameters, parameters.values, learnedOnly: true)))
    }
    defer { withExtendedLifetime((values, kinds)) {} }
    let momentsHeader = Safetensors.encodeHeader(
      kinds.flatMap { kind, _ in learned.map { TensorDescription(name: "\(kind).\($0.name)", shape: $0.shape) } },
      metadata: [:])
    let text = try state.encoded()
    var failure: Failure?
    header.withUnsafeBytes { header in
      momentsHeader.withUnsafeBytes { momentsHeader in
        text.withUnsafeBytes { text in
          do {
            try store.save(
              step: state.step,
              files: [
                CheckpointFile(name: "model.safetensors", chunks: [header] + values.chunks),
                CheckpointFile(
                  name: "optimizer.safetensors", chunks: [momentsHeader] + kinds.flatMap(\.1.chunks)),
                CheckpointFile(name: "state.json", chunks: [text]),
              ], best: best, protecting: Set([proven].compactMap { $0 }))
          } catch let error as Failure { failure = error } catch {}
        }
      }
    }
    lastFailure = failure
    if let failure { throw failure }
    note(step: state.step)
    return notice
  }

  /// Checks before the first step that checkpoints can be written; rank 0 only.
  package func requireWritable() throws(Failure) { try store?.requireWritable() }

  private func note(step: Int) {
    saved.insert(step)
    unproven = step
  }

  /// Whether this run wrote or started from the checkpoint of `step` and the checkpoint still exists; rank 0 only.
  package func isSaved(step: Int) -> Bool { saved.contains(step) && store?.steps().contains(step) ?? false }

  /// Whether the checkpoint of `step` exists; rank 0 only.
  func has(step: Int) -> Bool { store?.steps().contains(step) ?? false }

  /// Points the name `best` to the checkpoint of `step`, or to that of `other` if the first no longer exists; rank 0
  /// only.
  func markBest(_ step: Int, or other: Int? = nil) {
    guard let found = [step, other].compactMap({ $0 }).first(where: has) else { return }
    try? store?.markBest(found)
  }

  /// Records that `step`, counted from 0, was finite, which shows that the checkpoint before it is valid.
  package func passed(step: Int) {
    guard let candidate = unproven, step >= candidate else { return }
    proven = candidate
    unproven = nil
  }

  /// Checks that the last state was saved. Collective.
  ///
  /// - Throws: `Failure` on every rank if it was not.
  package func requireSaved(step: Int, _ communicator: Communicator) throws(Failure) {
    try communicator.together { () throws(Failure) in
      guard communicator.isRoot, !isSaved(step: step) else { return }
      throw Failure(
        .inputOutput,
        "the state of step \(step) could not be saved: \(lastFailure?.message ?? "the checkpoint has vanished")",
        hint: lastFailure?.hint)
    }
  }

  /// The state to return to after a non-finite step: the newest checkpoint that is known to be valid; rank 0 only.
  package func lastValid() throws(Failure) -> TrainingState {
    guard let store else { throw Failure(.failure, "only rank 0 has checkpoints") }
    let newest = store.newestValid(atMost: proven ?? unproven ?? 0)
    guard let step = newest.step else {
      throw Failure(
        .diverged, "a step was not finite, and there is no checkpoint to go back to",
        hint: newest.skipped.first.map(\.reason.message) ?? "check the disk of the run directory")
    }
    return try load(step: step)
  }

  /// Removes the checkpoints above the step that the run returned to, because they may be invalid; rank 0 only.
  package func discard(above step: Int) {
    try? store?.discard(above: step)
    saved = saved.filter { $0 <= step }
    unproven = nil
    proven = step
  }

  /// Finds the newest checkpoint that can be verified and has a plausible state; rank 0 only.
  ///
  /// - Parameter fault: Returns a description of an additional fault in a state, or nil.
  /// - Returns: The state, if any, and the newer checkpoints that were skipped.
  package func newest(
    where fault: (TrainingState) -> String?
  ) -> (state: TrainingState?, skipped: [(step: Int, reason: Failure)]) {
    guard let store else { return (nil, []) }
    func sound(_ step: Int) throws(Failure) -> TrainingState {
      let state = try load(step: step)
      if let fault = fault(state) { throw Failure(.badData, "\(store.path(step: step))/state.json: \(fault)") }
      return state
    }
    if let onlyStep {
      do {
        try store.verify(step: onlyStep)
        return (try sound(onlyStep), [])
      } catch {
        return (nil, [(onlyStep, error)])
      }
    }
    var skipped: [(step: Int, reason: Failure)] = []
    var limit: Int?
    while true {
      let found = store.newestValid(atMost: limit)
      skipped += found.skipped
      guard let step = found.step else { return (nil, skipped) }
      do { return (try sound(step), skipped) } catch { skipped.append((step, error)) }
      limit = step - 1
    }
  }

  /// Reads state.json of the checkpoint of `step`; rank 0 only.
  package func load(step: Int) throws(Failure) -> TrainingState {
    guard let store else { throw Failure(.failure, "only rank 0 has checkpoints") }
    let path = store.path(step: step) + "/state.json"
    let state = try TrainingState.decode(try DurableFile.read(path), from: path)
    guard state.step == step else {
      throw Failure(
        .badData, "\(path): step is \(state.step), and its directory is that of step \(step)",
        hint: "use another checkpoint")
    }
    return state
  }

  /// Restores parameters and optimiser state from a checkpoint on every rank. Collective.
  package func restore(
    step: Int, _ parameters: ParameterStore, _ optimizer: Optimizer, _ communicator: Communicator
  ) throws(Failure) {
    try communicator.together { () throws(Failure) in
      guard let store else { return }
      let model = try SafetensorsFile(path: store.path(step: step) + "/model.safetensors")
      let moments = try SafetensorsFile(path: store.path(step: step) + "/optimizer.safetensors")
      let trained = Checkpoints.trained + "."
      let isAveraged = moments.tensors.contains { $0.name.hasPrefix(trained) }
      for parameter in parameters.parameters {
        if let average = optimizer.average { try model.copy(parameter, into: average) }
        let isInModel = !isAveraged || !parameter.isLearned
        try (isInModel ? model : moments).copy(parameter, prefix: isInModel ? "" : trained, into: parameters.values)
        guard parameter.isLearned else { continue }
        for (name, buffer) in zip(optimizer.settings.rule.state, optimizer.state) {
          try moments.copy(parameter, prefix: name + ".", into: buffer)
        }
      }
    }
    let whole = [parameters.values] + [optimizer.average].compactMap { $0 }
    let buffers = whole.map { ($0, parameters.count) } + optimizer.state.map { ($0, parameters.learnedCount) }
    for (base, count) in buffers {
      let bytes = UnsafeMutableRawBufferPointer(start: base, count: count * MemoryLayout<Float>.stride)
      try optimizer.isShared ? communicator.broadcastToNodes(bytes) : communicator.broadcast(bytes)
    }
    saved.insert(step)
    proven = step
  }

  /// Records that the run continues from the existing checkpoint of `step`; rank 0 only. Until a finite step has shown
  /// that this checkpoint is valid, a rollback uses the next older one.
  package func resumed(at step: Int) {
    guard let onDisk = store?.steps(), onDisk.contains(step) else { return }
    note(step: step)
    proven = onDisk.first { $0 < step }
  }
}

extension SafetensorsFile {
  /// Copies the tensor of a parameter, or one whose name has an additional prefix, to the parameter's place in a flat
  /// buffer.
  package func copy(
    _ parameter: Parameter, prefix: String = "", into buffer: UnsafeMutablePointer<Float>
  ) throws(Failure) {
    let name = prefix + parameter.name
    guard let layout = parameter.layout else {
      return try copy(name, shape: parameter.fileShape, into: buffer + parameter.offset)
    }
    let values = Buffer(count: parameter.shape.count)
    try copy(name, shape: parameter.fileShape, into: values.base)
    layout.read(values.base, to: buffer + parameter.offset)
  }
}
