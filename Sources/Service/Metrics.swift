#if Service
import Foundation
import Synchronization

/// A histogram with the buckets that Prometheus defines: a value counts for the first bound that it does not exceed.
struct Counts: Sendable, Equatable {
  /// Upper bounds of the buckets, ascending and distinct.
  let bounds: [Double]
  /// Count of each bucket by itself (not cumulative). The last one is for values above all bounds.
  private(set) var counts: [Int]
  private(set) var sum = 0.0
  var total: Int { counts.reduce(0, +) }

  init(bounds: [Double]) {
    self.bounds = bounds
    counts = [Int](repeating: 0, count: bounds.count + 1)
  }

  mutating func add(_ value: Double) {
    counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
    if value.isFinite { sum += value }
  }
}

/// Counters and histograms of the service, for Prometheus and for the status page.
final class Metrics: Sendable {
  struct State: Sendable {
    struct Kind: Hashable {
      let path: String
      let status: Int
    }
    var requests: [Kind: Int] = [:]
    var seconds: [String: Counts] = [:]
    var scores = Counts(bounds: [])
    var replays = Counts(bounds: [1, 2, 4, 8, 16, 32, 64, 128])
    var above = 0
  }

  private let state = Mutex(State())
  private static let latencies = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  ]

  var now: State { state.withLock { $0 } }

  /// Sets the bucket bounds for scores once the model is loaded.
  func begin(scoreBounds: [Double]) { state.withLock { $0.scores = Counts(bounds: scoreBounds) } }

  func answered(_ path: String, status: Int, seconds: Double) {
    state.withLock { state in
      state.requests[State.Kind(path: path, status: status), default: 0] += 1
      state.seconds[path, default: Counts(bounds: Self.latencies)].add(seconds)
    }
  }

  func replayed(rows: Int) { state.withLock { $0.replays.add(Double(rows)) } }

  func scored(_ scores: [Double], above: Int) {
    state.withLock { state in
      for score in scores { state.scores.add(score) }
      state.above += above
    }
  }
}

/// Text in Prometheus's exposition format 0.0.4.
struct MetricsText {
  private(set) var text = ""
  static let type = "text/plain; version=0.0.4; charset=utf-8"

  /// - samples: Label pairs and values. Labels are written in the order given.
  mutating func add(
    _ name: String, _ kind: String, _ help: String, _ samples: [(labels: [(String, String)], value: Double)]
  ) {
    guard !samples.isEmpty else { return }
    head(name, kind, help)
    for sample in samples { line(name, sample.labels, sample.value) }
  }

  mutating func add(_ name: String, _ kind: String, _ help: String, _ value: Double) {
    add(name, kind, help, [([], value)])
  }

  mutating func add(_ name: String, histograms: [(labels: [(String, String)], counts: Counts)], _ help: String) {
    guard !histograms.isEmpty else { return }
    head(name, "histogram", help)
    for (labels, counts) in histograms {
      var sum = 0
      for (place, count) in counts.counts.enumerated() {
        sum += count
        let bound = place < counts.bounds.count ? Self.number(counts.bounds[place]) : "+Inf"
        line(name + "_bucket", labels + [("le", bound)], Double(sum))
      }
      line(name + "_sum", labels, counts.sum)
      line(name + "_count", labels, Double(sum))
    }
  }

  private mutating func head(_ name: String, _ kind: String, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind)\n"
  }

  private mutating func line(_ name: String, _ labels: [(String, String)], _ value: Double) {
    let pairs = labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
    text += name + (pairs.isEmpty ? "" : "{\(pairs)}") + " \(Self.number(value))\n"
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
  }

  private static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
      .replacingOccurrences(of: "\n", with: "\\n")
  }
}
#endif
