import Benchmarks
import ArgumentParser
import Communication
import RunConfiguration
import Foundation
import Kernels
import Persistence
import Reporting
import Settings
import Training
import VAE

/// The options of all measuring commands.
struct MeasuringOptions: ParsableArguments {
  @Option(help: "Which model: \(ConfigurationSchema.presetNames).") var preset = "mnist-mlp"
  @Option(help: "BLAS threads per rank.") var threads: String?
  @Option(
    name: .customLong("set"), help: ArgumentHelp("Any key of the configuration.", valueName: "section.key=value"))
  var assignments: [String] = []
  @Flag(help: "One JSON object.") var json = false
  @OptionGroup var progress: ProgressOption

  /// Returns the configuration of the preset with random data.
  func configuration(_ more: [(String, String?)] = []) throws(Failure) -> Configuration {
    try Configuration.random(
      preset: preset, flags: ([("train.threads", threads)] + more).compactMap { path, text in text.map { (path, $0) } },
      assignments: assignments, environment: ProcessInfo.processInfo.environment)
  }

  func setup(_ communicator: Communicator, _ more: [(String, String?)] = []) throws(Failure) -> TrainingSetup {
    progress.show(communicator)
    let configuration = try communicator.together { () throws(Failure) in try self.configuration(more) }
    return try TrainingSetup(configuration, communicator, checkpointDirectory: nil, resume: .none)
  }

  /// Returns the model alone, without data or a batch, so that any number of ranks may be used. Collective.
  func model(_ communicator: Communicator) throws(Failure) -> (Configuration, VariationalAutoencoder) {
    progress.show(communicator)
    let configuration = try communicator.together { () throws(Failure) in try self.configuration() }
    let model = try communicator.together { () throws(Failure) in try configuration.measuredModel() }
    return (configuration, model)
  }
}

/// Formats rows of text as columns, the first left-aligned and the others right-aligned.

func columns(_ rows: [[String]]) -> String {
  let count = rows.map(\.count).max() ?? 0
  let widths: [Int] = (0..<count).map { column in
    rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
  }
  let lines: [String] = rows.map { row in
    let cells: [String] = row.enumerated().map { index, text in
      let space = String(repeating: " ", count: widths[index] - text.count)
      return index == 0 ? text + space : space + text
    }
    return cells.joined(separator: "  ")
  }
  return lines.joined(separator: "\n")
}

func milliseconds(_ seconds: Double) -> String { "\(seconds * 1_000, .fixed(3))" }
func microseconds(_ seconds: Double) -> String { "\(seconds * 1e6, .fixed(2))" }
/// Formats a time in seconds per byte as GB/s.
func gigabytes(_ secondsPerByte: Double) -> String { "\(1e-9 / max(secondsPerByte, 1e-15), .fixed(2))" }
