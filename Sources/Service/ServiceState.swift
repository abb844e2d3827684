#if Service
import Foundation
import Synchronization

/// State that all requests share.
final class ServiceState: Sendable {
  let configuration: ServiceConfiguration
  let metrics = Metrics()
  let batcher: Batcher
  let began = Date()
  private let loaded = Mutex<LoadedModel?>(nil)
  private let stopping = Atomic(false)
  private let bytesAtWork = Atomic(0)

  init(_ configuration: ServiceConfiguration) {
    self.configuration = configuration
    batcher = Batcher(limit: configuration.queuedRows) { [metrics] in metrics.replayed(rows: $0) }
  }

  /// The model, or nil until it is loaded.
  var model: LoadedModel? { loaded.withLock { $0 } }
  var isStopping: Bool { stopping.load(ordering: .relaxed) }
  var isReady: Bool { !isStopping && model != nil }

  func open(_ model: LoadedModel) {
    metrics.begin(scoreBounds: model.scoreBounds)
    loaded.withLock { $0 = model }
  }

  func stop() { stopping.store(true, ordering: .relaxed) }

  func requireModel() throws -> LoadedModel {
    guard let model else { throw HTTPError.busy("the model is being loaded") }
    return model
  }

  /// Reserves memory for the bytes of a request, and throws when the limit is reached. `release` returns the memory.
  func reserve(_ bytes: Int) throws {
    let (_, sum) = bytesAtWork.add(bytes, ordering: .relaxed)
    guard sum > configuration.bytesAtWork else { return }
    release(bytes)
    throw HTTPError.busy("\(sum - bytes) bytes of other requests are being processed")
  }

  func release(_ bytes: Int) { bytesAtWork.subtract(bytes, ordering: .relaxed) }
}
#endif
