import ArgumentParser
import Evaluation
import Kernels
import Reporting
import Training

struct Sample: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw from the prior and decode: new samples.",
    discussion: """
      vae-dist sample runs/a
      vae-dist sample runs/a -n 1000 --seed 7 -o samples.npy     in the units of the data
      vae-dist sample runs/a --temperature 0.7                   closer to the middle: cleaner, and more alike
      """)

  @OptionGroup var options: PictureOptions
  @Option(name: .short, help: "How many samples.") var n = 64
  @Option(help: "Standard deviation of z; the prior's is 1.") var temperature = 1.0
  @Flag(help: "Draw x from p(x given z) instead of its mean.") var draw = false

  func validate() throws {
    try requireCount(n)
    guard (0...1_000).contains(temperature) else {
      throw ValidationError("--temperature \(temperature): write 0 to 1000")
    }
  }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      let session = try PictureSession(options, communicator)
      return try session.onRoot { () throws(Failure) in
        let model = session.model
        let z = LatentPaths.prior(
          n, latent: session.latent, seed: session.seed, stream: "pictures", temperature: Float(temperature))
        let x = LatentDecoder(model.autoencoder, drawing: draw ? session.seed : nil).decode(z)
        let file = try session.target("samples")
        try file.write(x, [n], of: model) { PictureGrid(x, model.shape, columns: 8) }
        try session.tell(file)
      }
    }
  }
}
