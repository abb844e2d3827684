import ArgumentParser
import Evaluation
import Kernels
import Reporting
import Training

struct Reconstruct: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show validation samples above their reconstructions.",
    discussion: """
      vae-dist reconstruct runs/a -n 32
      vae-dist reconstruct runs/a --data photos/ -o photos.png
      vae-dist reconstruct runs/a -o reconstructions.npy         without the originals, in the units of the data
      """)

  @OptionGroup var options: PictureOptions
  @Option(name: .short, help: "How many samples.") var n = 16
  @Option(help: "Data to take samples from (default: the run's validation data).") var data: String?
  @Flag(help: "Draw x from p(x given z) instead of its mean.") var draw = false

  func validate() throws { try requireCount(n) }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      let session = try PictureSession(options, communicator)
      let (data, encoder) = try session.open(self.data)
      let posteriors = try encoder.encode(session.draw(n, of: data))
      return try session.onRoot { () throws(Failure) in
        let model = session.model, shape = model.shape, count = posteriors.count
        let x = LatentDecoder(model.autoencoder, drawing: draw ? session.seed : nil)
          .decode(posteriors.mu, given: data.conditions(of: posteriors.indices))
        let originals = try encoder.inputs(posteriors.indices)
        let file = try session.target("reconstructions")
        try file.write(x, [count], of: model) {
          .reconstructions(
            inputs: originals, reconstructions: x, count: count, height: shape.height, width: shape.width,
            channels: shape.channels, columns: 8)
        }
        try session.tell(file)
      }
    }
  }
}

/// Throws unless a number of samples, pairs or units is in the valid range.
func requireCount(_ n: Int) throws {
  guard (1...1_000_000).contains(n) else { throw ValidationError("-n \(n): write 1 to 1000000") }
}
