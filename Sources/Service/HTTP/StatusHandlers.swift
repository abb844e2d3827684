#if Service
import Evaluation
import Foundation
import Persistence

/// Handlers for the health, metrics and status of the service.
struct StatusHandlers: Sendable {
  let state: ServiceState

  @Sendable func health(_: Inquiry) -> Answer { Answer(.object([("status", .text("alive"))])) }

  @Sendable func readiness(_: Inquiry) throws -> Answer {
    guard !state.isStopping else { throw HTTPError.busy("the service is stopping") }
    _ = try state.requireModel()
    return Answer(.object([("status", .text("ready"))]))
  }

  @Sendable func metrics(_: Inquiry) -> Answer {
    let now = state.metrics.now, model = state.model, verdict = model?.monitor.verdict
    var text = MetricsText()
    text.add(
      "process_start_time_seconds", "gauge", "Time at which the service was started.", state.began.timeIntervalSince1970
    )
    text.add("vae_dist_ready", "gauge", "1 when the model is loaded.", state.isReady ? 1 : 0)
    let requests = now.requests.sorted { ($0.key.path, $0.key.status) < ($1.key.path, $1.key.status) }
    text.add(
      "vae_dist_requests_total", "counter", "Requests answered.",
      requests.map { ([("path", $0.key.path), ("code", "\($0.key.status)")], Double($0.value)) })
    text.add(
      "vae_dist_request_seconds",
      histograms: now.seconds.sorted { $0.key < $1.key }.map { ([("path", $0.key)], $0.value) },
      "Time from a request's head to its answer.")
    text.add("vae_dist_replay_rows", histograms: [([], now.replays)], "Rows that were replayed together.")
    text.add(
      "vae_dist_rows_waiting", "gauge", "Rows that are waiting or being replayed.", Double(state.batcher.waiting))
    guard let model else { return Answer(text: text.text, type: MetricsText.type) }
    text.add(
      "vae_dist_model_info", "gauge", "The model that is served, by its labels.",
      [([("digest", model.digest), ("score", model.score.rawValue)], 1)])
    text.add("vae_dist_score", histograms: [([], now.scores)], "Anomaly scores.")
    if let calibration = model.calibration {
      text.add("vae_dist_threshold", "gauge", "Scores above it are anomalous.", calibration.threshold.value)
      text.add("vae_dist_above_threshold_total", "counter", "Rows that were anomalous.", Double(now.above))
    }
    if let verdict { Self.add(verdict, to: &text) }
    return Answer(text: text.text, type: MetricsText.type)
  }

  private static func add(_ verdict: DriftMonitor.Verdict, to text: inout MetricsText) {
    text.add(
      "vae_dist_window_rows", "gauge", "Newest rows that are compared with the calibration.", Double(verdict.rows))
    if let share = verdict.shareAbove {
      text.add(
        "vae_dist_above_threshold_share", "gauge", "Share of the newest rows that are above the threshold.", share)
    }
    guard let drift = verdict.drift else { return }
    text.add(
      "vae_dist_drift", "gauge", "1 for the verdict on the newest rows.",
      [Drift.Level.none, .moderate, .major].map { ([("verdict", $0.rawValue)], drift.level == $0 ? 1 : 0) })
    text.add("vae_dist_drift_score_psi", "gauge", "Population stability index of scores.", drift.score.stability)
    text.add("vae_dist_drift_score_ks", "gauge", "Kolmogorov-Smirnov distance of scores.", drift.score.test.statistic)
    text.add("vae_dist_drift_columns", "gauge", "Columns that have drifted.", Double(drift.drifted.count))
  }

  /// The data that the status page shows.
  @Sendable func status(_: Inquiry) throws -> Answer {
    let now = state.metrics.now, model = try state.requireModel(), verdict = model.monitor.verdict
    let form = model.decoder.form, shape = form.shape
    return Answer(
      .object([
        ("model", .text(model.path)), ("digest", .text(model.digest)), ("sample", .text("\(shape)")),
        ("image", shape.isImage ? .array([shape.height, shape.width, shape.channels].map(JSON.integer)) : .null),
        ("columns", form.schema.map { .array($0.columns.map { .text($0.name) }) } ?? .null),
        ("seconds", .number(Date().timeIntervalSince(state.began))),
        ("requests", .integer(now.requests.values.reduce(0, +))), ("rows", .integer(now.scores.total)),
        ("replays", .array(model.replays.map(JSON.integer))),
        ("score", .text(model.score.rawValue)), ("calibration", model.calibration?.summary ?? .null),
        ("above", .integer(now.above)),
        (
          "window",
          .object([
            ("rows", .integer(verdict.rows)), ("share_above", .optional(verdict.shareAbove)),
            ("drift", verdict.drift?.json ?? .null),
          ])
        ),
        ("recent", .numbers(model.monitor.recent(400))),
      ]))
  }
}
#endif
