import Dispatch
import Foundation
import Kernels
import Persistence
import Synchronization
import Training
import VAE

/// A run's curves, pictures, histograms and embedding for TensorBoard, in `tensorboard/` of its directory. Rank 0 only.
///
/// Every start of the run writes a file of its own; what files before it say of later steps is cut off, and readers that
/// have seen it are told. A queue writes, and only what a step has to say is not waited for; `troubles` and `backlog`
/// are anybody's, everything else that changes is the queue's.
package final class TensorBoardWriter: TrainingObserver, @unchecked Sendable {
  private let directory: String
  private let everySteps: Int
  private let queue = DispatchQueue(label: "tensorboard")
  private let backlog = Atomic<Int>(0)
  private static let longestBacklog = 1 << 16
  /// What went wrong beside the steps, until the next event tells it.
  private let troubles = Mutex<Failure?>(nil)
  private var log: RecordLog?
  /// The last step that was told of.
  private var step = 0
  private static let prefix = "events.out.tfevents."

  /// - everySteps: as of metrics.jsonl; 0: epochs only.
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

  /// Nothing is allocated for a step without an event.
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
    // A directory that has vanished takes the file with it.
    if log?.isInPlace != true { try begin() }
    try log?.append(TensorBoardEvent(step: step, values).bytes)
    self.step = step
  }

  /// A new file for what comes after `step`.
  private func begin() throws(Failure) {
    log = nil
    try RunDirectory.make(directory)
    let old = try files()
    for path in old.map({ directory + "/" + $0 }) {
      let kept = try RecordLog.cut(path) { record in (TensorBoardEvent.step(of: record) ?? .max) <= step }
      // No more than the version.
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

  /// TensorBoard reads files in the order of their names, which begin with a time: later than those that are there,
  /// whatever the clock says.
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
        // Not how many units have so much: how much each has, from the first to the last.
        .histogram("latent/kl_by_unit", units),
      ].compactMap { $0 }
  }
}
