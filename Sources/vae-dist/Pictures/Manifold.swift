import ArgumentParser
import Evaluation
import Kernels
import Reporting
import Training

struct Manifold: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the whole plane of a model with two latent units, by quantiles of the prior.",
    discussion: """
      vae-dist manifold runs/a
      """)

  @OptionGroup var options: PictureOptions
  @Option(name: .short, help: "Pictures on a side.") var n = LatentPaths.manifoldSide

  func validate() throws {
    guard (1...1_000).contains(n) else { throw ValidationError("-n \(n): write 1 to 1000") }
  }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      let session = try PictureSession(options, communicator)
      return try session.onRoot { () throws(Failure) in
        let model = session.model
        guard session.latent == 2 else {
          throw Failure(
            .usage, "\(model.file.path): z has \(session.latent) units, and a plane has two",
            hint: "`vae-dist traverse` shows units one by one")
        }
        let x = LatentDecoder(model.autoencoder).decode(LatentPaths.manifold(side: n))
        let file = try session.target("manifold")
        try file.write(x, [n, n], of: model) { PictureGrid(x, model.shape, columns: n, gap: 0) }
        try session.tell(file)
      }
    }
  }
}
