import Foundation
import TestSupport
import Testing

/// Tests of the program from outside. All of them start processes, and run one after the other.
@Suite(.serialized) struct CommandTests {}

/// The folder of the built programs, which is that of the test bundle.
let binaries: String = {
  let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
  if FileManager.default.isExecutableFile(atPath: own + "/vae-dist") { return own }
  let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  return package.deletingLastPathComponent().path + "/.build/release"
}()

/// The environment of a user who has set no variable of the program and may start more ranks than cores.
let plainEnvironment: [String: String] = {
  var environment = ProcessInfo.processInfo.environment.filter { name, _ in
    !["OMPI_COMM_", "PMI", "SLURM_", "VAE_DIST_"].contains(where: name.hasPrefix)
  }
  environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
  environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
  environment["NO_COLOR"] = "1"
  return environment
}()

/// The name of this machine, without a query to name servers.
let machineName: String = {
  var name = [UInt8](repeating: 0, count: 256)
  _ = name.withUnsafeMutableBytes { gethostname($0.baseAddress!, $0.count - 1) }
  return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
}()

func mpirun(_ ranks: Int) -> [String] { ["mpirun", "--oversubscribe", "--bind-to", "none", "-np", "\(ranks)"] }

/// Starts a built program, under mpirun if `ranks` is given.
func start(
  _ arguments: [String], program: String = "vae-dist", ranks: Int? = nil, environment: [String: String] = [:],
  in directory: String = NSTemporaryDirectory()
) throws -> Child {
  try Child(
    (ranks.map(mpirun) ?? []) + ["\(binaries)/\(program)"] + arguments,
    environment: plainEnvironment.merging(environment) { $1 }, directory: directory)
}

/// Runs a built program until it ends.
func run(
  _ arguments: [String], program: String = "vae-dist", ranks: Int? = nil, environment: [String: String] = [:],
  in directory: String = NSTemporaryDirectory(), limit: Double = 60, sourceLocation: SourceLocation = #_sourceLocation
) throws -> Outcome {
  try start(arguments, program: program, ranks: ranks, environment: environment, in: directory)
    .wait(limit: limit, sourceLocation: sourceLocation)
}

/// The arguments for a small training on the digits, into `directory` and without pictures.
func training(_ directory: String, _ arguments: [String] = []) -> [String] {
  ["train", "-q", "--run", directory, "--set", "monitor.pictures_every=0", "--set", "model.hidden=[32]"] + arguments
}

/// Trains, and expects status 0.
@discardableResult
func train(
  _ directory: String, _ arguments: [String] = [], ranks: Int? = nil, status: Int32 = 0,
  sourceLocation: SourceLocation = #_sourceLocation
) throws -> Outcome {
  let outcome = try run(training(directory, arguments), ranks: ranks, sourceLocation: sourceLocation)
  #expect(outcome.status == status, "\(outcome.errors)", sourceLocation: sourceLocation)
  return outcome
}

/// The digest of the newest checkpoint of a run, from `inspect --json`.
func digest(_ place: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
  let outcome = try run(["inspect", place, "--json"], sourceLocation: sourceLocation)
  try #require(outcome.status == 0, "\(outcome.errors)", sourceLocation: sourceLocation)
  let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
  let digest = try #require(object?["digest"] as? String, sourceLocation: sourceLocation)
  try #require(digest.count == 71 && digest.hasPrefix("sha256:"), sourceLocation: sourceLocation)
  return digest
}

/// The metrics of a run so far, one object per line, without a line that is still being written.
func metrics(_ run: String, kind: String? = nil) -> [[String: Any]] {
  let text = String(decoding: FileManager.default.contents(atPath: run + "/metrics.jsonl") ?? Data(), as: UTF8.self)
  return text.split(separator: "\n").compactMap { line in
    let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    return kind == nil || object?["kind"] as? String == kind ? object : nil
  }
}

/// The lines of epochs without the values that depend on the clock or the number of ranks, and without the best of the
/// kept epochs, which depends on when a run was stopped. Equal texts mean equal bits.
func epochNumbers(_ run: String) throws -> [String] {
  try metrics(run, kind: "epoch").map { line in
    let clocked = ["seconds", "samples_per_second", "ranks", "slowest_rank", "wait_share", "rank_seconds", "best"]
    let kept = line.filter { !clocked.contains($0.key) }
    return String(decoding: try JSONSerialization.data(withJSONObject: kept, options: .sortedKeys), as: UTF8.self)
  }
}

/// Expects that metrics.jsonl and epochs.csv contain every epoch once and in order.
func expectWholeHistory(_ run: String, epochs: Int, sourceLocation: SourceLocation = #_sourceLocation) {
  let all = Array(1...epochs)
  #expect(metrics(run, kind: "epoch").map { $0["epoch"] as? Int } == all, sourceLocation: sourceLocation)
  let text = String(decoding: FileManager.default.contents(atPath: run + "/epochs.csv") ?? Data(), as: UTF8.self)
  let rows = text.split(separator: "\n").map { $0.split(separator: ",") }
  #expect(rows.first?.first == "epoch" && Set(rows.map(\.count)).count == 1, sourceLocation: sourceLocation)
  #expect(rows.dropFirst().map { Int($0[0]) } == all, sourceLocation: sourceLocation)
}

func status(_ run: String) throws -> [String: Any] {
  let data = try #require(FileManager.default.contents(atPath: run + "/status.json"))
  return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
}

/// Names and contents of all files below a directory, to check that nothing has changed.
func snapshot(_ directory: String) -> [String: Data] {
  var files: [String: Data] = [:]
  for name in FileManager.default.enumerator(atPath: directory)?.compactMap({ $0 as? String }) ?? [] {
    files[name] = FileManager.default.contents(atPath: "\(directory)/\(name)") ?? Data()
  }
  return files
}

/// Images with slopes of random direction and brightness, which a model can learn, and whose axes differ.
func slopes(_ count: Int, _ shape: [Int]) -> [UInt8] {
  var random = Random(state: 3)
  return (0..<count).flatMap { _ in
    let slope = (0..<3).map { _ in Float.random(in: -1...1, using: &random) }
    return (0..<shape.reduce(1, *)).map { i in
      let channels = shape.count == 3 ? shape[2] : 1
      let (row, column, channel) = (i / channels / shape[1], i / channels % shape[1], i % channels)
      let tilt: Float = 9 * (slope[0] * Float(row) + slope[1] * Float(column)) + 20 * slope[2] * Float(channel)
      return UInt8(min(max(128 + tilt + Float.random(in: -5...5, using: &random), 0), 255))
    }
  }
}
