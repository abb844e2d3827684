import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of trainings that begin with the weights of another one.
  @Suite struct InitialWeightsTests {
    /// Settings with steps that are too small to matter.
    private let still = ["--max-epochs", "1", "--set", "optimizer.learning_rate=1e-12"]

    private func negativeELBO(_ place: String) throws -> Double {
      let line = try #require(metrics(place, kind: "epoch").last?["valid"] as? [String: Any])
      return try #require(line["neg_elbo"] as? Double)
    }

    @Test("A training with train.init_from begins where the other one ended, on any number of ranks")
    func wayBack() throws {
      let scratch = try Scratch(), place = scratch.path + "/run", file = scratch.path + "/a.safetensors"
      try train(place, ["--max-epochs", "3"])
      #expect(try run(["export", place, "--format", "safetensors", "-o", file]).status == 0)
      var digests: Set<String> = []
      for (name, source, ranks) in [("b", file, 1), ("c", place, 2)] {
        let other = scratch.path + "/" + name
        try train(other, ["--init-from", source] + still, ranks: ranks)
        digests.insert(try digest(other))
        #expect(abs(try negativeELBO(other) / negativeELBO(place) - 1) < 1e-6)
      }
      #expect(digests.count == 1)
      // A resumed run has its own weights, so the file may be gone.
      try FileManager.default.removeItem(atPath: file)
      try train(scratch.path + "/b", ["--init-from", file] + still)
    }

    @Test("The first tensor that does not fit is named, and the others are used only with train.init_partial")
    func differences() throws {
      let scratch = try Scratch(), place = scratch.path + "/run", other = scratch.path + "/other"
      try train(place, ["--max-epochs", "1"])
      let wider = ["--init-from", place, "--set", "model.latent=7"] + still
      let refused = try train(other, wider, status: 78)
      #expect(refused.errors.contains("\"mu.weight\"") && refused.errors.contains("[10, 32]"))
      #expect(refused.errors.contains("[7, 32]") && refused.errors.contains("init_partial"))
      #expect(!FileManager.default.fileExists(atPath: other + "/checkpoints"))
      let partial = try run(
        training(other, wider + ["--set", "train.init_partial=true"]).filter { $0 != "-q" } + ["--progress", "plain"])
      #expect(partial.status == 0)
      #expect(partial.count(of: "mu.weight, mu.bias, logvar.weight, logvar.bias, decoder.0.weight") == 1)
      let narrower = ["--init-from", place, "--set", "model.hidden=[]"] + still
      let extra = try train(scratch.path + "/third", narrower, status: 78)
      #expect(extra.errors.contains("mu.weight"), "\(extra.errors)")
      let none = try train(scratch.path + "/fourth", ["--init-from", scratch.path + "/nothing"], status: 66)
      #expect(none.errors.contains("nothing"))
    }
  }
}
