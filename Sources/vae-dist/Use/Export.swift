import ArgumentParser
import Evaluation
import Foundation
import Kernels
import Persistence
import Reporting
import Settings
import Training

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a trained model for other programs: ONNX, safetensors, a PyTorch module.",
    discussion: """
      vae-dist export runs/a --check                              runs/a/export/encoder.onnx and decoder.onnx; after
                                                                  `score --calibrate` scorer.onnx, too
      vae-dist export runs/a --format safetensors -o a.safetensors
      vae-dist export runs/a --format pytorch-module -o vae.py    the module, which loads the safetensors file
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case onnx, safetensors, pytorchModule = "pytorch-module" }

  @Argument(help: ArgumentHelp("Run directory, checkpoint directory or .safetensors file.", valueName: "run"))
  var place: String
  @Option(help: "onnx (a folder), safetensors, or pytorch-module (a text).") var format = Format.onnx
  @Option(
    name: [.short, .customLong("output")],
    help: ArgumentHelp(
      "Folder of the ONNX files, or a file (default: export/ in the run directory; a module is printed).",
      valueName: "place"))
  var output: String?
  @Flag(
    help: """
      Read the ONNX files back, compute validation samples from them in float64 and compare with the program. The samples \
      and the expected results are left in check/ next to the files.
      """)
  var check = false
  @Option(help: "Data to check with (default: the run's validation data).") var data: String?
  @Flag(help: "Print the result as one JSON object.") var json = false
  @OptionGroup var progress: ProgressOption

  /// Number of samples that `--check` compares.
  private static let checkedSamples = 64

  func validate() throws {
    guard format == .onnx || !check && data == nil else {
      throw ValidationError("--check and --data are for --format onnx")
    }
    guard format == .onnx || !json else { throw ValidationError("--json is for --format onnx") }
  }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      progress.show(communicator)
      let model = try TrainedModel(place, communicator)
      try communicator.together { () throws(Failure) in
        guard communicator.isRoot else { return }
        for warning in model.file.warnings { Output.complain("vae-dist: warning: \(warning)\n") }
        try write(model)
      }
      return 0
    }
  }

  private func write(_ model: TrainedModel) throws(Failure) {
    let folder = RunDirectory.of(model.file.path) + "/export"
    switch format {
    case .onnx: try writeONNX(model, to: output ?? folder)
    case .safetensors:
      if output == nil { try makeFolder(folder) }
      let path = output ?? folder + "/model.safetensors"
      let calibration = try Calibration.stored(for: model.file)
      let entries = try calibration.map { calibration throws(Failure) in
        [Calibration.metadataKey: try calibration.json]
      }
      try SafetensorsExport.write(model, adding: entries ?? [:], to: path)
      try Output.result(path + "\n")
    case .pytorchModule:
      let text = try TorchModule(model).text
      guard let output else { return try Output.result(text) }
      try DurableFile.write(text, to: output)
      try Output.result(output + "\n")
    }
  }

  private func writeONNX(_ model: TrainedModel, to folder: String) throws(Failure) {
    try makeFolder(folder)
    let calibration = try Calibration.stored(for: model.file)
    if calibration == nil {
      Output.complain(
        "vae-dist: there is no scorer.onnx, because the model is not calibrated; `vae-dist score RUN --calibrate` finds "
          + "its threshold\n")
    }
    let export = try ONNXExport(model, calibration)
    try export.write(to: folder)
    let files = export.parts.map { "\(folder)/\($0.file)" }
    let found = check ? try checked(model, calibration, folder) : []
    if json {
      let agreements = found.map { agreement in
        JSON.object([
          ("file", .text(agreement.file)), ("output", .text(agreement.output)),
          ("difference", .number(agreement.difference)), ("holds", .flag(agreement.holds)),
        ])
      }
      let object = JSON.object([("files", .array(files.map(JSON.text))), ("check", .array(agreements))])
      try Output.result(object.text + "\n")
    } else {
      try Output.result((found.map(\.text) + files).joined(separator: "\n") + "\n")
    }
    if let worst = found.first(where: { !$0.holds }) {
      throw Failure(
        .failure, "\(folder)/\(worst.file): \(worst.output) is not what the program computes",
        hint: "do not use the files, and report this bug with the model's configuration")
    }
  }

  private func makeFolder(_ path: String) throws(Failure) {
    do { try RunDirectory.make(path) } catch {
      throw Failure(
        .cannotCreate, "\(path.printable): this folder cannot be created", hint: "choose another output path with -o")
    }
  }

  private func checked(
    _ model: TrainedModel, _ calibration: Calibration?, _ folder: String
  ) throws(Failure) -> [ExportAgreement] {
    let samples = try ReferenceSamples(
      model, model.open(data), calibration: calibration, most: Self.checkedSamples)
    try makeFolder(folder + "/check")
    try samples.write(to: folder + "/check")
    let found = try ONNXExport.check(folder, against: samples)
    if !json {
      try Output.result(
        "\(samples.count) samples, computed from the files in float64 by vae-dist's own reader, against the program:\n")
    }
    return found
  }
}

extension ExportAgreement {
  fileprivate var text: String {
    let share = difference.isFinite ? "\(difference, .scientific(1))" : "not a number, or of another shape"
    return "  \(file) \(output): largest difference \(share) of the largest value"
      + (holds ? "" : ", which is more than \(ExportAgreement.limit, .scientific(0))")
  }
}
