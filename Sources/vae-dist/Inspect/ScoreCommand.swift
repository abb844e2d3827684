import ArgumentParser
import Communication
import Evaluation
import Kernels
import Persistence
import Reporting
import Results
import Training

struct ScoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "score",
    abstract: "Score how anomalous each row is, and test the data for drift.",
    discussion: """
      vae-dist score runs/a --calibrate                          on the rows that the run was validated on
      vae-dist score runs/a new.csv -o scores.csv                index,score,anomalous,p_value
      mpirun -np 8 vae-dist score runs/a test.npz --json         with labels y: AUROC, average precision, F1
      vae-dist score runs/a mnist/ --normal 3 --score squared_error -o scores.csv
      """)

  @Argument(help: ArgumentHelp("Run directory, checkpoint directory or .safetensors file.", valueName: "run"))
  var place: String
  @Argument(help: ArgumentHelp("Data to score; its held-out samples if it has some.", valueName: "data"))
  var rows: String?
  @Option(
    help:
      "\(Score.allCases.map(\.rawValue).joined(separator: ", ")) (default: as calibrated; else squared_error of images, neg_elbo)."
  )
  var score: String?
  @Option(help: "Draws of z, the same for every row (default: neg_elbo 16, likelihood 64).") var draws: Int?
  @Flag(help: "Learn threshold and drift baseline from normal rows, and store them with the model.")
  var calibrate = false
  @Option(help: "Normal rows to calibrate on, not those of training (default: the run's validation data).")
  var data: String?
  @Option(help: "Share of normal rows below the threshold (default: as calibrated; else 0.999).") var quantile: Double?
  @Option(
    help: ArgumentHelp("The class of normal rows, all others being anomalies (default: label 0).", valueName: "class"))
  var normal: String?
  @Option(
    help: ArgumentHelp("The column of a table that contains labels (default: as in training).", valueName: "column"))
  var label: String?
  @Option(
    name: [.short, .customLong("output")],
    help: ArgumentHelp("A line for each row (default: standard output, unless --json).", valueName: "file"))
  var output: String?
  @Option(help: "Table of what each column adds to the squared error, for the highest scores.") var contributions:
    String?
  @Option(help: "Pictures of the highest scores: original, reconstruction, squared error of each pixel.") var maps:
    String?
  @Option(help: "A picture of a sequence: its columns, the score of each window, and the alarms.") var timeline: String?
  @Option(help: "Number of highest scores for --contributions and --maps.") var top = 16
  @Flag(help: "Print the result as one JSON object.") var json = false
  @OptionGroup var progress: ProgressOption

  func validate() throws {
    if let score, Score(rawValue: score) == nil {
      throw ValidationError("--score \(score): write one of \(Score.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    if let quantile, !(quantile > 0 && quantile < 1) {
      throw ValidationError("--quantile \(quantile): write a share between 0 and 1, such as 0.999")
    }
    if let draws, !(1...Calibration.mostDraws).contains(draws) {
      throw ValidationError("--draws \(draws): write 1 to 100000")
    }
    guard calibrate || rows != nil else {
      throw ValidationError("there is nothing to score: name data, or give --calibrate")
    }
    guard rows != nil || contributions == nil && maps == nil && output == nil && timeline == nil else {
      throw ValidationError("-o, --maps, --timeline and --contributions need rows to score: name data")
    }
    guard top > 0 else { throw ValidationError("--top \(top): write 1 or more") }
    guard calibrate || data == nil else {
      throw ValidationError("--data names rows for --calibrate, which is not given")
    }
  }

  private var examined: Int { contributions == nil && maps == nil ? 0 : top }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      progress.show(communicator)
      let model = try TrainedModel(place, communicator)
      var warnings = model.file.warnings
      try communicator.together { () throws(Failure) in try requireDrawable(model) }
      let (scorer, calibration) = try self.calibration(model, communicator, &warnings)
      let report = try rows.map { rows throws(Failure) in
        try scorer.score(rows, by: calibration, normal: normal, label: label, examined: examined)
      }
      let known = warnings + (report?.warnings ?? calibration.warnings)
      try communicator.together { () throws(Failure) in
        guard communicator.isRoot else { return }
        for warning in known { Output.complain("vae-dist: warning: \(warning)\n") }
        try tell(report, calibration, model.file)
      }
      return 0
    }
  }

  private func requireDrawable(_ model: TrainedModel) throws(Failure) {
    guard timeline == nil || model.schema?.windows != nil else {
      throw Failure(
        .usage, "--timeline: the model's samples are not windows over rows (data.window)",
        hint: "omit --timeline; -o writes the scores of all rows")
    }
    guard maps != nil, !model.shape.canBeDrawn else { return }
    throw Failure(
      .usage, "--maps: samples of \(model.shape) are not pictures",
      hint: "--contributions FILE.csv says what each column adds")
  }

  /// Returns the stored calibration if it is suitable, or a new one. Collective.
  private func calibration(
    _ model: TrainedModel, _ communicator: Communicator, _ warnings: inout [String]
  ) throws(Failure) -> (AnomalyScorer, Calibration) {
    let file = model.file
    let stored = calibrate ? nil : try communicator.together { () throws(Failure) in try Calibration.stored(for: file) }
    let digest = try communicator.together { () throws(Failure) in try stored?.digest ?? "none" }
    try communicator.agree(
      on: [("calibration stored with the model", digest)], when: "before scoring", status: .badData,
      hint: "copy calibration.json to the model on every host, or to none")
    let (scorer, known) = try AnomalyScorer.choose(
      model, score: score.flatMap(Score.init), draws: draws, quantile: quantile, stored: stored, communicator)
    if let known { return (scorer, known) }
    let made = try scorer.calibrate(on: data, quantile: quantile ?? stored?.threshold.quantile ?? 0.999)
    if calibrate {
      try communicator.together { () throws(Failure) in
        if communicator.isRoot { try made.write(besideModel: file.path) }
      }
    } else {
      warnings.append(
        "calibrated on \(made.data) for this command only; `vae-dist score RUN --calibrate` stores the calibration")
    }
    return (scorer, made)
  }

  /// Prints the scores of all rows, with a summary where the output format allows one. Rank 0 only.
  private func tell(_ report: ScoreReport?, _ calibration: Calibration, _ file: ModelFile) throws(Failure) {
    guard let report else {
      let facts = JSON.object([
        ("model", .text(file.path)), ("digest", .text(file.digest)), ("calibration", calibration.summary),
        ("output", .text(Calibration.path(besideModel: file.path))),
        ("warnings", .array(calibration.warnings.map(JSON.text))),
      ])
      let text = (calibration.lines + [Calibration.path(besideModel: file.path)]).joined(separator: "\n")
      return try Output.result((json ? facts.text : text) + "\n")
    }
    if let contributions { try report.writeContributions(to: contributions) }
    if let maps { try AnomalyMaps(report).write(to: maps) }
    if let timeline { try Timeline(report).write(to: timeline) }
    if let output {
      try report.write(to: output)
    } else if !json {
      Output.complain(report.text + "\n")
      for part in report.lines { try Output.result(part) }
      return
    }
    try Output.result((json ? report.json(file).text : report.text) + "\n")
  }
}
