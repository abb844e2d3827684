#if Service
import Communication
import Evaluation
import Glibc
import Kernels
import Training

/// Serves a trained model over HTTP. `init` starts to listen, and `run` answers requests until the process receives a
/// stop signal.
package final class ScoringService {
  private let state: ServiceState
  private let server: HTTPServer

  /// Starts to listen. Until `run` is called, requests that need the model are answered with 503.
  package init(_ configuration: ServiceConfiguration) throws(Failure) {
    state = ServiceState(configuration)
    server = try HTTPServer(state)
    let (state, server) = (state, server)
    try Background.start("stop") {
      while StopSignals.pending == 0 { usleep(50_000) }
      state.stop()
      server.stop(limit: 2 * configuration.patience + state.configuration.lingering)
      state.model?.monitor.end()
      state.batcher.close()
    }
  }

  package var address: String {
    let host = state.configuration.host
    return "http://\(host.contains(":") ? "[\(host)]" : host):\(server.port)"
  }

  /// Answers requests with this model until SIGTERM or SIGINT arrives. Requests that arrived before the signal are
  /// still answered. The model is used only on the calling thread.
  package func run(_ model: TrainedModel, _ scorer: RowScorer, _ calibration: Calibration?) throws(Failure) {
    let replayer = ModelReplayer(model, scorer)
    let loaded = try LoadedModel(model, scorer, calibration, state.configuration)
    try loaded.monitor.start()
    state.open(loaded)
    state.batcher.run(replayer)
  }
}
#endif
