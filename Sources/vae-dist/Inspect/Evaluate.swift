import ArgumentParser
import Evaluation
import Kernels
import Reporting
import Training

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Report metrics and a diagnosis of a trained model.",
    discussion: """
      vae-dist evaluate runs/a
      mpirun -np 8 vae-dist evaluate runs/a --iwae 200 --json
      vae-dist evaluate runs/a/checkpoints/best --data mnist/
      """)

  @Argument(help: ArgumentHelp("Run directory, checkpoint directory or .safetensors file.", valueName: "run"))
  var place: String
  @Option(help: "Data to evaluate on; its held-out samples if it has some (default: the run's validation data).")
  var data: String?
  @Option(help: ArgumentHelp("Importance samples for the estimate of log p(x); 0: none.", valueName: "k"))
  var iwae = 0
  @Option(name: [.customShort("n"), .long], help: "Largest number of samples, evenly spaced.") var samples: Int?
  @Flag(help: "One JSON object.") var json = false
  @OptionGroup var progress: ProgressOption

  func validate() throws {
    guard (0...1_000_000).contains(iwae) else { throw ValidationError("--iwae \(iwae): write 0 to 1000000") }
    guard samples ?? 1 > 0 else { throw ValidationError("--samples \(samples ?? 0): write 1 or more") }
  }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      progress.show(communicator)
      let model = try TrainedModel(place, communicator)
      if communicator.isRoot {
        for warning in model.file.warnings { Output.complain("vae-dist: warning: \(warning)\n") }
      }
      let evaluator = try Evaluator(model, data: data, limit: samples, communicator)
      let report = try evaluator.evaluate(importanceSamples: iwae)
      guard communicator.isRoot else { return 0 }
      try Output.result((json ? report.json(model.file).text : report.text(model.file)) + "\n")
      return 0
    }
  }
}
