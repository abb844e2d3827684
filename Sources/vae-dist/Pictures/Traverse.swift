import ArgumentParser
import Evaluation
import Kernels
import Persistence
import Reporting
import Results
import Settings
import Training

struct Traverse: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Move each unit of z from -3 to 3 while the others stay fixed.",
    discussion: """
      vae-dist traverse runs/a                        around z = 0; units by their KL, the largest first
      vae-dist traverse runs/a --sample 5 -n 6        around mu of validation sample 5

      A model that is conditioned on classes or attributes uses those of the sample, or of the first sample around z = 0.
      """)

  @OptionGroup var options: PictureOptions
  @Option(name: .short, help: "How many units (default: all).") var n: Int?
  @Option(help: "Steps per unit; with an odd number, 0 is in the middle.") var steps = LatentPaths.traversalSteps
  @Option(help: ArgumentHelp("Traverse around mu of this sample (counted from 0).", valueName: "index"))
  var sample: Int?
  @Option(help: "Data to take samples from (default: the run's validation data).") var data: String?

  /// Number of samples over which the KL of each unit is averaged.
  private static let choice = 2_048

  func validate() throws {
    if let n { try requireCount(n) }
    guard (2...1_000).contains(steps) else { throw ValidationError("--steps \(steps): write 2 to 1000") }
  }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      let session = try PictureSession(options, communicator)
      let (data, encoder) = try session.open(self.data)
      let posteriors = try encoder.encode((0..<data.count).spaced(Traverse.choice))
      let base = try base(session, encoder, of: data.count)
      return try session.onRoot { () throws(Failure) in
        let model = session.model, kl = posteriors.klPerUnit
        let units = Array(kl.descending.prefix(n ?? .max))
        let y = repeated(data.conditions(of: [sample ?? 0]), units.count * steps)
        let way = LatentPaths.traverse(base, units: units, steps: steps)
        // Without a sample the path is in the space of the prior's noise, which equals z if the prior is N(0, I).
        let z = sample == nil ? PriorSampler(model.autoencoder).draw(way, given: y) : way
        let x = LatentDecoder(model.autoencoder).decode(z, given: y)
        let file = try session.target("traversals", sample.map { "-sample-\($0)" } ?? "")
        try file.write(x, [units.count, steps], of: model) {
          .traversals(x, model.shape, units: units, klPerUnit: units.map { kl[$0] })
        }
        try session.tell(
          file,
          [
            ("units", .array(units.map(JSON.integer)), ""),
            (
              "kl_per_unit", .numbers(units.map { kl[$0] }),
              "unit  KL nats\n" + units.map { "z\($0)  \(kl[$0], .fixed(3))" }.joined(separator: "\n")
            ),
          ])
      }
    }
  }

  /// Returns the position of the units that do not move. Collective.
  private func base(_ session: PictureSession, _ encoder: Encoder, of count: Int) throws(Failure) -> [Float] {
    guard let sample else { return [Float](repeating: 0, count: session.latent) }
    guard (0..<count).contains(sample) else {
      var failure = Failure(.usage, "--sample \(sample): there are \(count) samples", hint: "write 0 to \(count - 1)")
      failure.isCollective = true
      throw failure
    }
    return try encoder.encode([sample]).mu
  }
}
