import RunConfiguration
import Foundation
import Kernels
import Persistence

/// Contents of a run directory. Damaged, malicious or incomplete files do not stop the reading; they are listed in
/// `damage`. The record of a run in progress can be updated with `refresh`.
package struct RunRecord: Sendable {
  package let path: String
  package private(set) var metrics = RunMetrics()
  package private(set) var status: RunStatus?
  /// Key and value of every setting, in the order of the file.
  package private(set) var settings: [(key: String, value: String)] = []
  /// The parsed configuration; nil if this program cannot read it.
  package private(set) var configuration: Configuration?
  package private(set) var environment: [(key: String, value: String)] = []
  /// The last command. A resumed run has several.
  package private(set) var command: String?
  /// One sentence for each file that could not be read.
  package var damage: [String] { filesDamage.sorted { $0.key < $1.key }.map(\.value) + metrics.damage }
  private var filesDamage: [String: String] = [:]
  private var lines: LineReader

  package var epochs: [RunEpoch] { metrics.epochs }
  package var events: [RunEvent] { metrics.events }
  /// Name of the run directory.
  package var name: String {
    let last = URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent
    return last.isEmpty ? path : last
  }

  /// Reads the run in the directory at `path`.
  ///
  /// - Throws: `Failure` with the status `missingInput` if the directory contains no run.
  package init(_ path: String) throws(Failure) {
    self.path = path
    lines = LineReader(path: path + "/metrics.jsonl")
    let names = ["metrics.jsonl", "config.yaml", "status.json"]
    guard names.contains(where: { FileManager.default.fileExists(atPath: path + "/" + $0) }) else {
      throw Failure(
        .missingInput, "\(path.printable): there is no run in it", hint: "give the directory that training wrote to")
    }
    readFiles()
    refresh()
  }

  /// Reads what was written since the last call. Returns whether anything has changed.
  @discardableResult
  package mutating func refresh() -> Bool {
    let before = status, activity = Activity("reading \(path)")
    defer { activity.end() }
    status = text("status.json", isNeeded: false).flatMap {
      try? JSONDecoder().decode(RunStatus.self, from: Data($0.utf8))
    }
    var hasGrown = status != before
    do throws(Failure) {
      while let batch = try lines.next() {
        if batch.isAnew {
          metrics = RunMetrics()
          readFiles()
        }
        metrics.add(batch)
        hasGrown = true
      }
    } catch {
      note(error, of: "metrics.jsonl", isNeeded: false)
    }
    metrics.finishBatch()
    return hasGrown
  }

  private mutating func readFiles() {
    let yaml = text("config.yaml", isNeeded: true) ?? ""
    settings = RunRecord.flattened(yaml)
    var configuration = Configuration()
    let isRead: Void? = try? configuration.apply(yaml: yaml, file: "config.yaml")
    self.configuration = isRead == nil || yaml.isEmpty ? nil : configuration
    command = text("command.txt", isNeeded: false)?.split(separator: "\n").last.map(String.init)
    let object = text("environment.json", isNeeded: false).flatMap {
      try? JSONDecoder().decode([String: RunValue].self, from: Data($0.utf8))
    }
    environment = (object ?? [:]).sorted { $0.key < $1.key }.compactMap { key, value in value.text.map { (key, $0) } }
  }

  private mutating func text(_ name: String, isNeeded: Bool) -> String? {
    do throws(Failure) {
      let bytes = try DurableFile.read(path + "/" + name)
      filesDamage[name] = nil
      return String(decoding: bytes, as: UTF8.self)
    } catch {
      note(error, of: name, isNeeded: isNeeded)
      return nil
    }
  }

  private mutating func note(_ failure: Failure, of name: String, isNeeded: Bool) {
    filesDamage[name] = isNeeded || failure.status != .missingInput ? failure.message : nil
  }

  /// The scalars of YAML with an indentation of two spaces, as a run directory contains it. Lists are returned as
  /// values, and lines of any other form are skipped.
  static func flattened(_ yaml: String) -> [(key: String, value: String)] {
    var open: [Substring] = [], found: [(String, String)] = []
    for line in yaml.split(separator: "\n").prefix(10_000) {
      let content = line.drop { $0 == " " }, depth = (line.count - content.count) / 2
      guard let colon = content.firstIndex(of: ":"), depth <= open.count, !content.hasPrefix("#") else { continue }
      open.removeSubrange(depth...)
      open.append(content[..<colon])
      let value = content[content.index(after: colon)...].drop { $0 == " " }
      if !value.isEmpty { found.append((open.joined(separator: "."), String(value))) }
    }
    return found
  }

  package subscript(setting key: String) -> String? { settings.first { $0.key == key }?.value }

  /// Images in a subdirectory of the run (samples, reconstructions, latent, ...), sorted by the epoch in their names.
  package func pictures(in folder: String) -> [RunPicture] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path + "/" + folder)) ?? []
    return names.filter { $0.hasSuffix(".png") && !$0.hasPrefix(".") }.map { name in
      let number = name.hasPrefix("epoch-") ? Int(name.dropFirst(6).prefix { $0.isNumber }) : nil
      return RunPicture(name: name, path: "\(path)/\(folder)/\(name)", epoch: number)
    }.sorted { ($0.epoch ?? -1, $0.name) < ($1.epoch ?? -1, $1.name) }
  }
}

/// An image in a run directory; `epoch` is nil if its name does not contain one.
package struct RunPicture: Sendable, Equatable {
  package var name: String
  package var path: String
  package var epoch: Int?
}

/// Contents of `status.json`.
package struct RunStatus: Sendable, Equatable, Decodable {
  package var state: String
  package var step: Int?
  package var epoch: Int?
  /// Time at which the run last reported that it is alive, in ISO 8601.
  package var heartbeat: String?
  package var reason: String?
  package var exit: Int?

  enum CodingKeys: String, CodingKey { case state, step, epoch, heartbeat, reason = "exit_reason", exit }
}

/// Status of a run, derived from the files in its directory.
package enum RunStanding: Sendable, Equatable {
  /// The run has finished. `isEarly` is true if `monitor.patience` ended it.
  case finished(isEarly: Bool)
  /// The run was stopped, for example by a signal or a time limit. `reason` is the word from `status.json`.
  case stopped(reason: String)
  case failed(message: String)
  case going
  /// The run has not ended in an orderly way and no longer reports that it is alive. `since` is the last sign of life,
  /// if it is known.
  case cutOff(since: String?)
}

extension RunRecord {
  /// Seconds without a heartbeat after which a run counts as cut off. A live run writes one every ten seconds.
  package static let patience = 60.0

  /// Derives the status from `status.json` and, for a run that has not ended, from the age of its heartbeat.
  package func standing(now: Date = Date()) -> RunStanding {
    switch status?.state {
    case "finished": return .finished(isEarly: status?.reason == StopReason.stoppedEarly.word)
    case "stopped": return .stopped(reason: status?.reason ?? "unknown")
    case "failed": return .failed(message: status?.reason ?? "unknown")
    default:
      let beat = status?.heartbeat
      guard let beat, let time = ISO8601DateFormatter().date(from: beat) else { return .cutOff(since: beat) }
      return now.timeIntervalSince(time) < RunRecord.patience ? .going : .cutOff(since: beat)
    }
  }

  /// The epoch with the lowest finite validation -ELBO. The epoch of `checkpoints/best` can be a different one; see
  /// `kept`.
  package var lowest: RunEpoch? {
    epochs.filter { $0.valid.negativeELBO.isFinite }.min { $0.valid.negativeELBO < $1.valid.negativeELBO }
  }

  /// The epoch of `checkpoints/best`: the best by `monitor.metric` among those with a checkpoint. It is nil if there is
  /// none or if the record does not contain it.
  package var kept: RunEpoch? { epochs.last(where: \.isBest) }
}

/// A scalar of any type, converted to text.
private struct RunValue: Decodable {
  let text: String?

  init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if let flag = try? value.decode(Bool.self) {
      text = "\(flag)"
    } else if let integer = try? value.decode(Int.self) {
      text = "\(integer)"
    } else if let number = try? value.decode(Double.self) {
      text = "\(number)"
    } else {
      text = try? value.decode(String.self)
    }
  }
}
