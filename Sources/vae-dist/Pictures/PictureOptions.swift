import ArgumentParser
import Communication
import Data
import Evaluation
import Foundation
import Kernels
import Persistence
import Reporting
import Results
import Training

/// The options of all commands that draw what a model generates.
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

/// A model opened for a command, and the destination of the command's result.
struct PictureSession {
  let model: TrainedModel
  let communicator: Communicator
  let seed: UInt64
  private let options: PictureOptions

  /// Opens the model. Collective.
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

  /// Opens the data to encode and creates the encoder. Collective.
  func open(_ spec: String?) throws(Failure) -> (data: Dataset, encoder: Encoder) {
    let data = try communicator.together { () throws(Failure) in try model.open(spec) }
    try communicator.agree(
      on: [("samples", "\(data.count)"), ("digest of the data", data.fingerprint)], when: "before encoding",
      status: .badData, hint: "give every host the same data files")
    return (data, Encoder(model, data, communicator))
  }

  /// Returns the index of the class with this name or label, or of all classes if `chosen` is nil; nil for a model that
  /// is not conditioned on classes. Every rank returns the same.
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

  /// Draws `count` distinct samples at random and returns their indices in ascending order.
  func draw(_ count: Int, of data: Dataset) -> [Int] {
    let order = KeyedPermutation(
      count: data.count, generator: KeyedGenerator(seed: seed, stream: "choice"), epoch: 0, part: 0)
    return (0..<min(count, data.count)).map { order[$0] }.sorted()
  }

  /// Runs `body` on rank 0 only. Throws on every rank if it fails. Collective.
  func onRoot(_ body: () throws(Failure) -> Void) throws(Failure) -> Int32 {
    try communicator.together { () throws(Failure) in if communicator.isRoot { try body() } }
    return 0
  }

  /// Returns the file for the result: the one that the user named, or one in a folder of the run, named after the step.
  ///
  /// - name: a suffix of the file name, such as "-linear".
  func target(_ folder: String, _ name: String = "", otherwise suffix: String? = nil) throws(Failure) -> ResultFile {
    if let output = options.output { return try ResultFile(output) }
    let directory = "\(RunDirectory.of(model.file.path))/\(folder)"
    try RunDirectory.make(directory)
    let step = String(format: "step-%08d", model.file.step)
    return try ResultFile("\(directory)/\(step)\(name).\(suffix ?? (model.shape.canBeDrawn ? "png" : "csv"))")
  }

  /// Prints what was done.
  func tell(_ file: ResultFile, _ facts: [(name: String, value: JSON, text: String)] = []) throws(Failure) {
    if options.json {
      let pairs = [("output", JSON.text(file.path))] + facts.map { ($0.name, $0.value) }
      return try Output.result(JSON.object(pairs).text + "\n")
    }
    try Output.result((facts.map(\.text).filter { !$0.isEmpty } + [file.path]).joined(separator: "\n") + "\n")
  }
}
