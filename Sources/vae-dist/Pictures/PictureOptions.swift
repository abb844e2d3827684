import ArgumentParser
import Communication
import Data
import Evaluation
import Foundation
import Kernels
import Persistence
import Reporting
import Training

/// What all commands take that show what a model makes.
struct PictureOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("Run directory, checkpoint directory or .safetensors file.", valueName: "run"))
  var place: String
  @Option(help: ArgumentHelp("Seed of random draws (default: the model's seed).", valueName: "n")) var seed: UInt64?
  @Option(
    name: [.short, .customLong("output")],
    help: ArgumentHelp("FILE.png, .npy or .csv (default: a picture in the run directory).", valueName: "file"))
  var output: String?
  @Flag(help: "Print the result as one JSON object.") var json = false
  @OptionGroup var progress: ProgressOption
}

/// A model opened for a command, and where its result goes.
struct PictureSession {
  let model: TrainedModel
  let communicator: Communicator
  let seed: UInt64
  private let options: PictureOptions

  /// Collective.
  init(_ options: PictureOptions, _ communicator: Communicator) throws(Failure) {
    options.progress.show(communicator)
    model = try TrainedModel(options.place, communicator)
    self.communicator = communicator
    self.options = options
    seed = options.seed ?? model.seed
    if communicator.isRoot {
      for warning in model.file.warnings { Output.complain("vae-dist: warning: \(warning)\n") }
    }
  }

  var latent: Int { model.autoencoder.latent }

  /// Collective: what is encoded, and the encoder.
  func open(_ spec: String?) throws(Failure) -> (data: Dataset, encoder: Encoder) {
    let data = try communicator.together { () throws(Failure) in try model.open(spec) }
    try communicator.agree(
      on: [("samples", "\(data.count)"), ("digest of the data", data.fingerprint)], when: "before encoding",
      status: .badData, hint: "give every host the same data files")
    return (data, Encoder(model, data, communicator))
  }

  /// Which classes are meant: that of this name or label, or all; nil of a model that is told none. All ranks agree.
  func classes(_ chosen: String?) throws(Failure) -> [Int]? {
    guard let condition = model.condition, condition.classes > 0 else {
      if chosen == nil { return nil }
      throw refused("--class: the model is not conditioned on classes", "train with --set model.condition=label")
    }
    guard let chosen else { return Array(0..<condition.classes) }
    if let index = condition.index(of: chosen) { return [index] }
    throw refused(
      "--class \(chosen.printable): there is no such class", "one of: " + condition.names.joined(separator: ", "))
  }

  private func refused(_ message: String, _ hint: String) -> Failure {
    var failure = Failure(.usage, message, hint: hint)
    failure.isCollective = true
    return failure
  }

  /// `count` different samples in ascending order, drawn at random.
  func draw(_ count: Int, of data: Dataset) -> [Int] {
    let order = KeyedPermutation(
      count: data.count, generator: KeyedGenerator(seed: seed, stream: "choice"), epoch: 0, part: 0)
    return (0..<min(count, data.count)).map { order[$0] }.sorted()
  }

  /// Does on rank 0 what only one can do, and tells all how it went.
  func onRoot(_ body: () throws(Failure) -> Void) throws(Failure) -> Int32 {
    try communicator.together { () throws(Failure) in if communicator.isRoot { try body() } }
    return 0
  }

  /// Where the result goes: as asked, or into a folder of the run, named after the step. - name: such as "-linear".
  func target(_ folder: String, _ name: String = "", otherwise suffix: String? = nil) throws(Failure) -> ResultFile {
    if let output = options.output { return try ResultFile(output) }
    let directory = "\(RunDirectory.of(model.file.path))/\(folder)"
    try RunDirectory.make(directory)
    let step = String(format: "step-%08d", model.file.step)
    return try ResultFile("\(directory)/\(step)\(name).\(suffix ?? (model.shape.canBeDrawn ? "png" : "csv"))")
  }

  /// Says what was done.
  func tell(_ file: ResultFile, _ facts: [(name: String, value: JSON, text: String)] = []) throws(Failure) {
    if options.json {
      let pairs = [("output", JSON.text(file.path))] + facts.map { ($0.name, $0.value) }
      return try Output.result(JSON.object(pairs).text + "\n")
    }
    try Output.result((facts.map(\.text).filter { !$0.isEmpty } + [file.path]).joined(separator: "\n") + "\n")
  }
}
