import Communication
import Kernels
import Persistence

/// Writes the phases of all ranks as a Chrome trace, with a process per host and a row per rank. Times are in
/// microseconds.
package enum TraceFile {
  /// Gathers the recording of all ranks and writes it on rank 0. Collective.
  package static func write(_ recording: PhaseRecording, to path: String, _ communicator: Communicator) throws(Failure)
  {
    let ranks = try recording.gather()
    try communicator.together { () throws(Failure) in
      if communicator.isRoot { try DurableFile.write(json(ranks), to: path) }
    }
  }

  static func json(_ ranks: [RankTrace]) -> String {
    var hosts: [String] = [], lines: [String] = []
    func metadata(_ name: String, _ value: String, _ row: String) -> String {
      "{\"ph\": \"M\", \"name\": \"\(name)\", \(row), \"args\": {\"name\": \(JSON.text(value).text)}}"
    }
    for (rank, trace) in ranks.enumerated() {
      let isNew = !hosts.contains(trace.host)
      if isNew { hosts.append(trace.host) }
      let host = hosts.firstIndex(of: trace.host) ?? 0
      let row = "\"pid\": \(host), \"tid\": \(rank)"
      if isNew { lines.append(metadata("process_name", trace.host, row)) }
      lines.append(metadata("thread_name", "rank \(rank)", row))
      for event in trace.events {
        lines.append(
          "{\"ph\": \"X\", \"name\": \"\(event.phase)\", \"ts\": \(microseconds(event.began)), "
            + "\"dur\": \(microseconds(event.ended - event.began)), \(row), \"args\": {\"step\": \(event.step)}}")
      }
    }
    let dropped = ranks.map(\.dropped).max() ?? 0
    let about = JSON.object([
      ("program", .text("vae-dist \(programVersion)")), ("ranks", .integer(ranks.count)),
      ("dropped", .array(ranks.map { .integer($0.dropped) })),
      (
        "note",
        dropped > 0
          ? .text("only the last phases of each rank are kept; `dropped` is the number of earlier ones") : .null
      ),
    ])
    return "{\"displayTimeUnit\": \"ms\", \"otherData\": \(about.text), \"traceEvents\": [\n"
      + lines.joined(separator: ",\n") + "\n]}\n"
  }

  private static func microseconds(_ nanoseconds: UInt64) -> String {
    let rest = String(nanoseconds % 1_000)
    return "\(nanoseconds / 1_000)." + String(repeating: "0", count: 3 - rest.count) + rest
  }
}
