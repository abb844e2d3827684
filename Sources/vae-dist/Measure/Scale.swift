import Benchmarks
import ArgumentParser
import Communication
import RunConfiguration
import Kernels
import Persistence
import Reporting
import Training

struct Scale: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Predict the time of a step on many ranks from measurements on the current ranks.",
    discussion: """
      mpirun -np 2 vae-dist scale --ranks 1024
      mpirun -np 2 vae-dist scale --ranks 512 --ranks-per-node 32 --network hdr --batch-size 16384 --microbatch 32
      mpirun -np 2 vae-dist scale --network custom --latency 12 --bandwidth 5 --json
      mpirun -np 2 vae-dist scale --ranks-per-node 8 --markdown > docs/results/scaling.md
      """)

  @OptionGroup var options: MeasuringOptions
  @Option(help: "Largest number of ranks.") var ranks = 1024
  @Option(help: "Ranks on each node, one per core (default: as on the current node).") var ranksPerNode: Int?
  @Option(help: "Global batch of strong scaling (default: one microbatch for each of --ranks).") var batchSize: Int?
  @Option(help: "Samples per microbatch.") var microbatch = 64
  @Option(help: "A rank's batch in weak scaling (default: one microbatch).") var batchPerRank: Int?
  @Option(help: "10gbe, 25gbe, hdr, measured (between the current nodes), custom; several with commas.")
  var network = "10gbe,25gbe,hdr"
  @Option(help: "For --network custom: latency of an empty message in microseconds.") var latency: Double?
  @Option(help: "For --network custom: overhead per message at the sender in microseconds.") var overhead = 1.0
  @Option(help: "For --network custom: bandwidth of a node in GB/s, per direction.") var bandwidth: Double?
  @Option(help: "Standard deviation of a microbatch's time in microseconds, in place of the measured one.")
  var jitter: Double?
  @Flag(help: "Print a page in Markdown with the measurements, assumptions and tables.") var markdown = false

  func validate() throws {
    let counts = [ranks, ranksPerNode ?? 1, batchSize ?? 1, microbatch, batchPerRank ?? 1]
    guard counts.allSatisfy({ $0 >= 1 && $0 <= 1 << 30 }), ranks <= 1 << 20 else {
      throw ValidationError("numbers of ranks and samples must be at least 1, and --ranks at most \(1 << 20)")
    }
    guard (latency ?? 0) >= 0, overhead >= 0, (bandwidth ?? 1) > 0, (jitter ?? 0) >= 0 else {
      throw ValidationError("--latency, --overhead and --jitter must not be negative, --bandwidth must be positive")
    }
  }

  func run() throws {
    let networks = try networks()
    try VaeDist.withRanks { communicator throws(Failure) in
      if networks.contains(nil), communicator.topology.isOneNode {
        var failure = Failure(
          .usage, "--network measured: all ranks are on one node, so there is no network to measure",
          hint: "start ranks on two nodes, or name a network")
        failure.isCollective = true
        throw failure
      }
      // Eight microbatches per rank are enough to measure the time of one microbatch and of a whole step.
      let batch = microbatch * communicator.size * 8
      let setup = try options.setup(
        communicator, [("train.batch_size", "\(batch)"), ("train.microbatch", "\(microbatch)")])
      let measurement = try StepMeasurement(setup)
      guard communicator.isRoot else { return 0 }
      let report = ScaleReport(
        preset: options.preset, microbatch: microbatch, products: Products.description,
        ranksPerNode: ranksPerNode ?? communicator.nodeSize, measurement: measurement,
        tables: networks.compactMap { $0 ?? measurement.network }
          .flatMap { tables($0, measurement, communicator.nodeSize) })
      let page = options.json ? report.json.text : markdown ? report.page(command: command(communicator)) : report.text
      try Output.result(page + "\n")
      return 0
    }
  }

  /// The command line as it was started. The launcher's own options are unknown.
  private func command(_ communicator: Communicator) -> String {
    let words = ["vae-dist"] + CommandLine.arguments.dropFirst()
    return (communicator.size > 1 ? "mpirun -np \(communicator.size) " : "") + words.joined(separator: " ")
  }

  private func tables(_ network: Network, _ measurement: StepMeasurement, _ nodeSize: Int) -> [ScalingTable] {
    var costs = measurement.costs
    if let jitter { costs.jitter = jitter * 1e-6 }
    return ScalingTable.Kind.allCases.map { kind in
      let samples = kind == .strong ? batchSize ?? microbatch * ranks : batchPerRank ?? microbatch
      return ScalingTable(
        kind, costs, network: network, ranksPerNode: ranksPerNode ?? nodeSize, largest: ranks,
        microbatches: (samples + microbatch - 1) / microbatch)
    }
  }

  /// Returns the networks by name. nil stands for the present network, which has yet to be measured.
  private func networks() throws(Failure) -> [Network?] {
    var found: [Network?] = []
    for name in network.split(separator: ",").map(String.init) {
      switch name {
      case "measured": found.append(nil)
      case "custom":
        guard let latency, let bandwidth else {
          throw Failure(
            .usage, "--network custom needs its two numbers", hint: "give --latency MICROSECONDS and --bandwidth GB/S")
        }
        found.append(
          Network(
            name: name, latency: latency * 1e-6, overhead: overhead * 1e-6, secondsPerByte: 1e-9 / bandwidth,
            source: "as given"))
      default:
        guard let known = Network.known.first(where: { $0.name == name }) else {
          let names = Network.known.map(\.name).joined(separator: ", ")
          throw Failure(.usage, "--network \(name): not known", hint: "give \(names), measured or custom")
        }
        found.append(known)
      }
    }
    return found
  }
}
