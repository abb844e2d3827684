import ArgumentParser
import Communication
import Data
import Evaluation
import Kernels
import Persistence
import Reporting
import Results
import Training

struct AugmentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "augment",
    abstract: "Make synthetic rows, and write them only if they pass checks.",
    discussion: """
      vae-dist augment runs/a -n 200 --per-class --around -o made.npz     and made-report.html
      vae-dist augment runs/three -n 500 -o threes/                       from the prior of a model of one class
      vae-dist augment runs/t -n 5000 --around --width 2 -o made.csv --json
      """)

  @Argument(help: ArgumentHelp("Run directory, checkpoint directory or .safetensors file.", valueName: "run"))
  var place: String
  @Option(
    name: .short, help: "Number of rows: in total, divided like the training rows, or with --per-class of each class.")
  var n =
    1_000
  @Flag(help: "Make -n rows of each class.") var perClass = false
  @Flag(help: "Draw z around training rows of the class, whose label a row takes, instead of from the prior.")
  var around = false
  @Option(help: "With --around: the spread of z, in standard deviations of the posterior (default: 1).")
  var width: Double?
  @Flag(help: "Take the mean of p(x given z) instead of a draw.") var mean = false
  @Option(help: "Share of real held-out rows below each of the gate's thresholds.") var quantile = 0.95
  @Option(help: ArgumentHelp("Seed of random draws (default: the model's seed).", valueName: "n")) var seed: UInt64?
  @Option(help: "Location of the run's own data, if it has moved.") var data: String?
  @Option(
    name: [.short, .customLong("output")],
    help: ArgumentHelp(
      "FILE.npz, FILE.csv, or a folder for pictures; the report is written next to it.", valueName: "file"))
  var output: String
  @Flag(help: "Write rows that are refused, too; the report says so.") var force = false
  @Flag(help: "Print the result as one JSON object.") var json = false
  @OptionGroup var progress: ProgressOption

  func validate() throws {
    try requireCount(n)
    guard quantile > 0, quantile < 1 else {
      throw ValidationError("--quantile \(quantile): write a share between 0 and 1, such as 0.95")
    }
    guard width == nil || around else { throw ValidationError("--width has no effect without --around") }
    if let width, !(width >= 0 && width <= 1_000) { throw ValidationError("--width \(width): write 0 to 1000") }
  }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      progress.show(communicator)
      let model = try TrainedModel(place, communicator)
      let target = try communicator.together { () throws(Failure) in try AugmentedData(output, of: model) }
      let augmenter = try Augmenter(model, options(model), communicator)
      let report = try augmenter.run()
      try communicator.together { () throws(Failure) in
        if let report { try hand(out: report, to: target, warnings: model.file.warnings) }
      }
      return 0
    }
  }

  private func options(_ model: TrainedModel) -> AugmentationOptions {
    AugmentationOptions(
      count: n, isPerClass: perClass, width: around ? width ?? 1 : nil, usesMean: mean, quantile: quantile,
      seed: seed ?? model.seed, data: data)
  }

  /// Writes the report, and the rows if they passed the checks or are forced. Rank 0 only.
  private func hand(
    out report: AugmentationReport, to target: AugmentedData, warnings: [String]
  ) throws(Failure) {
    for warning in warnings + report.warnings { Output.complain("vae-dist: warning: \(warning.printable)\n") }
    // An empty result is not written, not even when forced.
    let isWritten = (!report.isRefused || force) && report.rows.count > 0
    if isWritten { try target.write(report) }
    try AugmentationPage(report, output: isWritten ? target.path : nil).write(to: target.page)
    let found = report.json(output: isWritten ? target.path : nil, page: target.page, isForced: force)
    try Output.result((json ? found.text : text(report, target, isWritten)) + "\n")
    guard isWritten else {
      throw Failure(
        .badData, "refused: nothing was written, because of: " + report.reasons.map(\.check).joined(separator: ", "),
        hint: "the reasons, and what to do about each, are in \(target.page); --force writes the rows anyway")
    }
  }

  private func text(_ report: AugmentationReport, _ target: AugmentedData, _ isWritten: Bool) -> String {
    let findings = report.findings.map { "\($0.level.rawValue)  \($0.text)" }
    let forced = report.isRefused && isWritten ? ["forced  these rows would have been refused"] : []
    return (findings + forced + (isWritten ? [target.path] : []) + [target.page]).joined(separator: "\n")
  }
}
