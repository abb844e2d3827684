import ArgumentParser
import Evaluation
import Kernels
import Persistence
import Reporting
import Settings
import Training

struct Interpolate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Interpolate between validation samples in the latent space.",
    discussion: """
      vae-dist interpolate runs/a                     pairs of different classes where labels are known, else far apart
      vae-dist interpolate runs/a --path spherical
      """)

  @OptionGroup var options: PictureOptions
  @Option(name: .short, help: "How many pairs.") var n = LatentPaths.pairs
  @Option(help: "Steps per pair, including both ends.") var steps = LatentPaths.steps
  @Option(help: "linear, or spherical: along the great circle.") var path = InterpolationPath.linear
  @Option(help: "Data to take samples from (default: the run's validation data).") var data: String?

  /// Number of samples from which pairs are chosen.
  private static let choice = 1_000

  func validate() throws {
    try requireCount(n)
    guard (2...1_000).contains(steps) else { throw ValidationError("--steps \(steps): write 2 to 1000") }
  }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      let session = try PictureSession(options, communicator)
      let (data, encoder) = try session.open(self.data)
      let posteriors = try encoder.encode(session.draw(max(2 * n, Interpolate.choice), of: data))
      return try session.onRoot { () throws(Failure) in
        let model = session.model, codes = posteriors.codes(data), pairs = codes.pairs(n)
        guard !pairs.isEmpty else {
          throw Failure(.badData, "\(data.name): one sample makes no pair", hint: "give more samples (--data)")
        }
        let ways = codes.ways(pairs, steps: steps, path)
        let x = LatentDecoder(model.autoencoder).decode(ways.z, given: ways.y)
        let file = try session.target("interpolations", "-\(path.rawValue)")
        try file.write(x, [pairs.count, steps], of: model) { PictureGrid(x, model.shape, columns: steps) }
        let smoothness = InterpolationSmoothness(x, pairs: pairs.count, steps: steps)
        try session.tell(
          file,
          [
            (
              "smoothness", .optional(smoothness.mean),
              "largest step over the median of \(steps - 1), mean of \(pairs.count) pairs: "
                + (smoothness.mean.map { "\($0, .fixed(2))" } ?? "-") + " (1 is even)"
            ),
            ("ratios", .array(smoothness.ratios.map(JSON.optional)), ""),
            (
              "pairs",
              .array(pairs.map { .array([$0.0, $0.1].map { .integer(posteriors.indices[$0]) }) }), ""
            ),
          ])
      }
    }
  }
}

extension InterpolationPath: ExpressibleByArgument {}
