import Foundation
import Kernels
import Persistence
import Settings
import VAE

/// An epoch read from `metrics.jsonl`. A number that is missing or was not finite is NaN.
package struct RunEpoch: Sendable {
  package var epoch = 0
  package var step = 0
  package var beta = Double.nan
  package var learningRate = Double.nan
  package var train = ELBOMeans(reconstruction: .nan, kl: .nan)
  package var valid = ELBOMeans(reconstruction: .nan, kl: .nan)
  package var reconstructionOfMean = Double.nan
  package var trainBits: Double?
  package var validBits: Double?
  package var activeUnits: Int?
  package var gradientNorm = Double.nan
  package var samplesPerSecond = Double.nan
  package var seconds = Double.nan
  package var ranks = 1
  package var skipped = 0
  package var rollbacks = 0
  package var slowestRank: Int?
  package var waitShare = Double.nan
  /// Whether `checkpoints/best` was set to this epoch.
  package var isBest = false
}

/// A line of the kind `step`.
package struct RunStep: Sendable {
  package var step: Int
  package var epoch: Int
  package var beta: Double
  package var learningRate: Double
  package var train: ELBOMeans
  package var gradientNorm: Double
}

/// Any other line: start, resume, rollback, collapse, warning, stop, and kinds that this program does not know.
package struct RunEvent: Sendable, Equatable {
  package var kind: String
  package var step: Int
  package var epoch: Int?
  /// Time in ISO 8601; nil if the line has none.
  package var time: String?
  /// Description for display.
  package var message: String
  /// Set for a line of the kind `finding`.
  package var finding: Finding?
}

/// Description of the run from its line of the kind `start`, or from the last one of the kind `resume`.
package struct RunStart: Sendable {
  package var data: String?
  package var shape: String?
  package var trainSamples: Int?
  package var validSamples: Int?
  package var parameters: Int?
  package var ranks: Int?
  package var totalSteps: Int?
  package var time: String?
}

/// Contents of `metrics.jsonl`, bounded in memory: it keeps the units of the last epoch only, thins out the steps, and
/// limits the number of events.
package struct RunMetrics: Sendable {
  package private(set) var epochs: [RunEpoch] = []
  /// At most 4,096 steps, evenly spaced.
  package private(set) var steps: [RunStep] = []
  package private(set) var events: [RunEvent] = []
  /// Number of events after the first thousand, which are not kept.
  package private(set) var furtherEvents = 0
  package private(set) var start: RunStart?
  /// KL of each unit in nats and Var_x[mu], for the last epoch.
  package private(set) var klPerUnit: [Double] = []
  package private(set) var variancePerUnit: [Double] = []
  /// Sum over the epochs since the number of ranks last changed.
  package private(set) var rankSeconds: RankSeconds?
  package private(set) var checkpoints = 0
  /// Number of lines that are not a JSON object of a known form.
  package private(set) var damagedLines = 0

  private var lastEpochLine: [UInt8] = []
  private var stride = 1
  private var stepsSeen = 0
  private static let mostSteps = 4_096, mostEvents = 1_000
  private static let stepPrefix = Array(#"{"kind": "step""#.utf8)

  package init() {}

  package var damage: [String] {
    damagedLines == 0 ? [] : ["metrics.jsonl: \(counted(damagedLines, "damaged line")) left out"]
  }

  mutating func add(_ batch: LineReader.Batch) {
    damagedLines += batch.overlong
    let decoder = JSONDecoder()
    for line in batch.lines {
      // Only a few thousand of possibly millions of steps are kept. The others are skipped without decoding.
      if line.starts(with: RunMetrics.stepPrefix) {
        stepsSeen += 1
        guard stepsSeen % stride == 0 else { continue }
      }
      guard let entry = try? decoder.decode(MetricsLine.self, from: Foundation.Data(line)) else {
        damagedLines += 1
        continue
      }
      add(entry.content, line)
    }
  }

  private mutating func add(_ content: MetricsLine.Content, _ line: [UInt8]) {
    switch content {
    case .epoch(let row, let seconds):
      // After a rollback or a resume, epochs are written again. The earlier lines are dropped.
      while let last = epochs.last, last.epoch >= row.epoch { epochs.removeLast() }
      epochs.append(row)
      lastEpochLine = line
      if let seconds { rankSeconds = rankSeconds.map { $0.adding(seconds) } ?? seconds }
    case .step(let row):
      // After a rollback or a resume, steps are written again, too.
      while let last = steps.last, last.step >= row.step { steps.removeLast() }
      steps.append(row)
      if steps.count == RunMetrics.mostSteps {
        steps = steps.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        stride *= 2
      }
    case .checkpoint: checkpoints += 1
    case .event(let event, let start):
      if let start { self.start = start }
      if events.count < RunMetrics.mostEvents { events.append(event) } else { furtherEvents += 1 }
    }
  }

  /// Decodes the values of the units. Because they take most of the time, only those of the last epoch are decoded.
  mutating func finishBatch() {
    guard !lastEpochLine.isEmpty else { return }
    struct Units: Decodable {
      let kl: [Double?]?
      let variance: [Double?]?
      enum CodingKeys: String, CodingKey {
        case kl = "kl_per_unit"
        case variance = "variance_per_unit"
      }
    }
    let units = try? JSONDecoder().decode(Units.self, from: Foundation.Data(lastEpochLine))
    klPerUnit = units?.kl?.map { $0 ?? .nan } ?? []
    variancePerUnit = units?.variance?.map { $0 ?? .nan } ?? []
    lastEpochLine = []
  }
}

/// The content of one line, by its kind.
private struct MetricsLine: Decodable {
  enum Content {
    case epoch(RunEpoch, RankSeconds?)
    case step(RunStep)
    case checkpoint
    case event(RunEvent, RunStart?)
  }

  let content: Content

  init(from decoder: any Decoder) throws {
    let fields = Fields(try decoder.container(keyedBy: Key.self))
    let step = fields.integer("step") ?? 0
    guard let kind = fields.text("kind"), step >= 0 else { throw Unreadable() }
    switch kind {
    case "epoch":
      guard let epoch = fields.integer("epoch"), epoch > 0 else { throw Unreadable() }
      content = .epoch(MetricsLine.epoch(fields), fields.rankSeconds)
    case "step":
      guard step > 0 else { throw Unreadable() }
      content = .step(
        RunStep(
          step: step, epoch: fields.integer("epoch") ?? 0, beta: fields.number("beta"),
          learningRate: fields.number("learning_rate"), train: fields.means, gradientNorm: fields.number("grad_norm")))
    case "checkpoint": content = .checkpoint
    default:
      let event = RunEvent(
        kind: kind, step: step, epoch: fields.integer("epoch"), time: fields.text("time"),
        message: MetricsLine.message(kind, step, fields), finding: MetricsLine.finding(kind, fields))
      content = .event(event, ["start", "resume"].contains(kind) ? MetricsLine.start(fields) : nil)
    }
  }

  private static func epoch(_ fields: Fields) -> RunEpoch {
    let groups = ["train": fields.nested("train"), "valid": fields.nested("valid")]
    var epoch = RunEpoch()
    for number in EpochNumber.all {
      let path = number.path, place = path.group.flatMap { groups[$0] } ?? fields
      number.read(
        &epoch, number.kind == .whole ? place.integer(path.key).map(Double.init) : place.optional(path.key))
    }
    epoch.isBest = fields.flag("best")
    return epoch
  }

  private static func start(_ fields: Fields) -> RunStart {
    RunStart(
      data: fields.text("data"), shape: fields.text("shape"), trainSamples: fields.integer("train_samples"),
      validSamples: fields.integer("valid_samples"), parameters: fields.integer("parameters"),
      ranks: fields.integer("ranks"), totalSteps: fields.integer("total_steps"), time: fields.text("time"))
  }

  private static func finding(_ kind: String, _ fields: Fields) -> Finding? {
    guard kind == "finding", let cause = fields.text("cause"), let evidence = fields.text("evidence") else {
      return nil
    }
    let level = fields.text("severity").flatMap(Finding.Level.init) ?? .warning
    return Finding(level, cause.printable, evidence.printable, advice: fields.text("remedy")?.printable)
  }

  private static func message(_ kind: String, _ step: Int, _ fields: Fields) -> String {
    if let message = fields.text("message") { return message }
    let ranks = fields.integer("ranks").map { " on " + counted($0, "rank") } ?? ""
    if let finding = finding(kind, fields) { return "\(finding.check): \(finding.message)" }
    switch kind {
    case "start": return "training began\(ranks)"
    case "resume": return "resumed at step \(step)\(ranks)"
    case "stop": return fields.text("reason").map { StopReason.words[$0] ?? "stopped: \($0)" } ?? "stopped"
    case "rollback":
      let place = fields.integer("rank").map { $0 >= 0 ? ", rank \($0)" : "" } ?? ""
      let samples = fields.integers("samples").prefix(8).map(String.init).joined(separator: ", ")
      return "step \(fields.integer("failing_step") ?? step) was not finite: first in "
        + "\(fields.text("operation") ?? "?")\(place)\(samples.isEmpty ? "" : ", samples \(samples)"); back to step \(step), learning rate x "
        + "\(fields.number("learning_rate_factor"), .decimal)"
    default: return fields.text("reason") ?? kind
    }
  }
}

private struct Unreadable: Error {}

private struct Key: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(_ name: String) { stringValue = name }
  init?(stringValue: String) { self.init(stringValue) }
  init?(intValue: Int) { nil }
}

/// Access to the fields of an object whose types are not known.
private struct Fields {
  private let container: KeyedDecodingContainer<Key>?

  init(_ container: KeyedDecodingContainer<Key>?) { self.container = container }

  func text(_ name: String) -> String? { try? container?.decode(String.self, forKey: Key(name)) }
  func integer(_ name: String) -> Int? {
    guard let value = try? container?.decode(Int.self, forKey: Key(name)), value.magnitude < 1 << 53 else { return nil }
    return value
  }
  func flag(_ name: String) -> Bool { (try? container?.decode(Bool.self, forKey: Key(name))) ?? false }
  func integers(_ name: String) -> [Int] { (try? container?.decode([Int].self, forKey: Key(name))) ?? [] }
  func optional(_ name: String) -> Double? { try? container?.decode(Double.self, forKey: Key(name)) }
  func number(_ name: String) -> Double { optional(name) ?? .nan }
  func nested(_ name: String) -> Fields {
    Fields(try? container?.nestedContainer(keyedBy: Key.self, forKey: Key(name)))
  }
  var means: ELBOMeans { ELBOMeans(reconstruction: number("recon"), kl: number("kl")) }
  var rankSeconds: RankSeconds? {
    guard let seconds = try? container?.decode(RankSeconds.self, forKey: Key("rank_seconds")), seconds.isSound else {
      return nil
    }
    return seconds
  }
}
