import Communication
import Foundation
import Kernels
import Layers
import Persistence

/// Saves and restores what a run is made of. Only rank 0 touches the disk; restored values reach the others by
/// broadcast.
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

  /// - directory: where checkpoints live; nil on ranks other than 0.
  package init(directory: String?, keep: Int, metadata: [String: String]) {
    store = directory.map { CheckpointStore(directory: $0, keep: keep) }
    self.metadata = metadata
  }

  /// To read from a run directory, its `checkpoints`, or one checkpoint; nil on ranks other than 0.
  package init(reading path: String?) {
    metadata = [:]
    guard var path else {
      store = nil
      return
    }
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    let isCheckpoint = FileManager.default.fileExists(atPath: path + "/state.json")
    if isCheckpoint {
      let resolved = URL(fileURLWithPath: path).resolvingSymlinksInPath()
      onlyStep = resolved.lastPathComponent.split(separator: "-").last.flatMap { Int($0) }
      store = CheckpointStore(directory: resolved.deletingLastPathComponent().path, keep: .max)
    } else {
      let inner = path + "/checkpoints"
      store = CheckpointStore(
        directory: FileManager.default.fileExists(atPath: inner) ? inner : path, keep: .max)
    }
  }

  package func save(
    _ state: TrainingState, _ parameters: ParameterStore, _ optimizer: Optimizer, best: Bool
  ) throws(Failure) {
    guard let store else { return }
    let described = parameters.parameters.map { TensorDescription(name: $0.name, shape: $0.shape.dimensions) }
    var metadata = metadata
    metadata["vae_dist.step"] = "\(state.step)"
    metadata["vae_dist.epoch"] = "\(state.epoch)"
    let header = Safetensors.encodeHeader(described, metadata: metadata)
    let moments = Safetensors.encodeHeader(
      ["first", "second"].flatMap { kind in
        described.map { TensorDescription(name: "\(kind).\($0.name)", shape: $0.shape) }
      }, metadata: [:])
    let text = try state.encoded()
    func block(_ base: UnsafeMutablePointer<Float>) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(start: base, count: parameters.count * MemoryLayout<Float>.stride)
    }
    var failure: Failure?
    header.withUnsafeBytes { header in
      moments.withUnsafeBytes { moments in
        text.withUnsafeBytes { text in
          do {
            try store.save(
              step: state.step,
              files: [
                CheckpointFile(name: "model.safetensors", chunks: [header, block(parameters.values)]),
                CheckpointFile(
                  name: "optimizer.safetensors", chunks: [moments, block(optimizer.first), block(optimizer.second)]),
                CheckpointFile(name: "state.json", chunks: [text]),
              ], best: best, protecting: Set([proven].compactMap { $0 }))
          } catch let error as Failure { failure = error } catch {}
        }
      }
    }
    lastFailure = failure
    if let failure { throw failure }
    note(step: state.step)
  }

  /// Remembers that this step was to be saved, on ranks that do not write.
  package func note(step: Int) {
    saved.insert(step)
    unproven = step
  }

  package func isSaved(step: Int) -> Bool { saved.contains(step) }

  /// A step (counted from 0) had finite sums: the checkpoint before it is valid.
  package func passed(step: Int) {
    guard let candidate = unproven, step >= candidate else { return }
    proven = candidate
    unproven = nil
  }

  /// Throws on every rank when the last state could not be written.
  package func requireSaved(step: Int, _ communicator: Communicator) throws(Failure) {
    try communicator.together { () throws(Failure) in
      guard communicator.isRoot, !saved.contains(step) else { return }
      throw lastFailure ?? Failure(.inputOutput, "the state of step \(step) could not be saved")
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

  /// Removes checkpoints newer than the one that the run went back to: nobody has shown them to be valid.
  package func discard(above step: Int) {
    try? store?.discard(above: step)
    saved = saved.filter { $0 <= step }
    unproven = nil
    proven = step
  }

  /// The newest checkpoint that verifies, and what was passed over; root only.
  package func newest() -> (step: Int?, skipped: [(step: Int, reason: Failure)]) {
    guard let store else { return (nil, []) }
    guard let onlyStep else { return store.newestValid(atMost: nil) }
    do {
      try store.verify(step: onlyStep)
      return (onlyStep, [])
    } catch {
      return (nil, [(onlyStep, error)])
    }
  }

  /// state.json of a checkpoint; root only.
  package func load(step: Int) throws(Failure) -> TrainingState {
    guard let store else { throw Failure(.failure, "only rank 0 has checkpoints") }
    let path = store.path(step: step) + "/state.json"
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Failure(.missingInput, "\(path): cannot be read")
    }
    return try TrainingState.decode([UInt8](data), from: path)
  }

  /// Parameters and moments of a checkpoint, on every rank. Collective.
  package func restore(
    step: Int, _ parameters: ParameterStore, _ optimizer: Optimizer, _ communicator: Communicator
  ) throws(Failure) {
    try communicator.together { () throws(Failure) in
      guard let store else { return }
      let model = try SafetensorsFile(path: store.path(step: step) + "/model.safetensors")
      let moments = try SafetensorsFile(path: store.path(step: step) + "/optimizer.safetensors")
      for parameter in parameters.parameters {
        let shape = parameter.shape.dimensions
        try model.copy(parameter.name, shape: shape, into: parameters.values + parameter.offset)
        try moments.copy("first.\(parameter.name)", shape: shape, into: optimizer.first + parameter.offset)
        try moments.copy("second.\(parameter.name)", shape: shape, into: optimizer.second + parameter.offset)
      }
    }
    for base in [parameters.values, optimizer.first, optimizer.second] {
      let bytes = UnsafeMutableRawBufferPointer(start: base, count: parameters.count * MemoryLayout<Float>.stride)
      try optimizer.isShared ? communicator.broadcastToNodes(bytes) : communicator.broadcast(bytes)
    }
    saved.insert(step)
    proven = step
  }

  /// The run goes on from this step: its checkpoint is there already, and still has to be shown valid; an older one
  /// serves until then.
  package func resumed(at step: Int) {
    guard let store else { return note(step: step) }
    let onDisk = store.steps()
    guard onDisk.contains(step) else { return }
    note(step: step)
    proven = onDisk.first { $0 < step }
  }

}
