import RunConfiguration
import Foundation
import TestSupport
import Training
@testable import Reporting

/// A run directory that was made for a test.
struct PlantedRun {
  let scratch: Scratch
  var path: String { scratch.path + "/" + name }
  private let name: String

  init(
    name: String = "run", epochs: Int = 30, units: Int = 10, ranks: Int = 2, state: String = "finished",
    events: [String] = [], pictures: Int = 3, valid: (Int) -> Double = { 100 + 100 / Double($0) },
    train: ((Int) -> Double)? = nil
  ) throws {
    scratch = try Scratch()
    self.name = name
    try FileManager.default.createDirectory(atPath: scratch.path + "/" + name, withIntermediateDirectories: true)
    var lines = [
      #"{"kind": "start", "step": 0, "epoch": 0, "time": "2030-01-01T00:00:00Z", "ranks": \#(ranks), "#
        + #""data": "digits", "shape": "8x8x1", "train_samples": 1350, "valid_samples": 150, "#
        + #""parameters": 99000, "total_steps": 300}"#
    ]
    lines += events
    lines += (1...max(1, epochs)).prefix(epochs).map {
      PlantedRun.epoch($0, units: units, ranks: ranks, train: train?($0) ?? (valid($0) - 2), valid: valid($0))
    }
    try write("metrics.jsonl", lines.joined(separator: "\n") + "\n")
    var configuration = Configuration()
    configuration.model.latent = units
    configuration.train.maxEpochs = epochs
    try write("config.yaml", configuration.yaml)
    try write(
      "status.json", #"{"state": "\#(state)", "step": \#(10 * epochs), "epoch": \#(epochs), "exit_reason": "signal"}"#)
    try write("environment.json", #"{"host": "node-1", "ranks": \#(ranks), "mpi": "Open MPI", "slurm_job": null}"#)
    try write("command.txt", "vae-dist train --run runs/a\n")
    for folder in pictures > 0 ? ["samples", "reconstructions", "latent"] : [] {
      for number in 1...pictures { try picture(folder, number * max(1, epochs / pictures)) }
    }
  }

  func write(_ name: String, _ text: String) throws {
    try writeFile(Array(text.utf8), at: path + "/" + name)
  }

  func append(_ name: String, _ bytes: [UInt8]) throws {
    let file = path + "/" + name
    try writeFile(Array(FileManager.default.contents(atPath: file) ?? Data()) + bytes, at: file)
  }

  func picture(_ folder: String, _ epoch: Int) throws {
    try FileManager.default.createDirectory(atPath: path + "/" + folder, withIntermediateDirectories: true)
    let images = (0..<64 * 64).map { Float($0 * 7 % 97) / 97 }
    try PictureGrid(images: images, count: 64, height: 8, width: 8, channels: 1, columns: 8)
      .write(to: path + "/\(folder)/" + String(format: "epoch-%05d.png", epoch))
  }

  func record() throws -> RunRecord { try RunRecord(path) }

  /// The page, read by an XML parser.
  func page() throws -> (text: String, page: ParsedPage) {
    let text = ReportPage.text([try record()])
    return (text, ParsedPage(text))
  }

  static func epoch(_ epoch: Int, units: Int, ranks: Int, train: Double, valid: Double) -> String {
    let beta = min(1, 0.1 + 0.9 * Double(epoch) / 9), kl = 20 * (1 - exp(-Double(epoch) / 4))
    let perUnit = (0..<units).map { kl * exp(-Double($0)) }, variance = (0..<units).map { $0 < 6 ? 0.5 : 0.001 }
    let busy = (0..<min(ranks, 64)).map { $0 == 1 ? 2 : 1 + 0.1 * Double($0 % 5) }
    return """
      {"kind": "epoch", "epoch": \(epoch), "step": \(10 * epoch), "beta": \(beta), "learning_rate": 0.001, \
      "train": {"recon": \(train - kl), "kl": \(kl), "neg_elbo": \(train)}, "valid": {"recon": \(valid - kl), \
      "kl": \(kl), "neg_elbo": \(valid), "bits_per_dimension": 0.2, "recon_of_mean": 1.0}, \
      "active_units": \(min(6, units)), \
      "kl_per_unit": \(perUnit), "variance_per_unit": \(variance), "grad_norm": \(30 / Double(epoch)), \
      "samples_per_second": \(20_000 + 500 * sin(Double(epoch))), "seconds": 0.5, "ranks": \(ranks), "skipped": 0, \
      "rollbacks": 0, "slowest_rank": 1, "wait_share": 0.04, "rank_seconds": \
      {"group": \((ranks + 63) / 64), "busy": \(busy), "wait": \(busy.map { 2.5 - $0 })}}
      """
  }
}
