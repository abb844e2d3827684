import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Compares the memory that training says it needs with the memory that it takes.
  @Suite struct MemoryTests {
    /// The estimate of `--dry-run` in MiB.
    private func estimate(_ arguments: [String], ranks: Int, _ environment: [String: String]) throws -> Double {
      let outcome = try run(["train", "--dry-run"] + arguments, ranks: ranks, environment: environment)
      let mark = "memory per rank, besides the data: "
      let line = try #require(outcome.lines.first { $0.hasPrefix(mark) }, "\(outcome.output)\(outcome.errors)")
      let words = line.dropFirst(mark.count).split(separator: " ")
      try #require(words[1] == "MiB", "\(line)")
      return try #require(Double(words[0]))
    }

    /// The peak memory of rank 0 after an epoch and a rollback, in MiB.
    private func peak(_ arguments: [String], ranks: Int, _ environment: [String: String]) throws -> Double {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let words = ["train", "-q", "--run", place, "--max-epochs", "1000000", "--inject-nan", "3:0"] + arguments
      let child = try start(words, ranks: ranks, environment: environment)
      try #require(child.wait { !metrics(place, kind: "epoch").isEmpty }, "\(child.errors)")
      let process = try #require(rankProcess(0, of: child))
      let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
      child.send(SIGUSR1)
      _ = child.wait()
      let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
      return Double(try #require(Int(line.filter(\.isNumber)))) / 1024
    }

    @Test(
      "The estimate equals the memory that training takes in addition to the program",
      arguments: [
        (1, [], [:]), (1, ["data.prefetch=on", "data.binarize=dynamic"], [:]),
        (2, [], ["VAE_DIST_NODE_RANKS": "1"]), (2, ["train.wire=bfloat16"], ["VAE_DIST_NODE_RANKS": "1"]),
        (2, ["train.exchange=messages"], [:]),
      ] as [(Int, [String], [String: String])])
    func estimate(ranks: Int, settings: [String], environment: [String: String]) throws {
      let common = ["--batch-size", "256"] + settings.flatMap { ["--set", $0] }
      func arguments(_ hidden: String) -> [String] { common + ["--set", "model.hidden=\(hidden)"] }
      // A small model is used to measure the program itself.
      let (small, large) = (arguments("[8]"), arguments("[1600, 1600]"))
      let said = try estimate(large, ranks: ranks, environment) - estimate(small, ranks: ranks, environment)
      let taken = try peak(large, ranks: ranks, environment) - peak(small, ranks: ranks, environment)
      #expect(said > 80 && abs(said - taken) < 0.04 * taken, "said \(said) MiB, took \(taken) MiB")
    }
  }
}
