import ArgumentParser
import Communication
import Foundation
import Kernels
import Persistence
import Reporting
import Settings
import Training

struct Runs: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List runs, or compare them.",
    discussion: """
      vae-dist runs list
      vae-dist runs compare runs/a runs/b
      """,
    subcommands: [List.self, Compare.self])

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the runs of a directory with their state, progress and results.",
      discussion: """
        vae-dist runs list
        vae-dist runs list /scratch/runs --json
        """)

    @Argument(help: ArgumentHelp("Directory of runs.", valueName: "dir")) var directory = "runs"
    @Flag(help: "One JSON array.") var json = false
    @OptionGroup var progress: ProgressOption

    func run() throws {
      guard Launcher.expectedRank == 0 else { return }
      let runs = try found()
      let now = Date()
      try Output.result((json ? JSON.array(runs.map { $0.summary(now) }).text : text(runs, now)) + "\n")
    }

    private func found() throws(Failure) -> [RunRecord] {
      if let one = try? RunRecord(directory) { return [one] }
      let names: [String]
      do { names = try FileManager.default.contentsOfDirectory(atPath: directory) } catch {
        throw Failure(
          .missingInput, "\(directory.printable): \(error.localizedDescription)",
          hint: "give the directory that contains the runs; training creates runs/ in its working directory")
      }
      return names.sorted().filter { !$0.hasPrefix(".") }.compactMap { try? RunRecord(directory + "/" + $0) }
    }

    private func text(_ runs: [RunRecord], _ now: Date) -> String {
      guard !runs.isEmpty else { return "no runs in \(directory.printable)" }
      let header = ["run", "state", "step", "epoch", "best -elbo", "seen", "preset", "data"]
      let rows = runs.map { run -> [String] in
        let lowest: String? = run.lowest.map { "\($0.valid.negativeELBO, .fixed(2))" }
        let age: String? = run.age(now).map { "\($0, .age)" }
        return [
          run.name.printable, run.state(now), "\(run.step)", "\(run.epoch)", lowest ?? "-", age ?? "-",
          run[setting: "preset"]?.printable ?? "-", run.data?.printable ?? "-",
        ]
      }
      return columns([header] + rows)
    }
  }

  struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Compare runs side by side: the settings in which they differ, and their results.",
      discussion: """
        vae-dist runs compare runs/a runs/b
        vae-dist runs compare runs/* --json
        """)

    @Argument(help: ArgumentHelp("Run directories.", valueName: "run")) var places: [String]
    @Flag(help: "One JSON object.") var json = false
    @OptionGroup var progress: ProgressOption

    func validate() throws {
      guard places.count > 1 else { throw ValidationError("comparing takes two runs or more") }
    }

    func run() throws {
      guard Launcher.expectedRank == 0 else { return }
      var runs: [RunRecord] = []
      for place in places { runs.append(try RunRecord(place)) }
      let comparison = RunComparison(runs)
      let now = Date()
      try Output.result((json ? comparison.json(now).text : comparison.text(now)) + "\n")
    }
  }
}

/// The settings and facts in which runs differ.
private struct RunComparison {
  let runs: [RunRecord]
  /// The name of each setting or fact, and its value in each run.
  private let settings: [(key: String, values: [String?])]
  private let environment: [(key: String, values: [String?])]

  init(_ runs: [RunRecord]) {
    self.runs = runs
    settings = RunComparison.differing(runs.map(\.settings))
    environment = RunComparison.differing(runs.map(\.environment))
  }

  /// Returns the keys whose values are not the same in all runs, in the order in which they first appear.
  private static func differing(_ all: [[(key: String, value: String)]]) -> [(String, [String?])] {
    let tables = all.map { Dictionary($0.map { ($0.key, $0.value) }) { first, _ in first } }
    var seen = Set<String>()
    return all.joined().map(\.key).filter { seen.insert($0).inserted }.compactMap { key in
      let values = tables.map { $0[key] }
      return Set(values).count > 1 ? (key, values) : nil
    }
  }

  private static let figures = [
    "valid.recon", "valid.kl", "valid.neg_elbo", "valid.bits_per_dimension", "train.neg_elbo", "active_units", "beta",
    "samples_per_second", "ranks", "rollbacks",
  ].map(EpochNumber.named)

  func text(_ now: Date) -> String {
    var rows = [[""] + runs.map(\.name.printable)]
    func section(_ name: String, _ lines: [(key: String, values: [String?])]) {
      rows.append([name] + runs.map { _ in "" })
      rows += lines.map { line in ["  " + line.key.printable] + line.values.map { $0?.printable ?? "-" } }
    }
    if !settings.isEmpty { section("settings", settings) }
    if !environment.isEmpty { section("environment", environment) }
    section(
      "state",
      [
        ("state", runs.map { $0.state(now) }), ("step", runs.map { "\($0.step)" }),
        ("epoch", runs.map { "\($0.epoch)" }),
      ])
    let best: [String?] = runs.map { run in
      run.lowest.map { "\($0.valid.negativeELBO, .fixed(3)) (\($0.epoch))" }
    }
    let last = RunComparison.figures.map { figure in
      (
        key: figure.name,
        values: runs.map { run in run.epochs.last.flatMap(figure.recorded).map { $0.isNaN ? "-" : shown($0) } }
      )
    }
    section("best epoch", [("valid.neg_elbo (epoch)", best)])
    section("last epoch", last.filter { $0.values.contains { $0 != nil } })
    return columns(rows)
  }

  private func shown(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e9 ? "\(Int(value))" : "\(value, .fixed(3))"
  }

  func json(_ now: Date) -> JSON {
    func table(_ lines: [(key: String, values: [String?])]) -> JSON {
      .object(lines.map { ($0.key, .array($0.values.map { $0.map(JSON.text) ?? .null })) })
    }
    let runs = runs.map { run -> JSON in
      guard case .object(let pairs) = run.summary(now) else { return .null }
      let last = run.epochs.last.map { epoch in
        JSON.object(RunComparison.figures.map { ($0.name, .optional($0.recorded(epoch))) })
      }
      return .object(pairs + [("last", last ?? .null)])
    }
    return .object([("runs", .array(runs)), ("settings", table(settings)), ("environment", table(environment))])
  }
}

extension RunRecord {
  fileprivate var step: Int { max(status?.step ?? 0, epochs.last?.step ?? 0) }
  fileprivate var epoch: Int { max(status?.epoch ?? 0, epochs.last?.epoch ?? 0) }
  fileprivate var data: String? { metrics.start?.data ?? self[setting: "data.source"] }

  /// The state of the run as a single word.
  fileprivate func state(_ now: Date) -> String {
    switch standing(now: now) {
    case .finished: "finished"
    case .stopped(let reason): "stopped:\(reason.printable)"
    case .failed: "failed"
    case .going: status?.state == "starting" ? "starting" : "training"
    case .cutOff(let since): since == nil ? "unknown" : "died"
    }
  }

  /// Seconds since the run last wrote its status.
  fileprivate func age(_ now: Date) -> Double? {
    status?.heartbeat.flatMap { ISO8601DateFormatter().date(from: $0) }.map { max(0, now.timeIntervalSince($0)) }
  }

  fileprivate func summary(_ now: Date) -> JSON {
    func text(_ text: String?) -> JSON { text.map(JSON.text) ?? .null }
    let best = lowest.map { epoch in
      JSON.object([("epoch", .integer(epoch.epoch)), ("neg_elbo", .number(epoch.valid.negativeELBO))])
    }
    return .object([
      ("run", .text(path)), ("state", .text(state(now))), ("step", .integer(step)), ("epoch", .integer(epoch)),
      ("best", best ?? .null), ("seconds_since_heartbeat", .optional(age(now))),
      ("preset", text(self[setting: "preset"])), ("data", text(data)), ("damage", .array(damage.map(JSON.text))),
    ])
  }
}
