import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests that give damaged, hostile and wrong data files to the program.
  @Suite struct HostileDataTests {
    /// Expects one printable message that names the file, and the given status, instead of a signal.
    private func expectRefused(_ outcome: Outcome, _ file: (name: String, path: String, status: Int32)) {
      #expect(outcome.signal == 0 && outcome.status == file.status, "\(file.name): \(outcome.status) \(outcome.errors)")
      #expect(outcome.count(of: "vae-dist: error:") == 1, "\(file.name): \(outcome.errors)")
      #expect(outcome.errors.contains(file.path), "\(file.name): \(outcome.errors)")
      #expect(outcome.output.isEmpty, "\(file.name): \(outcome.output)")
      #expect(
        outcome.errors.utf8.count < 3000 && outcome.errors.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0a }, "\(file.name)")
    }

    /// A likelihood that accepts any number, so that a file is refused only because of its contents.
    private let lenient = ["--set", "model.likelihood=gaussian", "--set", "data.scale=standardize"]

    @Test("Every hostile file ends in one message that names it, and in the right status")
    func single() throws {
      let scratch = try Scratch()
      let files = try hostileFiles(in: scratch.path)
      #expect(files.count >= 100)
      let run = scratch.path + "/run"
      // A few run at the same time, because each takes hardly longer than the start of MPI.
      var waiting: [(child: Child, file: (name: String, path: String, status: Int32))] = []
      for (number, file) in files.enumerated() {
        let mode = number % 4 == 0 ? ["--max-steps", "1"] : ["--dry-run"]
        waiting.append((try start(training(run, ["--data", file.path] + mode + lenient)), file))
        if waiting.count == 4 || number == files.count - 1 {
          for (child, file) in waiting { expectRefused(child.wait(limit: 20), file) }
          waiting = []
        }
      }
      #expect(!FileManager.default.fileExists(atPath: run), "a refused run leaves nothing")
    }

    @Test("Four ranks report a hostile file once")
    func ranks() throws {
      let scratch = try Scratch()
      let files = try hostileFiles(in: scratch.path)
      for name in ["NPY: cut in the values", "NPZ: a wrong checksum", "a path that is not there", "CSV: a word"] {
        let file = try #require(files.first { $0.name == name })
        let outcome = try run(
          training(scratch.path + "/run", ["--data", file.path, "--max-steps", "1"] + lenient), ranks: 4)
        #expect(outcome.status == file.status && outcome.seconds < 10, "\(name): \(outcome.errors)")
        #expect(
          outcome.count(of: "vae-dist: error:") == 1 && outcome.count(of: file.path) == 1, "\(name): \(outcome.errors)")
      }
    }

    @Test("A bad value that only one rank reads ends all ranks and is reported once")
    func oneRank() throws {
      let scratch = try Scratch()
      // It is the last of 400 rows, which only the last rank reads.
      let rows = (0..<400).map { $0 == 398 ? "0.5,7.5" : "0.5,0.25" }
      let path = try scratch.write("late.csv", Array((rows.joined(separator: "\n") + "\n").utf8))
      let outcome = try run(
        training(scratch.path + "/run", ["--data", path, "--max-steps", "1", "--set", "data.scale=none"]), ranks: 4)
      #expect(outcome.status == 65 && outcome.seconds < 10, "\(outcome.errors)")
      #expect(
        outcome.count(of: "vae-dist: error:") == 1 && outcome.count(of: "outside [0, 1]") == 1, "\(outcome.errors)")
      #expect(outcome.errors.contains("row 399"), "\(outcome.errors)")
    }
  }
}
