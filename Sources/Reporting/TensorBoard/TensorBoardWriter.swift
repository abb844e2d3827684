import Dispatch
import Foundation
import Kernels
import Persistence
import Synchronization
import Training
import VAE

/// Writes a run's curves, pictures, histograms and embedding for TensorBoard to `tensorboard/` in its directory. Rank 0
/// only.
///
/// Every start of a run creates a new file. Records of later steps are removed from earlier files, and readers that
/// have seen them are told to discard them. A queue does the writing, and the training loop does not wait for the
/// values of a step. `troubles` and `backlog` may be used from any thread; all other mutable state belongs to the
/// queue.
package final class TensorBoardWriter: TrainingObserver, @unchecked Sendable {
  private let directory: String
  private let everySteps: Int
  private let queue = DispatchQueue(label: "tensorboard")
  private let backlog = Atomic<Int>(0)
  private static let longestBacklog = 1 << 16
  /// The first failure of an asynchronous write, which is reported with the next event.
  private let troubles = Mutex<Failure?>(nil)
  private var log: RecordLog?
  /// The last step that was written.
  private var step = 0
  private static let prefix = "events.out.tfevents."

  /// - everySteps: the interval of steps, as in metrics.jsonl; 0 writes epochs only.
  package init(runDirectory path: String, everySteps: Int) {
    directory = path + "/tensorboard"
    self.everySteps = everySteps
  }

  package func observe(_ event: TrainingEvent) throws(Failure) {
    if case .step(let report) = event { note(report) } else { try inTurn { () throws(Failure) in try tell(event) } }
    if let trouble = troubles.withLock({ $0.take() }) { throw trouble }
  }

  func show(_ picture: EncodedPicture, _ name: String, step: Int) throws(Failure) {
    try inTurn { () throws(Failure) in try write(step, [.image(name, picture)]) }
  }

  private func inTurn(_ body: () throws(Failure) -> Void) throws(Failure) {
    let result: Result<Void, Failure> = queue.sync {
      do throws(Failure) { return .success(try body()) } catch { return .failure(error) }
    }
    try result.get()
  }

  /// Writes the values of a step. Allocates nothing for steps that are not written.
  private func note(_ report: StepReport) {
    guard everySteps > 0, report.step % everySteps == 0 else { return }
    if backlog.add(1, ordering: .relaxed).newValue > TensorBoardWriter.longestBacklog { queue.sync {} }
    queue.async { [self] in
      do throws(Failure) { try write(report.step, report.values) } catch { troubles.withLock { $0 = $0 ?? error } }
      backlog.subtract(1, ordering: .relaxed)
    }
  }

  private func tell(_ event: TrainingEvent) throws(Failure) {
    switch event {
    case .started(let report):
      step = report.resumedFrom ?? 0
      try begin()
    case .rollback(let report):
      step = report.restoredStep
      try begin()
    case .epoch(let report): try write(report.step, report.values)
    case .embedding(let report): try Projector(directory).write(report)
    case .stopped: try log?.sync()
    case .pictures, .step, .checkpoint, .collapse, .finding, .treatment, .warning: break
    }
  }

  private func write(_ step: Int, _ values: [TensorBoardEvent.Value]) throws(Failure) {
    // If the directory was removed, the open file is gone too, and a new one is begun.
    if log?.isInPlace != true { try begin() }
    try log?.append(TensorBoardEvent(step: step, values).bytes)
    self.step = step
  }

  /// Begins a new file for the steps after `step`.
  private func begin() throws(Failure) {
    log = nil
    try RunDirectory.make(directory)
    let old = try files()
    for path in old.map({ directory + "/" + $0 }) {
      let kept = try RecordLog.cut(path) { record in (TensorBoardEvent.step(of: record) ?? .max) <= step }
      // The file contains only its version event.
      if kept < 2 { unlink(path) }
    }
    let path = directory + "/" + name(after: old)
    let fresh = try RecordLog(creating: path)
    do throws(Failure) {
      try fresh.append(TensorBoardEvent.version.bytes)
      try fresh.append(TensorBoardEvent.start(at: step + 1).bytes)
    } catch {
      unlink(path)
      throw error
    }
    log = fresh
  }

  private func files() throws(Failure) -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: directory)
        .filter { $0.hasPrefix(TensorBoardWriter.prefix) }
    } catch { throw Failure(.inputOutput, "\(directory): cannot be read: \(error.localizedDescription)") }
  }

  /// Returns a name for a new file. TensorBoard reads files in the order of their names, which begin with a time. The
  /// time is therefore later than those of existing files, whatever the clock says.
  private func name(after old: [String]) -> String {
    let times = old.compactMap { Int($0.dropFirst(TensorBoardWriter.prefix.count).prefix { $0 != "." }) }
    let now = max(Int(Date().timeIntervalSince1970), (times.max() ?? 0) + 1)
    return TensorBoardWriter.prefix + String(format: "%010d", now) + ".\(Machine.name).\(getpid())"
  }
}

extension StepReport {
  fileprivate var values: [TensorBoardEvent.Value] {
    [
      .scalar("step/recon", train.reconstruction), .scalar("step/kl", train.kl),
      .scalar("step/neg_elbo", train.negativeELBO), .scalar("step/beta", beta),
      .scalar("step/learning_rate", learningRate), .scalar("step/grad_norm", gradientNorm),
    ]
  }
}

extension EpochReport {
  fileprivate var values: [TensorBoardEvent.Value] {
    let units = Histogram(
      edges: (0...valid.klPerUnit.count).map(Double.init), counts: valid.klPerUnit.map { max(0, $0) })
    let curves = EpochNumber.all.compactMap { number -> TensorBoardEvent.Value? in
      guard let tag = number.tag, let value = number.value(self) else { return nil }
      return .scalar(tag, value)
    }
    return curves
      + [
        .histogram("latent/mu", valid.mu), .histogram("latent/sigma", valid.sigma),
        // This is not a distribution over units: each bin is a unit, and its count is the KL of that unit.
        .histogram("latent/kl_by_unit", units),
      ].compactMap { $0 }
  }
}
