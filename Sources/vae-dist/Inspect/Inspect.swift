import ArgumentParser
import Communication
import Kernels
import Reporting
import Training

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model file holds: shapes, step, configuration, digest of the parameters.",
    discussion: """
      vae-dist inspect runs/a
      vae-dist inspect runs/a/checkpoints/best --json
      """)

  @Argument(help: ArgumentHelp("Run directory, checkpoint directory or .safetensors file.", valueName: "run"))
  var place: String
  @Flag(help: "One JSON object.") var json = false
  @OptionGroup var progress: ProgressOption

  func run() throws {
    guard Launcher.expectedRank == 0 else { return }
    progress.show()
    let model = try ModelFile(place)
    for warning in model.warnings { Output.complain("vae-dist: warning: \(warning)\n") }
    try Output.result((json ? model.json.text : model.text) + "\n")
  }
}
