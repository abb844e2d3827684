import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests with data and checkpoints that have changed.
  @Suite struct DamageTests {
    /// Changes state.json of a checkpoint and its checksum.
    private func edit(_ checkpoint: String, _ pattern: String, _ text: String) throws {
      let file = checkpoint + "/state.json"
      let old = try String(contentsOfFile: file, encoding: .utf8)
      let new = old.replacingOccurrences(of: pattern, with: text, options: .regularExpression)
      #expect(new != old, "\(pattern)")
      try writeFile(Array(new.utf8), at: file)
      let command = "(echo '# 3 files'; sha256sum model.safetensors optimizer.safetensors state.json) > SHA256SUMS"
      let outcome = try Child(["sh", "-c", command], environment: plainEnvironment, directory: checkpoint).wait()
      try #require(outcome.status == 0)
    }

    @Test("A checkpoint with impossible numbers is skipped with a warning, or refused if it was named")
    func absurd() throws {
      let scratch = try Scratch()
      let whole = scratch.path + "/whole"
      try train(whole, ["--max-epochs", "3", "--checkpoint-every", "1"])
      for (number, (field, value)) in [
        ("epoch", "9000000000000000000"), ("stepInEpoch", "-1"),
        ("attempt", "5000000000"), ("failures", "-9223372036854775808"), ("learningRateFactor", "0"),
        ("learningRateFactor", "1e300"), ("step", "71"), ("step", "9223372036854775807"), ("epoch", "2"),
        ("kl", "1e400"),
      ].enumerated() {
        let place = "\(scratch.path)/\(number)"
        try FileManager.default.copyItem(atPath: whole, toPath: place)
        let newest = place + "/checkpoints/step-00000072"
        try edit(newest, "\"\(field)\" : [-0-9.e+]+", "\"\(field)\" : \(value)")
        let outcome = try run(training(place, ["--max-epochs", "3"]), ranks: number % 4 == 0 ? 2 : nil)
        #expect(outcome.status == 0, "\(field) = \(value): \(outcome.errors)")
        #expect(outcome.count(of: "step 72 is damaged and was skipped") == 1, "\(field): \(outcome.errors)")
        if value != "1e400" { #expect(outcome.errors.contains(field), "\(field) = \(value): \(outcome.errors)") }
        #expect(metrics(place, kind: "resume").last?["step"] as? Int == 48)
        #expect(try digest(place) == digest(whole), "the end is the same")
      }
      try edit(whole + "/checkpoints/step-00000072", "\"attempt\" : 0", "\"attempt\" : -7")
      let named = try run(
        training(scratch.path + "/b", ["--max-epochs", "4", "--resume", whole + "/checkpoints/step-00000072"]), ranks: 2
      )
      #expect(named.status == 65 && named.count(of: "attempt is -7") == 1, "\(named.errors)")
    }

    /// Rows of 64 bytes that fill a file of `size` bytes.
    private func bytes(_ size: Int) -> [UInt8] {
      var random = Random(state: 5)
      return npy("|u1", [size / 64, 64], (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) })
    }

    @Test("Changed training data is refused on resuming, and changed validation data is reported")
    func changed() throws {
      let scratch = try Scratch()
      let data = try scratch.write("train.npy", bytes(400_000)), valid = try scratch.write("valid.npy", bytes(200_000))
      let place = scratch.path + "/run"
      let arguments = ["--data", data, "--valid", valid, "--batch-size", "512"]
      try train(place, arguments + ["--max-epochs", "1"])
      func flip(_ path: String) throws {
        var content = try Data(contentsOf: URL(fileURLWithPath: path))
        content[content.count / 2] ^= 1
        try content.write(to: URL(fileURLWithPath: path))
      }
      try flip(valid)
      let warned = try train(place, arguments + ["--max-epochs", "2"], ranks: 2)
      #expect(warned.count(of: "warning: the validation data has changed") == 1, "\(warned.errors)")
      try flip(data)
      let refused = try run(training(place, arguments + ["--max-epochs", "3"]), ranks: 2)
      #expect(refused.status == 78 && refused.count(of: "training data's digest was") == 1, "\(refused.errors)")
      try flip(data)
      let again = try train(place, arguments + ["--max-epochs", "3"])
      #expect(again.count(of: "validation data has changed") == 0, "said once: \(again.errors)")
    }

    @Test(
      "A data file that is truncated during training ends it with status 74 and the name of the file, on any rank",
      arguments: [nil, 2], ["off", "on"])
    func cut(ranks: Int?, prefetch: String) throws {
      let scratch = try Scratch()
      let data = try scratch.write("train.npy", bytes(4_000_000))
      let place = scratch.path + "/run"
      let child = try start(
        training(
          place,
          ["--data", data, "--batch-size", "512", "--max-epochs", "1000000", "--set", "data.prefetch=\(prefetch)"]),
        ranks: ranks)
      try #require(child.wait { metrics(place, kind: "epoch").count > 0 }, "\(child.errors)")
      #expect(truncate(data, 4096) == 0)
      let outcome = child.wait()
      #expect(outcome.status == 74, "\(outcome.status): \(outcome.errors)")
      #expect(outcome.errors.contains("vae-dist: error: \(data): the file was cut short while it was read"))
      #expect(try digest(place).hasPrefix("sha256:"))
    }

    @Test("Repeating a command with --resume A --run B resumes B", arguments: [nil, 2])
    func origin(ranks: Int?) throws {
      let scratch = try Scratch()
      let first = scratch.path + "/a", second = scratch.path + "/b"
      try train(first, ["--max-epochs", "2"])
      let command = training(second, ["--resume", first, "--max-epochs", "40", "--checkpoint-every", "3"])
      let child = try start(command, ranks: ranks)
      try #require(child.wait { metrics(second, kind: "epoch").count >= 4 })
      child.send(SIGUSR1)
      try #require(child.wait().status == 75)
      let stopped = try #require(metrics(second).last?["step"] as? Int)
      let again = try run(command, ranks: ranks)
      #expect(again.status == 0, "\(again.errors)")
      #expect(metrics(second, kind: "resume").map { $0["step"] as? Int } == [48, stopped])
      let plain = scratch.path + "/plain"
      try train(plain, ["--resume", first, "--max-epochs", "40"])
      #expect(try digest(second) == digest(plain))
      // A run that starts from another checkpoint does not overwrite the existing run.
      let other = scratch.path + "/other"
      try train(other, ["--max-epochs", "3"])
      for source in [other, first + "/checkpoints/step-00000000"] {
        let refused = try run(training(second, ["--resume", source, "--max-epochs", "50"]), ranks: ranks)
        #expect(refused.status == 73 && refused.count(of: "later checkpoint") == 1, "\(refused.errors)")
      }
    }
  }
}
