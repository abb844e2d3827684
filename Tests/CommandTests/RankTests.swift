import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// What ranks do together, by a program of their own; and ranks that are not what they seem.
  @Suite struct RankTests {
    private func probe(
      _ arguments: [String], ranks: Int, status: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Outcome {
      let outcome = try run(arguments, program: "RankProbe", ranks: ranks, sourceLocation: sourceLocation)
      #expect(
        outcome.status == status, "\(arguments), \(ranks) ranks: \(outcome.errors)", sourceLocation: sourceLocation)
      return outcome
    }

    @Test("Gradients are summed in the tree's order, bit for bit", arguments: [1, 2, 3, 5])
    func exchange(ranks: Int) throws {
      _ = try probe(["exchange", "window", "12"], ranks: ranks)
      _ = try probe(["exchange", "messages", "6"], ranks: ranks)
      _ = try probe(["exchange", "messages", "2", "640"], ranks: ranks)
    }

    @Test("Between nodes, too, whatever ranks share memory: buckets, lanes and bfloat16", arguments: [2, 3, 5, 7])
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

    @Test("Sums, gathers and broadcasts, in one piece and cut into many", arguments: [1, 2, 3, 5])
    func collectives(ranks: Int) throws {
      _ = try probe(["collectives"], ranks: ranks)
      _ = try probe(["collectives", "64"], ranks: ranks)
    }

    @Test("Of several failures all ranks throw that of the lowest rank, and one prints it")
    func together() throws {
      _ = try probe(["together"], ranks: 3)
      for (failing, lowest) in [(["2"], 2), (["1", "2"], 1), (["2", "0"], 0)] {
        let outcome = try probe(["together"] + failing, ranks: 3, status: 65)
        #expect(outcome.count(of: "RankProbe: error: rank \(lowest) has bad data") == 1, "\(outcome.errors)")
        #expect(outcome.count(of: "look at rank \(lowest)") == 1 && outcome.count(of: "bad data") == 1)
      }
    }

    @Test("Ranks that disagree are named, and what they disagree on")
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

    /// OpenBLAS's kernels for small products on newer CPUs take a buffer from malloc; those for Haswell do not.
    private static let quietKernels = ["OPENBLAS_CORETYPE": "Haswell"]

    @Test("A steady step allocates nothing", arguments: [1, 2])
    func allocations(ranks: Int) throws {
      for settings in [[], ["data.binarize=dynamic", "model.dropout=0.1", "optimizer.kind=adamw"]] {
        let outcome = try run(
          ["allocations"] + settings, program: "RankProbe", ranks: ranks, environment: Self.quietKernels)
        #expect(outcome.lines == (0..<ranks).map { "rank \($0): 0 allocations in 50 steps" })
      }
    }

    @Test("Products are the same under a storm of signals")
    func signals() throws {
      #expect(try probe(["signals"], ranks: 1).count(of: "20000 products by") == 1)
    }

    @Test("Nor does one of a whole run, with console and run directory", arguments: [1, 2])
    func runAllocations(ranks: Int) throws {
      let scratch = try Scratch()
      let outcome = try run(
        ["run-allocations", scratch.path + "/run"], program: "RankProbe", ranks: ranks, environment: Self.quietKernels)
      #expect(
        outcome.lines.filter { $0.hasPrefix("rank ") }
          == (0..<ranks).map { "rank \($0): 0 allocations in 20 steps of a run" })
    }

    @Test(
      "Ranks that another launcher started, each alone, are refused",
      arguments: ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"])
    func mismatch(variable: String) throws {
      let scratch = try Scratch()
      let outcome = try run(training(scratch.path + "/run", ["--max-steps", "1"]), environment: [variable: "4"])
      #expect(outcome.status == 64)
      #expect(outcome.count(of: "launcher mismatch: 4 processes were started") == 1, "\(outcome.errors)")
      #expect(outcome.count(of: "srun --mpi=pmix") == 1)
      #expect(!FileManager.default.fileExists(atPath: scratch.path + "/run"))
    }

    @Test("Ranks with different arguments do not begin")
    func differing() throws {
      let scratch = try Scratch()
      let program = binaries + "/vae-dist"
      let own = [program] + training(scratch.path + "/run", ["--max-steps", "2"])
      let outcome = try Child(
        mpirun(1) + own + [":", "-np", "2"] + own + ["--set", "optimizer.learning_rate=0.5"],
        environment: plainEnvironment, directory: scratch.path
      ).wait()
      #expect(outcome.status == 1)
      #expect(outcome.count(of: "ranks disagree before the first step (rank 1, 2 against rank 0): configuration") == 1)
      #expect(!FileManager.default.fileExists(atPath: scratch.path + "/run"))
    }

    @Test("A rank that dies ends the job")
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

/// The process of a rank that an mpirun started.
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
