import ArgumentParser
import Evaluation
import Kernels
import Reporting
import Training

struct Manifold: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the latent plane of a model with two units, at quantiles of the prior.",
    discussion: """
      vae-dist manifold runs/a
      vae-dist manifold runs/a --class 3              for a model that is conditioned on classes (default: the first)

      A model that is conditioned on attributes uses those of the first sample of its data.
      """)

  @OptionGroup var options: PictureOptions
  @Option(name: .short, help: "Number of pictures per side.") var n = LatentPaths.manifoldSide

  @Option(name: .customLong("class"), help: ArgumentHelp("Class to show.", valueName: "name")) var chosen: String?

  func validate() throws {
    guard (1...1_000).contains(n) else { throw ValidationError("-n \(n): write 1 to 1000") }
  }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      let session = try PictureSession(options, communicator)
      let told = try told(session)
      return try session.onRoot { () throws(Failure) in
        let model = session.model
        guard session.latent == 2 else {
          throw Failure(
            .usage, "\(model.file.path): z has \(session.latent) units, and a plane has two",
            hint: "`vae-dist traverse` shows units one by one")
        }
        let y = repeated(told, n * n)
        let z = PriorSampler(model.autoencoder).draw(LatentPaths.manifold(side: n), given: y)
        let x = LatentDecoder(model.autoencoder).decode(z, given: y)
        let file = try session.target("manifold")
        try file.write(x, [n, n], of: model) { PictureGrid(x, model.shape, columns: n, gap: 0) }
        try session.tell(file)
      }
    }
  }

  /// Returns the vector y that all pictures are conditioned on; empty for an unconditional model. Collective.
  private func told(_ session: PictureSession) throws(Failure) -> [Float] {
    guard let condition = session.model.condition else { return [] }
    if let index = try session.classes(chosen)?.first { return condition.oneHot(index) }
    return try session.open(nil).data.conditions(of: [0])
  }
}
