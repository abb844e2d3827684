import Benchmarks
import Kernels
import Persistence
import Reporting
import Settings
import Training

/// The results of `scale` as text, JSON and a Markdown page.
struct ScaleReport {
  let preset: String
  let microbatch: Int
  let products: String
  let ranksPerNode: Int
  let measurement: StepMeasurement
  let tables: [ScalingTable]

  private var costs: StepCosts { measurement.costs }
  private static let header = [
    "ranks", "batch", "ms", "efficiency", "compute", "serial", "node", "latency", "bandwidth", "jitter",
  ]

  // MARK: JSON

  var json: JSON {
    .object([
      ("preset", .text(preset)), ("microbatch", .integer(microbatch)), ("products", .text(products)),
      (
        "costs",
        .object([
          ("parameters", .integer(costs.parameters)),
          ("microbatch_milliseconds", .number(costs.microbatch * 1_000)),
          ("microbatch_alone_milliseconds", .number(costs.microbatchAlone * 1_000)),
          ("jitter_microseconds", .number(costs.jitter * 1e6)),
          ("add_gigabytes_per_second", .number(1e-9 / costs.addPerByte)),
          ("window_add_gigabytes_per_second", .number(1e-9 / max(costs.windowAddPerByte, 1e-15))),
          ("squares_gigabytes_per_second", .number(1e-9 / costs.squaresPerByte)),
          ("rendezvous_microseconds", .number(costs.rendezvous * 1e6)), ("row_microseconds", .number(costs.row * 1e6)),
          ("update_milliseconds", .number(costs.update * Double(costs.parameters) * 1_000)),
        ])
      ),
      (
        "check",
        .object([
          ("ranks", .integer(measurement.ranks)), ("nodes", .integer(measurement.nodes)),
          ("microbatches", .integer(measurement.microbatches)),
          ("exchange", .text(measurement.exchange)),
          ("predicted_milliseconds", .number(measurement.predicted.total * 1_000)),
          ("measured_milliseconds", .number(measurement.measured * 1_000)), ("error", .number(measurement.error)),
        ])
      ),
      ("ranks_per_node", .integer(ranksPerNode)),
      ("tables", .array(tables.map(json))),
    ])
  }

  private func json(_ table: ScalingTable) -> JSON {
    .object([
      ("network", .text(table.network.name)), ("latency_microseconds", .number(table.network.latency * 1e6)),
      ("overhead_microseconds", .number(table.network.overhead * 1e6)),
      ("gigabytes_per_second", .number(1e-9 / max(table.network.secondsPerByte, 1e-15))),
      ("scaling", .text(table.kind.rawValue)),
      (
        "rows",
        .array(
          table.rows.map { row in
            .object([
              ("ranks", .integer(row.ranks)), ("batch_size", .integer(row.microbatches * microbatch)),
              ("milliseconds", .number(row.parts.total * 1_000)), ("efficiency", .number(row.efficiency)),
              ("compute_milliseconds", .number(row.parts.compute * 1_000)),
              ("serial_milliseconds", .number(row.parts.serial * 1_000)),
              ("node_milliseconds", .number(row.parts.node * 1_000)),
              ("latency_milliseconds", .number(row.parts.latency * 1_000)),
              ("bandwidth_milliseconds", .number(row.parts.bandwidth * 1_000)),
              ("jitter_milliseconds", .number(row.parts.jitter * 1_000)),
            ])
          })
      ),
    ])
  }

  // MARK: Text

  var text: String {
    var lines = summary
    for table in tables {
      lines += ["", title(table) + "; all times in ms", "", columns([Self.header] + rows(table))]
    }
    return lines.joined(separator: "\n")
  }

  /// Returns a whole Markdown page.
  ///
  /// - command: the command line that produced the results.
  func page(command: String) -> String {
    var lines = [
      "# Predicted scaling", "",
      "This page was made by the following command, from measurements on the ranks that it was started with:", "",
      "    \(command)", "",
      "The model and its formula are in `Sources/Benchmarks/Prediction/StepModel.swift`. All times are in "
        + "milliseconds. Efficiency is the speed relative to that of the same number of ranks that never wait, each on a node of "
        + "its own.", "",
    ]
    lines += summary.map { "- " + $0 }
    for table in tables { lines += ["", "## " + title(table), "", markdown([Self.header] + rows(table))] }
    var named = Set<String>()
    lines += ["", "## Networks", ""]
    for table in tables where named.insert(table.network.name).inserted {
      lines.append("- \(table.network.name): \(table.network.source)")
    }
    return lines.joined(separator: "\n")
  }

  private var summary: [String] {
    let contention = costs.microbatch / costs.microbatchAlone
    let alone =
      measurement.ranks == 1
      ? "with one rank, the cost of sharing a node is not measured and is assumed to be zero"
      : "\(contention, .fixed(2)) times the time of a rank alone (\(milliseconds(costs.microbatchAlone)) ms)"
    let verdict =
      abs(measurement.error) <= 0.15
      ? "within 15 %"
      : "NOT within 15 %: do not trust the predictions; the machine may be busy with other work"
    return [
      "\(preset), \(costs.parameters) parameters, products by \(products)",
      "a microbatch of \(microbatch) takes \(milliseconds(costs.microbatch)) ms, sigma "
        + "\(microseconds(costs.jitter)) us; \(alone)",
      "adding runs at \(gigabytes(costs.addPerByte)) GB/s, across ranks at \(gigabytes(costs.windowAddPerByte)) GB/s; a rendezvous takes "
        + "\(microseconds(costs.rendezvous)) us, an update \(milliseconds(costs.update * Double(costs.parameters))) ms",
      "check: a step of \(measurement.microbatches) microbatches on \(counted(measurement.ranks, "rank")) (exchange: "
        + "\(measurement.exchange)), predicted "
        + "\(milliseconds(measurement.predicted.total)) ms, measured \(milliseconds(measurement.measured)) ms: error "
        + "\(percent(measurement.error)), \(verdict)",
      "assumptions: nodes of \(counted(ranksPerNode, "rank")), each with the core and the share of memory bandwidth "
        + "that it had here; links without contention; no exchange during the backward pass",
    ]
  }

  private func title(_ table: ScalingTable) -> String {
    let what =
      table.kind == .strong
      ? "strong scaling: the global batch is fixed" : "weak scaling: a rank's batch is fixed"
    return "\(table.network.name), \(microseconds(table.network.latency)) us, "
      + "\(microseconds(table.network.overhead)) us per message, "
      + "\(gigabytes(table.network.secondsPerByte)) GB/s: \(what)"
  }

  private func rows(_ table: ScalingTable) -> [[String]] {
    table.rows.map { row in
      let parts = row.parts
      return ["\(row.ranks)", "\(row.microbatches * microbatch)", milliseconds(parts.total), percent(row.efficiency)]
        + [parts.compute, parts.serial, parts.node, parts.latency, parts.bandwidth, parts.jitter].map(milliseconds)
    }
  }

  private func percent(_ share: Double) -> String { "\(100 * share, .fixed(1)) %" }

  private func markdown(_ rows: [[String]]) -> String {
    let lines = rows.map { "| " + $0.joined(separator: " | ") + " |" }
    let rule = "|" + String(repeating: " ---: |", count: rows[0].count)
    return ([lines[0], rule] + lines.dropFirst()).joined(separator: "\n")
  }
}
