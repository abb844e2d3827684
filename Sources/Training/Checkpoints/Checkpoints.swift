import Communication
import Foundation
import Kernels
import Layers
import Optimizers
import Persistence

/// Saves and restores what a run is made of. Only rank 0 touches the disk and knows what is on it; restored values
/// reach the others by broadcast, and nothing that the others decide depends on what is asked here.
package final class Checkpoints {
  private let store: CheckpointStore?
  private let metadata: [String: String]
  private var saved: Set<Int> = []
  /// The newest checkpoint, until a finite step beyond it has shown it to be valid.
  private var unproven: Int?
  private var proven: Int?
  private var lastFailure: Failure?
  /// When one checkpoint was named, no other will do.
  private var onlyStep: Int?
  /// The directory, absolute and without links; what it is when it is not there. Empty on ranks other than 0.
  private let place: String
  /// Called before anything is written; makes the run directory anew where it has vanished, and says so.
  package var beforeSaving: () throws(Failure) -> String? = { () throws(Failure) in nil }
  /// Called once more when a checkpoint is written and about to take its name.
  package var beforeInstalling: () -> Void {
    get { store?.beforeInstalling ?? {} }
    set { store?.beforeInstalling = newValue }
  }

  /// - directory: where checkpoints live; nil on ranks other than 0.
  package init(directory: String?, keep: Int, metadata: [String: String]) {
    store = directory.map { CheckpointStore(directory: $0, keep: keep) }
    place = directory.map(Checkpoints.absolute) ?? ""
    self.metadata = metadata
  }

  /// To read from a run directory, its `checkpoints`, or one checkpoint; nil on ranks other than 0.
  package init(reading path: String?) {
    metadata = [:]
    guard var path else {
      (store, place) = (nil, "")
      return
    }
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    let resolved = URL(fileURLWithPath: path).resolvingSymlinksInPath()
    // What was removed since is still known by its name.
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

  /// In the optimiser's file, before the names of the parameters that training goes on from; where they are averaged.
  private static let trained = "trained"

  /// Whether both are the same directory; root only.
  func isSamePlace(as other: Checkpoints) -> Bool { place == other.place }

  /// What a run that begins from this checkpoint remembers of it.
  func origin(step: Int) -> TrainingState.Origin { TrainingState.Origin(checkpoints: place, step: step) }

  /// Whether a run that began from there began from what is named here.
  func isOrigin(_ origin: TrainingState.Origin?) -> Bool {
    origin?.checkpoints == place && (onlyStep == nil || onlyStep == origin?.step)
  }

  /// Returns what the user should know, beside that it was saved.
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
    // The model is what validation saw: the average, where there is one. What training goes on from is the optimiser's.
    let values = FileValues(parameters, optimizer.average ?? parameters.values)
    // Statistics have no moments, and the average has them as they are.
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

  /// Before the first step: whether checkpoints can be written at all; root only.
  package func requireWritable() throws(Failure) { try store?.requireWritable() }

  private func note(step: Int) {
    saved.insert(step)
    unproven = step
  }

  /// Whether this run wrote it or began from it, and it is there still: a directory can vanish; root only.
  package func isSaved(step: Int) -> Bool { saved.contains(step) && store?.steps().contains(step) ?? false }

  /// Whether the weights of a step are on disk; root only.
  func has(step: Int) -> Bool { store?.steps().contains(step) ?? false }

  /// The name `best` is that of a step, or of another where the weights of that one are gone; root only.
  func markBest(_ step: Int, or other: Int? = nil) {
    guard let found = [step, other].compactMap({ $0 }).first(where: has) else { return }
    try? store?.markBest(found)
  }

  /// A step (counted from 0) had finite sums: the checkpoint before it is valid.
  package func passed(step: Int) {
    guard let candidate = unproven, step >= candidate else { return }
    proven = candidate
    unproven = nil
  }

  /// Throws on every rank when the last state could not be written.
  package func requireSaved(step: Int, _ communicator: Communicator) throws(Failure) {
    try communicator.together { () throws(Failure) in
      guard communicator.isRoot, !isSaved(step: step) else { return }
      throw Failure(
        .inputOutput,
        "the state of step \(step) could not be saved: \(lastFailure?.message ?? "the checkpoint has vanished")",
        hint: lastFailure?.hint)
    }
  }

  /// What to go back to after a step that was not finite: the newest checkpoint proven valid; root only.
  package func lastValid() throws(Failure) -> TrainingState {
    guard let store else { throw Failure(.failure, "only rank 0 has checkpoints") }
    let newest = store.newestValid(atMost: proven ?? unproven ?? 0)
    guard let step = newest.step else {
      throw Failure(
        .diverged, "a step was not finite, and there is no checkpoint to go back to",
        hint: newest.skipped.first.map(\.reason.message) ?? "look at the disk of the run directory")
    }
    return try load(step: step)
  }

  /// Removes checkpoints newer than the one that the run went back to: nobody has shown them to be valid; root only.
  package func discard(above step: Int) {
    try? store?.discard(above: step)
    saved = saved.filter { $0 <= step }
    unproven = nil
    proven = step
  }

  /// The newest checkpoint that verifies and has a sound state, and what was passed over; root only. `fault`: what else
  /// may be wrong with a state, in words.
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

  /// state.json of a checkpoint; root only.
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

  /// Parameters and moments of a checkpoint, on every rank. Collective.
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

  /// The run goes on from this step: its checkpoint is there already, and still has to be shown valid; an older one
  /// serves until then; root only.
  package func resumed(at step: Int) {
    guard let onDisk = store?.steps(), onDisk.contains(step) else { return }
    note(step: step)
    proven = onDisk.first { $0 < step }
  }
}

extension SafetensorsFile {
  /// Copies a parameter, or what belongs to it under a longer name, to its place in a flat buffer.
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
