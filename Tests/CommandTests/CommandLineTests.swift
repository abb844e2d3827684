import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of the command line: what a user types and sees.
  @Suite struct CommandLineTests {
    static let helps: [(arguments: [String], text: String)] = [
      (["--help"], "USAGE: vae-dist <subcommand>"), (["train", "--help"], "USAGE: vae-dist train"),
      (["inspect", "--help"], "USAGE: vae-dist inspect"), (["bench", "--help"], "USAGE: vae-dist bench"),
      (["bench", "step", "--help"], "USAGE: vae-dist bench step"), (["help", "train"], "USAGE: vae-dist train"),
      (["slurm", "--help"], "USAGE: vae-dist slurm"), (["--version"], "vae-dist 0."),
    ]

    @Test("Help and version are printed to standard output", arguments: helps)
    func help(arguments: [String], text: String) throws {
      let outcome = try run(arguments)
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
      #expect(outcome.count(of: text) == 1, "\(outcome.output)")
      #expect(!outcome.output.contains("inject"), "hidden from users")
    }

    /// A command as `--experimental-dump-help` describes it.
    private struct Described: Decodable {
      struct Argument: Decodable {
        struct Name: Decodable, Equatable { let kind, name: String }
        let kind: String
        let isOptional: Bool
        let names: [Name]?

        /// The arguments that it accepts.
        var words: [String] {
          if kind == "positional" { return ["x"] }
          return (names ?? []).filter { $0.kind == "long" }.prefix(1).map { "--" + $0.name } + ["x"]
        }
      }
      let commandName: String
      let arguments: [Argument]?
      let subcommands: [Described]?

      /// The commands without subcommands, as lists of words.
      func leaves(_ words: [String] = []) -> [(words: [String], command: Described)] {
        let inner = subcommands ?? []
        return inner.isEmpty ? [(words, self)] : inner.flatMap { $0.leaves(words + [$0.commandName]) }
      }
    }

    @Test("Every command takes -q and --quiet")
    func quiet() throws {
      struct Dump: Decodable { let command: Described }
      let dump = try JSONDecoder().decode(Dump.self, from: Data(try run(["--experimental-dump-help"]).output.utf8))
      let leaves = dump.command.leaves().filter { $0.words != ["help"] }
      #expect(leaves.count > 20)
      for (words, command) in leaves {
        let names = (command.arguments ?? []).flatMap { $0.names ?? [] }
        for name in [Described.Argument.Name(kind: "short", name: "q"), .init(kind: "long", name: "quiet")] {
          #expect(names.filter { $0 == name }.count == 1, "\(words)")
        }
        let needed = (command.arguments ?? []).filter { !$0.isOptional }.flatMap(\.words)
        for flag in ["-q", "--quiet"] {
          let outcome = try run(words + needed + [flag, "--bogus"])
          // The command must fail because of the unknown flag or a missing argument, and not because of -q.
          #expect(outcome.status == 64 && !outcome.errors.contains("'\(flag)'"), "\(words): \(outcome.errors)")
        }
      }
    }

    static let mistakes: [(arguments: [String], status: Int32, texts: [String])] = [
      (["train", "--bogus"], 64, ["--bogus", "Usage: vae-dist train"]),
      (["tarin"], 64, ["tarin"]),
      (["train", "--max-epochs"], 64, ["--max-epochs"]),
      (["train", "--set", "model.latent"], 64, ["no '=' in it", "--set model.latent=10"]),
      (["train", "--set", "model.latnt=3"], 78, ["no key 'model.latnt'", "did you mean model.latent?"]),
      (["train", "--set", "latnt=3"], 78, ["did you mean model.latent?"]),
      (["train", "--set", "lr=3"], 78, ["did you mean optimizer.learning_rate?"]),
      (["train", "--lr", "3"], 64, ["Unknown option '--lr'", "did you mean --set optimizer.learning_rate=...?"]),
      (["train", "--max-epoch", "3"], 64, ["Did you mean '--max-epochs'?"]),
      (["train", "--run", ""], 64, ["--run '' names no directory"]),
      (["train", "--resume", ""], 64, ["--resume '' names no run"]),
      (["train", "--max-time", "0x10"], 78, ["'0x10' is not a time"]),
      (["train", "--max-time", "1e3"], 78, ["'1e3' is not a time"]),
      (["train", "--valid", "/nowhere.npy"], 66, ["/nowhere.npy", "--valid"]),
      (["train", "--set", "model.latent=x"], 78, ["model.latent: 'x' is not a whole number"]),
      (["train", "--set", "model.latent=0"], 78, ["model.latent"]),
      (["train", "--preset", "digts"], 78, ["no preset 'digts'", "did you mean digits?"]),
      (["train", "--max-epochs", "many"], 78, ["'many' is not a whole number"]),
      (["train", "--data", "/nowhere/x.npy"], 66, ["/nowhere/x.npy"]),
      (["train", "--max-time", "soon"], 78, ["soon"]),
      (["train", "no-such-file.yaml"], 66, ["no-such-file.yaml"]),
      (["train", "--inject-nan", "x"], 64, ["STEP:RANK"]),
      (["inspect", "/nowhere"], 66, ["/nowhere"]), (["inspect"], 64, ["<run>"]),
      (["bench", "step", "--preset", "mnst-mlp"], 78, ["did you mean mnist-mlp?"]),
      (convolutions("[]"), 78, ["--set: model.channels: [] is not a list of 1 to 4096 channels"]),
      (convolutions("[0]"), 78, ["--set: model.channels: [0] is not a list of 1 to 4096 channels"]),
      (convolutions("[8, 4097]"), 78, ["--set: model.channels: [8, 4097] is not a list of 1 to 4096 channels"]),
      (convolutions("[" + Array(repeating: "1", count: 33).joined(separator: ", ") + "]"), 78, ["a list of 1 to 4096"]),
      (
        convolutions("[8, 16, 32, 64]"), 78,
        ["too small for number 4: 8x8x1 -> 4x4x8 -> 2x2x16 -> 1x1x32, and then", "give 3 channels, or a smaller"]
      ),
      (
        convolutions("[8]", "model.kernel=11"), 78,
        ["too small for number 1: 8x8x1, and then", "give a smaller model.k"]
      ),
      (
        convolutions("[8]", "data.source=random:30", "model.kernel=1", "model.padding=0"), 78,
        ["the samples are rows of 30 values, not images", "set model.kind to mlp"]
      ),
      (
        convolutions(
          "[4096, 4096, 4096, 4096, 4096, 4096]", "model.kernel=1", "model.stride=1", "model.padding=63"), 78,
        ["convolution 6 of model.channels, from 638x638x4096 to 764x764x4096", "fewer channels"]
      ),
    ]

    private static func convolutions(_ channels: String, _ more: String...) -> [String] {
      ["train"] + (["model.kind=conv", "model.channels=" + channels] + more).flatMap { ["--set", $0] }
    }

    @Test("A mistake is reported once on standard error, with its status", arguments: mistakes)
    func mistake(arguments: [String], status: Int32, texts: [String]) throws {
      let scratch = try Scratch()
      let outcome = try run(arguments, in: scratch.path)
      #expect(outcome.status == status && outcome.output.isEmpty, "\(outcome.output)\(outcome.errors)")
      for text in texts { #expect(outcome.errors.contains(text), "\(outcome.errors)") }
      #expect(snapshot(scratch.path).isEmpty, "a mistake leaves nothing")
    }

    @Test("Under mpirun, help and mistakes are also printed once, with the same status")
    func ranks() throws {
      for number in [0, 1, 6] {
        let (arguments, text) = Self.helps[number]
        let outcome = try run(arguments, ranks: 4)
        #expect(outcome.status == 0 && outcome.count(of: text) == 1, "\(outcome.output)\(outcome.errors)")
      }
      for number in [0, 3, 4, 7, 8, 22] {
        let (arguments, status, texts) = Self.mistakes[number]
        let outcome = try run(arguments, ranks: 4)
        #expect(outcome.status == status && outcome.count(of: texts[0]) == 1, "\(outcome.output)\(outcome.errors)")
      }
    }

    @Test("The message of rank 0 is printed even if rank 0 is late")
    func late() throws {
      let program = binaries + "/vae-dist"
      let outcome = try Child(
        mpirun(1) + [
          "sh", "-c", "sleep 0.2; exec \(program) train --bogus", ":", "-np", "3", program, "train", "--bogus",
        ],
        environment: plainEnvironment, directory: NSTemporaryDirectory()
      ).wait()
      #expect(outcome.status == 64 && outcome.count(of: "Unknown option '--bogus'") == 1, "\(outcome.errors)")
    }

    @Test("A printed configuration that is read back prints the same text")
    func printConfig() throws {
      let scratch = try Scratch()
      for (number, arguments) in [
        [], ["--preset", "mnist-mlp"], ["--preset", "tabular", "--set", "optimizer.learning_rate=1e-5"],
        ["--max-time", "3h50m", "--set", "model.hidden=[7, 5]", "--set", "data.source=a: b #c"],
      ].enumerated() {
        let first = try run(["train", "--print-config"] + arguments, in: scratch.path)
        #expect(first.status == 0 && first.output.hasPrefix("version: 1\n") && first.errors.isEmpty)
        let file = try scratch.write("\(number).yaml", Array(first.output.utf8))
        let second = try run(["train", file, "--print-config"], ranks: number == 0 ? 2 : nil, in: scratch.path)
        #expect(second.status == 0 && second.output == first.output, "\(arguments): \(second.errors)")
      }
      #expect(snapshot(scratch.path).count == 4, "nothing but the files of this test")
    }

    @Test("A flag overrides --set, --set the environment, the environment a file, and a file a preset")
    func precedence() throws {
      let scratch = try Scratch()
      let file = try scratch.write(
        "c.yaml", Array("version: 1\ntrain:\n  seed: 3\n  batch_size: 30\nmodel:\n  latent: 5\n".utf8))
      let outcome = try run(
        ["train", file, "--print-config", "--seed", "6", "--set", "train.seed=5", "--set", "train.batch_size=50"],
        environment: ["VAE_DIST_TRAIN_SEED": "4", "VAE_DIST_TRAIN_BATCH_SIZE": "40", "VAE_DIST_TRAIN_MAX_EPOCHS": "9"])
      for line in ["  seed: 6", "  batch_size: 50", "  max_epochs: 9", "  latent: 5", "  hidden: [256, 128]"] {
        #expect(outcome.lines.contains(line), "\(line) in \(outcome.output)")
      }
      let unknown = try run(["train", "--print-config"], environment: ["VAE_DIST_TRAIN_SED": "4"])
      #expect(unknown.status == 78 && unknown.errors.contains("did you mean VAE_DIST_TRAIN_SEED?"), "\(unknown.errors)")
      let broken = try scratch.write("b.yaml", Array("version: 1\ntrain:\n  sede: 3\n".utf8))
      let misspelt = try run(["train", broken, "--print-config"])
      #expect(misspelt.status == 78 && misspelt.errors.contains("b.yaml:3"), "\(misspelt.errors)")
      #expect(misspelt.errors.contains("did you mean train.seed?"))
    }

    @Test("--dry-run shows the model, trains nothing and writes nothing", arguments: [nil, 2])
    func dryRun(ranks: Int?) throws {
      let scratch = try Scratch()
      let outcome = try run(["train", "--dry-run"], ranks: ranks, in: scratch.path)
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
      #expect(outcome.count(of: "encoder.0 ") == 1 && outcome.count(of: "102996") == 1, "\(outcome.output)")
      #expect(snapshot(scratch.path).isEmpty)
    }

    @Test("--progress json prints one object per line and nothing else", arguments: [nil, 2])
    func json(ranks: Int?) throws {
      let scratch = try Scratch()
      let outcome = try run(
        ["train", "--progress", "json", "--max-epochs", "3", "--run", scratch.path + "/run"], ranks: ranks)
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
      let objects = try outcome.lines.map { line in
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      }
      #expect(objects.map { $0["epoch"] as? Int } == [1, 2, 3])
      let logged = metrics(scratch.path + "/run", kind: "epoch")
      #expect(objects.map { NSDictionary(dictionary: $0) } == logged.map { NSDictionary(dictionary: $0) })
    }

    @Test("-q prints nothing, but warnings and errors still reach standard error")
    func quietTraining() throws {
      let scratch = try Scratch()
      let silent = try run(training(scratch.path + "/run", ["--max-epochs", "2"]), ranks: 2)
      #expect(silent.status == 0 && silent.output.isEmpty && silent.errors.isEmpty, "\(silent.output)\(silent.errors)")
      let warned = try run(training(scratch.path + "/run", ["--max-epochs", "3"]), ranks: 2)
      #expect(
        warned.status == 0 && warned.output.isEmpty && warned.count(of: "vae-dist: warning:") == 1, "\(warned.errors)")
    }

    @Test("Output to a file has no progress bar and no control characters")
    func plain() throws {
      let scratch = try Scratch()
      let outcome = try run(["train", "--max-epochs", "3", "--run", scratch.path + "/run"], ranks: 2)
      #expect(outcome.status == 0 && outcome.count(of: "epoch 3/3") == 1, "\(outcome.output)")
      #expect(outcome.output.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0a })
    }

    @Test("Training continues when the reader of its output goes away")
    func brokenPipe() throws {
      let scratch = try Scratch()
      let command =
        "\(binaries)/vae-dist train --progress json --max-epochs 20 --run run | head -1; echo ${PIPESTATUS[0]}"
      let outcome = try Child(["bash", "-c", command], environment: plainEnvironment, directory: scratch.path).wait()
      #expect(outcome.lines.last == "0", "\(outcome.output)\(outcome.errors)")
      expectWholeHistory(scratch.path + "/run", epochs: 20)
      #expect(try status(scratch.path + "/run")["state"] as? String == "finished")
    }

    @Test("A run directory that cannot be created is reported once", arguments: [nil, 3])
    func unwritable(ranks: Int?) throws {
      let scratch = try Scratch()
      let file = try scratch.write("file", [1])
      for place in [file + "/run", "/proc/vae-dist-run"] {
        let outcome = try run(training(place, ["--max-steps", "1"]), ranks: ranks)
        #expect(outcome.status == 73, "\(outcome.errors)")
        #expect(
          outcome.count(of: "vae-dist: error: \(place): the run directory cannot be created") == 1, "\(outcome.errors)")
      }
    }

    @Test("A run of one step ends within two seconds")
    func startUp() throws {
      let scratch = try Scratch()
      let times = try (0..<3).map { number in
        let outcome = try run(["train", "-q", "--max-steps", "1", "--run", "\(scratch.path)/\(number)"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome.seconds
      }
      let text = times.map { String(format: "%.3f", $0) }.joined(separator: ", ")
      print("start-up to the end of a run of one step: \(text) s")
      #expect(try #require(times.min()) < 2)
    }
  }
}
