import RunConfiguration
import Foundation
import Kernels
import Persistence
import TestSupport
import Testing
@testable import Training

/// Tests that a run directory with any contents can be read.
@Suite struct RunRecordTests {
  private let scratch: Scratch
  private var path: String { scratch.path }

  init() throws { scratch = try Scratch() }

  private func write(_ name: String, _ text: String) throws { _ = try scratch.write(name, Array(text.utf8)) }

  private func append(_ name: String, _ text: String) throws {
    let file = try #require(FileHandle(forWritingAtPath: "\(path)/\(name)"))
    try file.seekToEnd()
    try file.write(contentsOf: Foundation.Data(text.utf8))
    try file.close()
  }

  private func epoch(_ number: Int, more: String = "") -> String {
    """
    {"kind": "epoch", "epoch": \(number), "step": \(10 * number), "beta": 0.5, "learning_rate": 0.001, \
    "train": {"recon": 20.5, "kl": 4.25, "neg_elbo": 24.75}, "valid": {"recon": 21.0, "kl": \(number).5, \
    "neg_elbo": 1, "recon_of_mean": 19.0}, "active_units": 2, "kl_per_unit": [3.0, null, 0.125], \
    "variance_per_unit": [0.5, 0.25, 0.0], "grad_norm": null, "samples_per_second": 1000.0, "seconds": 1.5, \
    "ranks": 2, "skipped": 0, "rollbacks": 1, \
    "slowest_rank": 1, "wait_share": 0.25, "rank_seconds": {"group": 1, "busy": [1.0, 2.0], "wait": [0.5, 0.0]}\(more)}

    """
  }

  @Test("Rows, events, settings, environment and state of a run are read from its files")
  func reads() throws {
    try write(
      "metrics.jsonl",
      #"{"kind": "start", "step": 0, "epoch": 0, "time": "2030-01-01T00:00:00Z", "ranks": 2, "data": "digits", "#
        + #""shape": "8x8", "train_samples": 1350, "parameters": 99, "total_steps": 20}"# + "\n" + epoch(1)
        + #"{"kind": "rollback", "step": 10, "failing_step": 14, "learning_rate_factor": 0.5, "rank": 1, "#
        + #""operation": "exp", "samples": [7, 12]}"# + "\n"
        + #"{"kind": "treatment", "step": 10, "message": "free bits"}"# + "\n"
        + #"{"kind": "checkpoint", "step": 10}"# + "\n" + epoch(2)
        + #"{"kind": "step", "step": 21, "recon": 3, "kl": 4}"#
        + "\n" + #"{"kind": "stop", "reason": "finished", "step": 20, "epoch": 2}"# + "\n")
    try write("config.yaml", Configuration().yaml)
    try write("environment.json", #"{"host": "a", "ranks": 2, "slurm_job": null, "flag": true}"#)
    try write("command.txt", "one\ntwo words\n")
    try write("status.json", #"{"state": "finished", "step": 20, "epoch": 2, "exit_reason": "finished", "exit": null}"#)
    let run = try RunRecord(path)
    #expect(run.damage == [])
    #expect(run.epochs.map(\.epoch) == [1, 2] && run.epochs[1].valid.kl == 2.5 && run.epochs[1].activeUnits == 2)
    #expect(run.epochs[0].gradientNorm.isNaN && run.lowest?.epoch == 1 && run.epochs[0].slowestRank == 1)
    #expect(run.metrics.klPerUnit[0] == 3 && run.metrics.klPerUnit[1].isNaN && run.metrics.klPerUnit.count == 3)
    #expect(run.metrics.variancePerUnit == [0.5, 0.25, 0])
    #expect(run.metrics.rankSeconds?.busy == [2, 4] && run.metrics.rankSeconds?.wait == [1, 0])
    #expect(run.events.map(\.kind) == ["start", "rollback", "treatment", "stop"] && run.metrics.checkpoints == 1)
    #expect(
      run.events[1].message.contains("step 14 was not finite: first in exp, rank 1, samples 7, 12; back to step 10"))
    #expect(run.events[2].message == "free bits" && run.metrics.steps.map(\.step) == [21])
    #expect(run.metrics.start?.totalSteps == 20 && run.metrics.start?.data == "digits")
    #expect(run.configuration == Configuration() && run[setting: "model.latent"] == "20")
    #expect(run[setting: "objective.beta.end"] == "1.0" && run[setting: "model.hidden"] == "[400]")
    #expect(run.environment.map(\.key) == ["flag", "host", "ranks"] && run.command == "two words")
    #expect(run.events[3].message == "finished" && run.standing() == .finished(isEarly: false) && run.kept == nil)
  }

  @Test("Repeated epochs and steps replace earlier ones")
  func doneAgain() throws {
    func steps(_ range: ClosedRange<Int>, _ kl: Double) -> String {
      range.map { #"{"kind": "step", "step": \#($0), "recon": 1, "kl": \#(kl)}"# + "\n" }.joined()
    }
    try write("metrics.jsonl", steps(1...30, 1) + epoch(1) + epoch(2) + epoch(3) + steps(11...40, 2) + epoch(2))
    let metrics = try RunRecord(path).metrics
    #expect(metrics.steps.map(\.step) == Array(1...40) && metrics.epochs.map(\.epoch) == [1, 2])
    #expect(metrics.steps.map(\.train.kl) == (1...40).map { $0 > 10 ? 2 : 1 })
  }

  @Test("The epoch of checkpoints/best is the last that became it, and an early stop is distinguished from the end")
  func kept() throws {
    let best = #", "best": true"#
    try write("metrics.jsonl", epoch(1, more: best) + epoch(2, more: best) + epoch(3, more: #", "best": false"#))
    try write("status.json", #"{"state": "finished", "exit_reason": "early_stopping"}"#)
    let run = try RunRecord(path)
    #expect(run.kept?.epoch == 2 && run.lowest?.epoch == 1 && run.standing() == .finished(isEarly: true))
  }

  @Test("Reading a run again adds only what has been written since")
  func refreshes() throws {
    try write("metrics.jsonl", epoch(1) + String(epoch(2).dropLast(30)))
    var run = try RunRecord(path)
    #expect(run.epochs.count == 1 && run.metrics.damagedLines == 0)
    var hasGrown = run.refresh()
    #expect(!hasGrown)
    try append("metrics.jsonl", String(epoch(2).suffix(30)))
    hasGrown = run.refresh()
    #expect(hasGrown && run.epochs.map(\.epoch) == [1, 2])
    // A run that rolls back replaces its file by a shorter one.
    try DurableFile.write(epoch(1), to: path + "/metrics.jsonl")
    hasGrown = run.refresh()
    #expect(hasGrown && run.epochs.map(\.epoch) == [1])
    try write("status.json", #"{"state": "training", "heartbeat": "2030-01-01T00:00:00Z"}"#)
    hasGrown = run.refresh()
    #expect(hasGrown)
    let beat = try #require(ISO8601DateFormatter().date(from: "2030-01-01T00:00:00Z"))
    #expect(run.standing(now: beat + 30) == .going)
    #expect(run.standing(now: beat + 3_000) == .cutOff(since: "2030-01-01T00:00:00Z"))
  }

  @Test(
    "Damaged and hostile lines are counted and ignored",
    arguments: [
      "not JSON", "[]", "{}", "\"kind\"", #"{"kind": 3}"#, #"{"kind": "epoch"}"#, #"{"kind": "epoch", "epoch": -1}"#,
      #"{"kind": "epoch", "epoch": 1e300}"#, #"{"kind": "epoch", "epoch": 9223372036854775807}"#,
      #"{"kind": "step", "step": -9223372036854775808}"#, #"{"kind": "step", "step": 0}"#,
      String(repeating: "[", count: 200_000),
      #"{"kind": "epoch", "epoch": 5, "step": 1"#, "\u{0}\u{1}", #"{"kind": "epoch", "epoch": "1"}"#,
    ])
  func damaged(line: String) throws {
    try write("metrics.jsonl", epoch(1) + line + "\n" + epoch(2))
    let run = try RunRecord(path)
    #expect(run.epochs.map(\.epoch) == [1, 2])
    #expect(run.metrics.damagedLines == 1 && run.damage.count == 2, "\(run.damage)")
  }

  @Test("Values of the wrong type count as missing")
  func wrongValues() throws {
    try write(
      "metrics.jsonl",
      #"{"kind": "epoch", "epoch": 3, "train": 4, "valid": {"recon": "x"}, "ranks": [], "kl_per_unit": {"a": 1}, "#
        + #""rank_seconds": {"group": 0, "busy": [1], "wait": []}}"# + "\n")
    let run = try RunRecord(path)
    let row = try #require(run.epochs.first)
    #expect(row.train.kl.isNaN && row.valid.reconstruction.isNaN && row.ranks == 1 && row.activeUnits == nil)
    #expect(run.metrics.klPerUnit.isEmpty && run.metrics.rankSeconds == nil && run.lowest == nil)
  }

  @Test("A line without an end is skipped without being stored")
  func overlong() throws {
    try write("metrics.jsonl", epoch(1) + String(repeating: "x", count: 9 << 20) + "\n" + epoch(2))
    let run = try RunRecord(path)
    #expect(run.epochs.map(\.epoch) == [1, 2] && run.metrics.damagedLines == 1)
  }

  @Test("If something else is in place of a file, the rest is read")
  func strangeFiles() throws {
    try write("metrics.jsonl", epoch(1))
    for name in ["config.yaml", "status.json", "environment.json", "command.txt"] {
      try FileManager.default.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: false)
    }
    let run = try RunRecord(path)
    #expect(run.epochs.count == 1 && run.damage.count == 4 && run.settings.isEmpty && run.configuration == nil)
    #expect(run.standing() == .cutOff(since: nil))
    #expect(throws: Failure.self) { _ = try RunRecord(path + "/absent") }
  }

  @Test("A large number of steps is thinned evenly")
  func thins() throws {
    let lines = (1...20_000).map { #"{"kind": "step", "step": \#($0), "recon": 1}"# }
    try write("metrics.jsonl", lines.joined(separator: "\n") + "\n")
    let steps = try RunRecord(path).metrics.steps.map(\.step)
    #expect(steps.count > 2_000 && steps.count < 4_096)
    #expect(Set(zip(steps, steps.dropFirst()).map { $1 - $0 }) == [8])
  }

  @Test("Of a thousand ranks, the busiest of each group of neighbours is shown")
  func rankSeconds() {
    var all = (0..<1_000).flatMap { [1 + Double($0 % 16) / 16, 0.5] }
    all[2 * 777] = 9
    let seconds = all.withUnsafeBufferPointer { RankSeconds($0) }
    #expect(seconds.group == 16 && seconds.busy.count == 63 && seconds.wait.count == 63)
    #expect(seconds.busy[777 / 16] == 9 && seconds.busy[0] == 1.9375 && seconds.isSound)
    let twice = seconds.adding(seconds)
    #expect(twice.busy[777 / 16] == 18 && twice.adding(RankSeconds()) == RankSeconds())
  }
}
