import Foundation
import TestSupport
import Testing

private let cores = ProcessInfo.processInfo.activeProcessorCount

extension CommandTests {
  /// Tests of what ranks do together, with the program RankProbe, and of ranks that disagree.
  @Suite struct RankTests {
    private func probe(
      _ arguments: [String], ranks: Int, status: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Outcome {
      let outcome = try run(arguments, program: "RankProbe", ranks: ranks, sourceLocation: sourceLocation)
      #expect(
        outcome.status == status, "\(arguments), \(ranks) ranks: \(outcome.errors)", sourceLocation: sourceLocation)
      return outcome
    }

    @Test("Gradients are summed in the order of the tree, bit for bit", arguments: [1, 2, 3, 5])
    func exchange(ranks: Int) throws {
      _ = try probe(["exchange", "window", "12"], ranks: ranks)
      _ = try probe(["exchange", "messages", "6"], ranks: ranks)
      _ = try probe(["exchange", "messages", "2", "640"], ranks: ranks)
    }

    @Test(
      "Gradients are summed in the same order on several nodes, with buckets and bfloat16", arguments: [2, 3, 5, 7])
    func nodes(ranks: Int) throws {
      for nodeRanks in 1..<min(ranks, 4) {
        let environment = ["VAE_DIST_NODE_RANKS": "\(nodeRanks)"]
        for arguments in [["exchange", "auto", "4"], ["exchange", "auto", "2", "640"], ["wire"]] {
          let outcome = try run(arguments, program: "RankProbe", ranks: ranks, environment: environment)
          #expect(outcome.status == 0, "\(arguments), \(ranks) ranks, \(nodeRanks) a node: \(outcome.errors)")
        }
      }
      let refused = try run(
        ["exchange", "window", "1"], program: "RankProbe", ranks: ranks, environment: ["VAE_DIST_NODE_RANKS": "1"])
      #expect(refused.status == 78 && refused.count(of: "do not share one node's memory") == 1, "\(refused.errors)")
    }

    @Test("Statistics follow their rules with the same bits on any number of ranks and nodes, and after a stop")
    func statistics() throws {
      let scratch = try Scratch()
      func digest(_ ranks: Int, nodeRanks: Int? = nil, _ settings: [String] = []) throws -> String {
        let place = "\(scratch.path)/\(ranks)-\(nodeRanks ?? 0)-\(settings.count)"
        let outcome = try run(
          ["statistics", place] + settings, program: "RankProbe", ranks: ranks,
          environment: nodeRanks.map { ["VAE_DIST_NODE_RANKS": "\($0)"] } ?? [:])
        #expect(outcome.status == 0, "\(ranks) ranks: \(outcome.errors)")
        return outcome.output
      }
      let expected = try digest(1)
      #expect(expected.contains("sha256:"))
      for ranks in 2...4 { #expect(try digest(ranks) == expected, "\(ranks) ranks") }
      #expect(try digest(3, ["optimizer.sharding=none"]) == expected)
      #expect(try digest(4, nodeRanks: 2) == expected)
      #expect(try digest(3, nodeRanks: 1) == expected)
      #expect(try digest(1, ["optimizer.ema=0.0"]) != expected)
    }

    @Test("The first rank of a node decides how the node is divided")
    func dividedOnce() throws {
      let scratch = try Scratch()
      let own = [binaries + "/RankProbe", "exchange", "auto", "1"]
      let outcome = try Child(
        mpirun(1) + ["-x", "VAE_DIST_NODE_RANKS=1"] + own + [":", "-np", "2"] + own, environment: plainEnvironment,
        directory: scratch.path
      ).wait(limit: 20)
      #expect(outcome.status == 0, "\(outcome.errors)")
    }

    @Test("Sums, gathers and broadcasts are right in one piece and in many pieces", arguments: [1, 2, 3, 5])
    func collectives(ranks: Int) throws {
      _ = try probe(["collectives"], ranks: ranks)
      _ = try probe(["collectives", "64"], ranks: ranks)
    }

    @Test("If several ranks fail, all ranks throw the failure of the lowest one, and one rank prints it")
    func together() throws {
      _ = try probe(["together"], ranks: 3)
      for (failing, lowest) in [(["2"], 2), (["1", "2"], 1), (["2", "0"], 0)] {
        let outcome = try probe(["together"] + failing, ranks: 3, status: 65)
        #expect(outcome.count(of: "RankProbe: error: rank \(lowest) has bad data") == 1, "\(outcome.errors)")
        #expect(outcome.count(of: "look at rank \(lowest)") == 1 && outcome.count(of: "bad data") == 1)
      }
    }

    @Test("Ranks that disagree are reported with what they disagree on")
    func agree() throws {
      _ = try probe(["agree"], ranks: 5)
      let outcome = try probe(["agree", "1", "3"], ranks: 5, status: 1)
      #expect(
        outcome.count(of: "(rank 1, 3 against rank 0): colour: 'blue' on rank 0, 'red 1' on rank 1\n") == 1,
        "\(outcome.errors)")
    }

    @Test("A failure of one rank alone ends the job with its status", arguments: [0, 2])
    func lonely(rank: Int) throws {
      let outcome = try probe(["lonely", "\(rank)"], ranks: 3, status: 65)
      #expect(outcome.seconds < 10)
      #expect(outcome.count(of: "rank \(rank): this rank alone has bad data") == 1, "\(outcome.errors)")
    }

    @Test("Between nodes, tags, phases, progress and sizes are as MPI and the phase clock require")
    func messages() throws {
      for (scenario, ranks, nodeRanks) in [
        ("tags", 3, 1), ("tags", 4, 2), ("phases", 4, 2), ("phases", 2, 1), ("progress", 4, 2), ("sizes", 2, 1),
        ("sizes", 4, 2),
      ] {
        let outcome = try run(
          [scenario], program: "RankProbe", ranks: ranks, environment: ["VAE_DIST_NODE_RANKS": "\(nodeRanks)"])
        #expect(outcome.status == 0, "\(scenario), \(ranks) ranks, \(nodeRanks) a node: \(outcome.errors)")
      }
    }

    @Test("After an MPI error, memory that messages may still be written to is not freed")
    func lost() throws {
      let outcome = try probe(["lost"], ranks: 2, status: 1)
      #expect(outcome.count(of: "MPI failed while exchanging") == 1, "\(outcome.errors)")
    }

    @Test("Ranks that have a core each keep it while they wait", .enabled(if: cores > 1))
    func spinning() throws {
      let probe = binaries + "/RankProbe"
      for (start, answer) in [
        (["mpirun", "--bind-to", "core", "-np", "2"], "yes"), (mpirun(2), "yes"), (mpirun(cores + 1), "no"),
        (["taskset", "-c", "0"] + mpirun(2), "no"),
      ] {
        let outcome = try Child(
          start + [probe, "spinning", answer], environment: plainEnvironment, directory: NSTemporaryDirectory()
        ).wait()
        #expect(outcome.status == 0, "\(start): \(outcome.errors)")
      }
    }

    /// OpenBLAS's kernels for small products on newer CPUs allocate a buffer with malloc; those for Haswell do not.
    private static let quietKernels = ["OPENBLAS_CORETYPE": "Haswell"]

    @Test("A steady step allocates nothing", arguments: [1, 2])
    func allocations(ranks: Int) throws {
      let residual = [
        "data.source=random:8x8x3", "model.kind=resnet", "model.channels=[8, 16]", "model.activation=silu",
        "model.likelihood=logistic_mixture",
      ]
      for settings in [
        [],
        [
          "data.binarize=dynamic", "model.dropout=0.1", "optimizer.kind=adamw", "optimizer.ema=0.99",
          "objective.total_correlation=2", "objective.mmd=9", "objective.beta.schedule=geco",
          "objective.beta.target=80",
        ], residual,
      ] {
        let outcome = try run(
          ["allocations"] + settings, program: "RankProbe", ranks: ranks, environment: Self.quietKernels)
        #expect(outcome.lines == (0..<ranks).map { "rank \($0): 0 allocations in 50 steps" })
      }
    }

    @Test("Products have the same bits while many signals arrive")
    func signals() throws {
      #expect(try probe(["signals"], ranks: 1).count(of: "20000 products by") == 1)
    }

    @Test("A step of a whole run, with console and run directory, allocates nothing", arguments: [1, 2])
    func runAllocations(ranks: Int) throws {
      let scratch = try Scratch()
      let outcome = try run(
        ["run-allocations", scratch.path + "/run"], program: "RankProbe", ranks: ranks, environment: Self.quietKernels)
      #expect(
        outcome.lines.filter { $0.hasPrefix("rank ") }
          == (0..<ranks).map { "rank \($0): 0 allocations in 20 steps of a run" })
    }

    @Test(
      "Ranks that a foreign launcher started, so that each sees itself alone, are refused",
      arguments: ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"])
    func mismatch(variable: String) throws {
      let scratch = try Scratch()
      let outcome = try run(training(scratch.path + "/run", ["--max-steps", "1"]), environment: [variable: "4"])
      #expect(outcome.status == 64)
      #expect(outcome.count(of: "launcher mismatch: 4 processes were started") == 1, "\(outcome.errors)")
      #expect(outcome.count(of: "srun --mpi=pmix") == 1)
      #expect(!FileManager.default.fileExists(atPath: scratch.path + "/run"))
    }

    private static let differences: [(first: String, others: String, said: String)] = [
      ("", "--set optimizer.learning_rate=0.5", "optimizer.learning_rate: '0.001' on rank 0, '0.5' on rank 1"),
      // These arguments decide whether a rank reads data, scales it, resumes, or trains at all.
      ("--microbatch 16", "--microbatch 32", "train.microbatch: '16' on rank 0, '32' on rank 1"),
      ("--microbatch 16", "--batch-size 1", "train.batch_size: '64' on rank 0, '1' on rank 1; train.microbatch"),
      ("--set data.scale=minmax", "", "data.scale: 'minmax' on rank 0, 'auto' on rank 1"),
      (
        "--set data.scale=auto", "--set data.scale=standardize", "data.scale: 'auto' on rank 0, 'standardize' on rank 1"
      ),
      ("", "--data absent.csv", "data.source: 'digits' on rank 0, 'absent.csv' on rank 1"),
      ("--resume none", "", "--resume: 'none' on rank 0, 'auto' on rank 1"),
      ("", "--dry-run", "--dry-run: 'false' on rank 0, 'true' on rank 1"),
      ("", "--profile", "--profile: 'false' on rank 0, 'true' on rank 1"),
      ("--fast-dev-run", "", "--fast-dev-run: 'true' on rank 0, 'false' on rank 1"),
    ]

    /// Starts one rank with some arguments and two ranks with others.
    private func differ(_ first: [String], _ others: [String], in scratch: Scratch) throws -> Outcome {
      let own = [binaries + "/vae-dist"] + training(scratch.path + "/run", ["--max-steps", "2"])
      return try Child(
        mpirun(1) + own + first + [":", "-np", "2"] + own + others, environment: plainEnvironment,
        directory: scratch.path
      ).wait(limit: 20)
    }

    @Test("Ranks with different arguments do not start, and name the difference", arguments: differences)
    func differing(first: String, others: String, said: String) throws {
      let scratch = try Scratch()
      func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }
      let outcome = try differ(words(first), words(others), in: scratch)
      #expect(outcome.status == 78)
      #expect(
        outcome.count(of: "ranks disagree before the first step (rank 1, 2 against rank 0): \(said)") == 1,
        "\(outcome.errors)")
      #expect(!FileManager.default.fileExists(atPath: scratch.path + "/run"))
    }

    @Test("Ranks whose data files differ do not start", arguments: [("|u1", 8), ("|u1", 9), ("<f4", 8)])
    func differingData(type: String, width: Int) throws {
      let scratch = try Scratch()
      let bytes = [UInt8](repeating: 0, count: 64 * width * (type == "|u1" ? 1 : 4))
      // The same path under two roots stands for two hosts with their own disks.
      var places: [String] = []
      for (host, content) in [
        npy("|u1", [64, 8], [UInt8](repeating: 1, count: 512)), npy(type, [64, width], bytes),
      ].enumerated() {
        let folder = "\(scratch.path)/\(host)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try writeFile(content, at: folder + "/train.npy")
        places.append(folder)
      }
      let own =
        [binaries + "/vae-dist"]
        + training(scratch.path + "/run", ["--max-steps", "2", "--data", "train.npy", "--set", "data.scale=auto"])
      let outcome = try Child(
        mpirun(1) + ["-wdir", places[0]] + own + [":", "-np", "1", "-wdir", places[1]] + own,
        environment: plainEnvironment, directory: scratch.path
      ).wait(limit: 20)
      #expect(outcome.status == 65)
      #expect(outcome.count(of: "ranks disagree before the first step (rank 1 against rank 0): ") == 1)
      let said =
        type == "<f4" ? "type of its values" : width == 9 ? "shape of its samples" : "digest of the training data"
      #expect(outcome.errors.contains("\(said): '"), "\(outcome.errors)")
    }

    @Test("The death of a rank ends the job")
    func killed() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let child = try start(training(place, ["--max-epochs", "100000"]), ranks: 3)
      try #require(child.wait { metrics(place, kind: "epoch").count >= 2 })
      let victim = try #require(rankProcess(1, of: child))
      let began = ContinuousClock.now
      kill(victim, SIGKILL)
      let outcome = child.wait()
      #expect(outcome.status == 137 && ContinuousClock.now - began < .seconds(10))
    }
  }
}

/// The process of a rank that a given mpirun started.
func rankProcess(_ rank: Int, of launcher: Child) -> pid_t? {
  let numbers = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { pid_t($0) } ?? []
  return numbers.first { number in
    let stat = String(decoding: FileManager.default.contents(atPath: "/proc/\(number)/stat") ?? Data(), as: UTF8.self)
    // pid (name) state ppid ...
    let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 1, pid_t(fields[1]) == launcher.identifier else { return false }
    let environment = FileManager.default.contents(atPath: "/proc/\(number)/environ") ?? Data()
    return environment.split(separator: 0).contains {
      String(decoding: $0, as: UTF8.self) == "OMPI_COMM_WORLD_RANK=\(rank)"
    }
  }
}
