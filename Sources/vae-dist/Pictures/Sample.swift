import ArgumentParser
import Data
import Evaluation
import Kernels
import Persistence
import Reporting
import Training

struct Sample: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw new samples from the prior and decode them.",
    discussion: """
      vae-dist sample runs/a
      vae-dist sample runs/a -n 1000 --seed 7 -o samples.npy     in the units of the data
      vae-dist sample runs/a --temperature 0.7                   closer to the mean: cleaner and less varied
      vae-dist sample runs/a --class 3 -n 64                     of one class, by its name or label

      A model that is conditioned on classes draws every class, one row each. One that is conditioned on attributes uses
      those of random samples of the data. Numbers (.npy, .csv) come with the labels.
      """)

  @OptionGroup var options: PictureOptions
  @Option(name: .short, help: "How many samples, of each class if several (default: 64, or 8 of each).") var n: Int?
  @Option(name: .customLong("class"), help: ArgumentHelp("Draw this class only.", valueName: "name"))
  var chosen: String?
  @Option(help: "Factor of the noise that z is drawn with.") var temperature = 1.0
  @Flag(help: "Draw x from p(x given z) instead of its mean.") var draw = false

  func validate() throws {
    if let n { try requireCount(n) }
    guard (0...1_000).contains(temperature) else {
      throw ValidationError("--temperature \(temperature): write 0 to 1000")
    }
  }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      let session = try PictureSession(options, communicator)
      let classes = try session.classes(chosen), samples = try drawn(session, classes)
      return try session.onRoot { () throws(Failure) in
        let model = session.model
        let z = PriorSampler(model.autoencoder).draw(samples.noise, given: samples.y)
        let x = LatentDecoder(model.autoencoder, drawing: draw ? session.seed : nil).decode(z, given: samples.y)
        let count = x.count / model.shape.elementCount
        let file = try session.target("samples", chosen.map { "-class-\(fileName($0))" } ?? "")
        let labels = classes.map { classes in
          classes.flatMap { repeated([model.condition?.labels[$0] ?? 0], count / classes.count) }
        }
        try file.write(x, [count], of: model, labels: labels) {
          PictureGrid(x, model.shape, columns: samples.columns).labelled(samples.names)
        }
        try session.tell(file)
      }
    }
  }

  /// Returns the latent noise and the vectors y. For a model conditioned on attributes, these are taken from samples of
  /// the data. Collective.
  private func drawn(_ session: PictureSession, _ classes: [Int]?) throws(Failure) -> PriorSamples {
    let noise = PriorNoise(
      columns: session.model.autoencoder.latents.noiseColumns, seed: session.seed, temperature: Float(temperature))
    guard let condition = session.model.condition else { return PriorSamples(noise, count: n ?? 64) }
    if let classes {
      return PriorSamples(noise, each: n ?? (classes.count > 1 ? 8 : 64), of: classes, condition)
    }
    let (data, _) = try session.open(nil)
    let indices = session.draw(n ?? 64, of: data)
    return PriorSamples(noise, count: indices.count, y: data.conditions(of: indices))
  }

  private func fileName(_ name: String) -> String {
    String(name.map { $0.isLetter || $0.isNumber || "-_".contains($0) ? $0 : "_" })
  }
}
