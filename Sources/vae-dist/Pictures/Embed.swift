import ArgumentParser
import Data
import Evaluation
import Kernels
import Persistence
import Reporting
import Results
import Training

struct Embed: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the codes of samples (mu) as numbers, or draw a map of them.",
    discussion: """
      mpirun -np 8 vae-dist embed runs/a -o mu.npy      mu.npy and mu-labels.npy
      vae-dist embed runs/a -o mu.csv                   a column for each unit, and the label
      vae-dist embed runs/a --map pca                   a picture, coloured by label
      vae-dist embed runs/a --map tsne -n 2000 -o map.png
      """)

  enum Map: String, CaseIterable, ExpressibleByArgument { case pca, tsne }

  @OptionGroup var options: PictureOptions
  @Option(name: .short, help: "Largest number of samples, evenly spaced (default: all; 2000 for a map).") var n: Int?
  @Option(help: "Two dimensions: pca, or tsne of at most \(TSNE.mostPoints) samples.") var map: Map?
  @Option(help: "Data to take samples from (default: the run's validation data).") var data: String?

  func validate() throws {
    if let n { try requireCount(n) }
    guard map != .tsne || n ?? 0 <= TSNE.mostPoints else {
      throw ValidationError("-n \(n ?? 0): t-SNE takes at most \(TSNE.mostPoints) samples")
    }
  }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      let session = try PictureSession(options, communicator)
      let (data, encoder) = try session.open(self.data)
      let isMap = map != nil || options.output?.hasSuffix(".png") ?? false
      let indices = (0..<data.count).spaced(n ?? (isMap ? 2_000 : .max))
      let mu = try encoder.means(indices)
      return try session.onRoot { () throws(Failure) in
        let codes = LatentCodes(
          latent: session.latent, mu: mu, labels: data.labels(of: indices), labelNames: data.classNames)
        let file = try session.target(
          "latent", isMap ? "-\((map ?? .pca).rawValue)" : "", otherwise: isMap ? "png" : "npy")
        if isMap { try write(map ?? .pca, of: codes, to: file) } else { try write(codes, to: file) }
        let labelled = codes.labels == nil ? "without labels" : "with labels"
        try session.tell(
          file, [("samples", .integer(codes.count), "\(codes.count) samples, \(codes.latent) units, \(labelled)")])
      }
    }
  }

  private func write(_ codes: LatentCodes, to file: ResultFile) throws(Failure) {
    try write(codes.mu, codes.latent, codes, (0..<codes.latent).map { "z\($0)" }, to: file)
  }

  private func write(_ map: Map, of codes: LatentCodes, to file: ResultFile) throws(Failure) {
    let plot: ScatterPlot
    let points: [Float]
    switch map {
    case .pca:
      plot = ScatterPlot(principal: codes)
      points = plot.points
    case .tsne:
      points = TSNE.map(codes.mu, dimensions: codes.latent)
      plot = ScatterPlot(
        points: points, labels: codes.labels, names: codes.labelNames,
        caption: "mu of \(codes.count) samples, t-SNE of perplexity 30")
    }
    if file.format == .png { try plot.write(to: file.path) } else { try write(points, 2, codes, ["x", "y"], to: file) }
  }

  /// Writes values of shape (count, width).
  private func write(
    _ values: [Float], _ width: Int, _ codes: LatentCodes, _ columns: [String], to file: ResultFile
  ) throws(Failure) {
    guard file.format == .npy else {
      return try file.writeTable(values, columns: columns, labels: codes.labels?.map { "\($0)" })
    }
    try NPYFile.write(values, [codes.count, width], to: file.path)
    if let labels = codes.labels { try NPYFile.write(labels, to: file.path.dropLast(4) + "-labels.npy") }
  }
}
