import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Loading microbatches ahead does not change the result.
  @Suite struct PrefetchTests {
    @Test(
      "Training gives the same bits with and without prefetch, over epochs, odd sizes and drawn pixels",
      arguments: [
        ["--batch-size", "37"], ["--set", "data.binarize=dynamic", "--batch-size", "61", "--microbatch", "20"],
      ])
    func digests(settings: [String]) throws {
      let scratch = try Scratch()
      var all: Set<String> = [], epochs: Set<[String]> = []
      for prefetch in ["on", "off"] {
        for ranks in [1, 2] {
          let place = "\(scratch.path)/\(prefetch)-\(ranks)"
          try train(place, ["--max-epochs", "3", "--set", "data.prefetch=\(prefetch)"] + settings, ranks: ranks)
          all.insert(try digest(place))
          epochs.insert(try epochNumbers(place))
        }
      }
      #expect(all.count == 1 && epochs.count == 1)
    }

    @Test("data.prefetch auto is off if loading costs nothing or if ranks use all cores")
    func auto() throws {
      func isOn(_ settings: [String], ranks: Int, before: [String] = []) throws -> Bool? {
        let words = ["\(binaries)/vae-dist", "bench", "step", "--json"] + settings.flatMap { ["--set", $0] }
        let outcome = try Child(
          before + mpirun(ranks) + words, environment: plainEnvironment, directory: NSTemporaryDirectory()
        ).wait()
        let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        return object?["prefetch"] as? Bool
      }
      let small = ["model.hidden=[8]", "model.latent=2"]
      #expect(try isOn(small + ["data.prefetch=on"], ranks: 1) == true)
      #expect(try isOn(small + ["data.prefetch=off", "data.binarize=dynamic"], ranks: 1) == false)
      #expect(try isOn(["model.hidden=[400]"], ranks: 1) == false)
      // The first core that this process may use.
      let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
      let core = try #require(status.firstMatch(of: /Cpus_allowed_list:\s*(\d+)/)).1
      let oneCore = ["taskset", "-c", String(core)]
      #expect(try isOn(small + ["data.binarize=dynamic"], ranks: 2, before: oneCore) == false)
    }

    @Test("A rollback and a resume discard the microbatch that was loaded ahead")
    func discarded() throws {
      let scratch = try Scratch()
      var all: Set<String> = []
      for prefetch in ["on", "off"] {
        let place = "\(scratch.path)/\(prefetch)"
        let settings = ["--inject-nan", "50:0", "--set", "data.binarize=dynamic", "--set", "data.prefetch=\(prefetch)"]
        try train(place, settings + ["--max-steps", "70", "--max-epochs", "5"], ranks: 2)
        #expect(metrics(place, kind: "rollback").count == 1)
        try train(place, settings + ["--max-epochs", "5"])
        #expect(metrics(place, kind: "resume").count == 1)
        all.insert(try digest(place))
      }
      #expect(all.count == 1)
    }

    @Test("A bad value that is found while loading ahead is reported as usual", arguments: ["on", "off"])
    func bad(prefetch: String) throws {
      let scratch = try Scratch()
      // There are more training values than are checked before the first step: zeros in a sparse file, and a 2 in some
      // training rows. Every tenth row belongs to the validation set.
      let rows = 80_000, columns = 1_024, start = 128
      let path = scratch.path + "/data.npy"
      let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
      let padded = header + String(repeating: " ", count: start - 11 - header.utf8.count) + "\n"
      try Data([0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(start - 10), 0] + Array(padded.utf8))
        .write(to: URL(fileURLWithPath: path))
      let file = try #require(FileHandle(forUpdatingAtPath: path))
      try file.truncate(atOffset: UInt64(start + rows * columns))
      for row in stride(from: 50, to: rows, by: 500) {
        try file.seek(toOffset: UInt64(start + row * columns))
        try file.write(contentsOf: Data([2]))
      }
      try file.close()
      let place = scratch.path + "/run"
      let outcome = try run(
        training(
          place,
          [
            "--data", path, "--set", "data.scale=none", "--set", "data.prefetch=\(prefetch)",
            "--set", "log.every_steps=1",
          ]))
      #expect(outcome.status == 65, "\(outcome.errors)")
      #expect(
        outcome.count(of: "the value 2.0 becomes 2.0 after scaling, which is outside [0, 1]") == 1, "\(outcome.errors)")
      #expect(!metrics(place, kind: "step").isEmpty)
    }
  }
}
