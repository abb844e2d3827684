#if Service
import Communication
import Evaluation
import Glibc
import Kernels
import Training

/// A model that answers over HTTP: `init` listens, `run` loads nothing and answers until it is told to stop.
package final class ScoringService {
  private let state: ServiceState
  private let server: HTTPServer

  /// Listens; nothing but its health is answered before `run`.
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

  /// Answers by this model, which stays on this thread, until SIGTERM or SIGINT; what came before those is answered.
  package func run(_ model: TrainedModel, _ scorer: RowScorer, _ calibration: Calibration?) throws(Failure) {
    let replayer = ModelReplayer(model, scorer)
    let loaded = try LoadedModel(model, scorer, calibration, state.configuration)
    try loaded.monitor.start()
    state.open(loaded)
    state.batcher.run(replayer)
  }
}
#endif
