#if Service
import ArgumentParser
import Communication
import Evaluation
import Foundation
import Kernels
import Reporting
import Service
import Training

struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve scores, codes, reconstructions, samples and a drift test of a model over HTTP.",
    discussion: """
      vae-dist serve runs/a                                      http://127.0.0.1:8080, with a status page
      curl -H 'Content-Type: application/json' -d '{"rows": [[1, 2, 3]]}' http://127.0.0.1:8080/score
      curl -H 'Content-Type: text/csv' --data-binary @new.csv http://127.0.0.1:8080/score
      vae-dist serve runs/a --host 0.0.0.0 --token-file token    clients must send the token

      POST /score, /encode, /reconstruct, /sample; GET /healthz, /readyz, /metrics and /. SIGTERM and SIGINT stop the
      service after it has answered earlier requests.
      """)

  @Argument(help: ArgumentHelp("Run directory, checkpoint directory or .safetensors file.", valueName: "run"))
  var place: String
  @Option(help: "Address to listen on; beyond this machine only with a token.") var host = "127.0.0.1"
  @Option(help: "Port to listen on; 0: one that is free, which is printed.") var port = 8080
  @Option(
    help: ArgumentHelp(
      "A file with the token that requests must send, readable only by its owner.", valueName: "file"))
  var tokenFile: String?
  @Flag(help: "Answer requests without a token.") var noToken = false
  @Option(
    help:
      "\(Score.allCases.map(\.rawValue).joined(separator: ", ")) (default: as calibrated; else squared_error of images, neg_elbo)."
  )
  var score: String?
  @Option(help: "Draws of z, the same for every row (default: neg_elbo 16, likelihood 64).") var draws: Int?
  @Option(help: "Share of normal rows below the threshold (default: as calibrated).") var quantile: Double?
  @Option(help: "Largest number of rows in a request.") var maxRows = ServiceConfiguration().mostRows
  @Option(help: "Largest size of a request in MiB.") var maxBody = ServiceConfiguration().mostBytes >> 20
  @Option(help: "Seconds that the head of a request may take to arrive, and its body.") var timeout =
    ServiceConfiguration().patience
  @Option(help: "Number of newest rows that drift is judged by.") var window = ServiceConfiguration().window
  @OptionGroup var progress: ProgressOption

  func validate() throws {
    if let score, Score(rawValue: score) == nil {
      throw ValidationError("--score \(score): write one of \(Score.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    if let quantile, !(quantile > 0 && quantile < 1) {
      throw ValidationError("--quantile \(quantile): write a share between 0 and 1, such as 0.999")
    }
    if let draws, !(1...100_000).contains(draws) { throw ValidationError("--draws \(draws): write 1 to 100000") }
    guard (0...65_535).contains(port) else { throw ValidationError("--port \(port): write 0 to 65535") }
    guard (1...1_000_000).contains(maxRows) else { throw ValidationError("--max-rows \(maxRows): write 1 to 1000000") }
    guard (1...1_024).contains(maxBody) else { throw ValidationError("--max-body \(maxBody): write 1 to 1024 MiB") }
    guard (0.1...3_600).contains(timeout) else { throw ValidationError("--timeout \(timeout): write 0.1 to 3600") }
    guard (50...1_000_000).contains(window) else { throw ValidationError("--window \(window): write 50 to 1000000") }
    guard tokenFile == nil || !noToken else {
      throw ValidationError("--no-token and --token-file contradict each other")
    }
  }

  func run() throws {
    try VaeDist.withRanks { communicator throws(Failure) in
      guard communicator.size == 1 else {
        throw Failure(
          .usage, "serve is one process, and \(communicator.size) were started", hint: "start it without mpirun")
      }
      let settings = try settings()
      StopSignals.install([SIGTERM, SIGINT])
      let service = try ScoringService(settings)
      try Output.result(service.address + "\n")
      let model = try TrainedModel(place, communicator)
      guard model.condition == nil else {
        throw Failure(
          .usage,
          "\(model.file.path): the model is conditioned on labels or attributes (model.condition), which a request cannot contain",
          hint: "serve a model without a condition; `vae-dist score` scores rows with their labels")
      }
      for warning in model.file.warnings { warn(warning) }
      let (scorer, calibration) = try scorer(model, communicator)
      try service.run(model, scorer, calibration)
      return 0
    }
  }

  private func warn(_ text: String) { Output.complain("vae-dist: warning: \(text)\n") }

  private func settings() throws(Failure) -> ServiceConfiguration {
    var settings = ServiceConfiguration()
    (settings.host, settings.port, settings.window) = (host, port, window)
    (settings.mostRows, settings.mostBytes, settings.patience) = (maxRows, maxBody << 20, timeout)
    settings.token = try tokenFile.map { path throws(Failure) in try BearerToken(file: path) }
    try settings.requireGuard(isOpen: noToken)
    if !settings.isLoopback {
      warn(
        "\(host) is reached from other machines, without encryption"
          + (settings.token == nil
            ? " and by anybody" : ": put a proxy with TLS in front of it, or the token can be read"))
    }
    return settings
  }

  /// Returns the scorer that `score` would use, and its calibration if a suitable one is stored.
  private func scorer(
    _ model: TrainedModel, _ communicator: Communicator
  ) throws(Failure) -> (RowScorer, Calibration?) {
    let (chosen, calibration) = try AnomalyScorer.choose(
      model, score: score.flatMap(Score.init), draws: draws, quantile: quantile,
      stored: try Calibration.stored(for: model.file), communicator)
    let scorer = chosen.scorer
    if let calibration {
      for warning in calibration.warnings { warn(warning) }
      return (scorer, calibration)
    }
    warn(
      "there is no calibration of \(scorer.score.rawValue): scores have no threshold, p-values and drift; "
        + "`vae-dist score RUN --calibrate` makes one")
    return (scorer, nil)
  }
}
#else
import ArgumentParser
import Kernels

/// Replaces the service in a build without it, and tells the user how to build it.
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve scores over HTTP (not in this build; build with: swift build -c release --traits Service).")

  @Argument(parsing: .allUnrecognized) var arguments: [String] = []

  func run() throws {
    throw Failure(
      .usage, "this vae-dist was built without the HTTP service",
      hint: "build it with the service: swift build -c release --traits Service")
  }
}
#endif
