import Foundation
import TestSupport
import Testing

/// Number of cores of this machine. Tests that need two are skipped if there is one.
private let cores = ProcessInfo.processInfo.activeProcessorCount

extension CommandTests {
  /// Tests that `bench`, `scale` and `doctor` measure something and report it in a form that programs can read.
  @Suite struct MeasuringTests {
    private func object(_ outcome: Outcome, sourceLocation: SourceLocation = #_sourceLocation) throws -> [String: Any] {
      try #require(outcome.lines.count == 1, "\(outcome.output)\(outcome.errors)", sourceLocation: sourceLocation)
      return try #require(
        JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], sourceLocation: sourceLocation)
    }

    /// The findings of `doctor --json` by the name of the check.
    private func findings(_ outcome: Outcome) throws -> [String: [String: Any]] {
      // mpirun adds its own text to standard error if the status is not 0.
      let found = try #require(try object(outcome)["findings"] as? [[String: Any]])
      return Dictionary(
        uniqueKeysWithValues: found.compactMap { entry in (entry["check"] as? String).map { ($0, entry) } })
    }

    @Test("`bench gemm` reports a speed for every number of rows, kind and library", arguments: [nil, 2])
    func gemm(ranks: Int?) throws {
      let outcome = try run(["bench", "gemm", "--preset", "digits", "--json"], ranks: ranks)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let result = try object(outcome)
      let rates = try #require(result["gflops"] as? [[String: Any]])
      let libraries = Set(rates.compactMap { $0["library"] as? String })
      #expect(result["ranks"] as? Int == ranks ?? 1)
      #expect(rates.count == libraries.count * 7 * 3 && libraries.contains { $0.hasPrefix("OpenBLAS") })
      for rate in rates {
        let low = rate["minimum"] as? Double ?? 0, middle = rate["median"] as? Double ?? 0
        #expect(low > 0.01 && low <= middle && middle < 10_000, "\(rate)")
      }
    }

    @Test("`bench comm` names what one rank cannot measure, and measures it with two")
    func comm() throws {
      let alone = try run(["bench", "comm", "--preset", "digits"])
      #expect(alone.status == 0 && alone.count(of: "not measured: needs two ranks") == 5, "\(alone.output)")
      let one = try object(try run(["bench", "comm", "--preset", "digits", "--json"]))
      #expect(one["barrier_microseconds"] is NSNull && one["same_node"] is NSNull && one["ranks"] as? Int == 1)
      let two = try object(try run(["bench", "comm", "--preset", "digits", "--json"], ranks: 2))
      #expect(two["gradient_bytes"] as? Int == 4 * 102_996 && two["nodes"] as? Int == 1 && two["other_node"] is NSNull)
      let link = try #require(two["same_node"] as? [String: Double])
      #expect(link["latency_microseconds"] ?? 0 > 0 && link["gigabytes_per_second"] ?? 0 > 0)
      for name in [
        "barrier_microseconds", "allreduce_milliseconds", "exchange_milliseconds", "exchange_gigabytes_per_second",
        "empty_exchange_microseconds", "add_gigabytes_per_second", "jitter_microseconds", "p99_microseconds",
      ] { #expect(two[name] as? Double ?? 0 > 0, "\(name): \(two)") }
    }

    @Test("`bench comm` measures the exchange that training would use")
    func exchange() throws {
      let comm = ["bench", "comm", "--preset", "digits", "--json", "--set"]
      for (setting, word) in [("train.exchange=messages", "messages"), ("train.exchange=auto", "shared memory")] {
        // One bucket is set, because the trial exchange may choose more on a busy machine.
        let arguments = comm + [setting, "--set", "train.buckets=1"]
        #expect(try object(try run(arguments, ranks: 2))["exchange"] as? String == word)
      }
      let nodes = ["VAE_DIST_NODE_RANKS": "1"]
      let buckets = try object(try run(comm + ["train.buckets=3"], ranks: 2, environment: nodes))
      #expect(buckets["exchange"] as? String == "messages, 3 buckets")
      let scale = ["scale", "--preset", "digits", "--microbatch", "16", "--ranks", "8", "--json", "--set"]
      let result = try object(try run(scale + ["train.buckets=3"], ranks: 2, environment: nodes))
      #expect((result["check"] as? [String: Any])?["exchange"] as? String == "messages, 3 buckets")
      let refused = try run(scale + ["train.exchange=messages"], ranks: 2)
      #expect(refused.status == 64 && refused.count(of: "train.exchange is messages") == 1, "\(refused.errors)")
    }

    @Test("`bench step` reports its values under stable names, with their spread")
    func step() throws {
      let result = try object(
        try run(["bench", "step", "--preset", "digits", "--microbatch", "32", "--json"], ranks: 2))
      for name in [
        "milliseconds", "samples_per_second", "products_milliseconds", "exchange_milliseconds", "p50_milliseconds",
        "p99_milliseconds", "jitter_milliseconds",
      ] { #expect(result[name] as? Double ?? 0 > 0, "\(name): \(result)") }
      #expect(result["p50_milliseconds"] as? Double ?? 0 <= result["p99_milliseconds"] as? Double ?? 0)
    }

    @Test("`scale` measures a step, checks its prediction of it, and predicts up to --ranks", arguments: [nil, 2])
    func scale(ranks: Int?) throws {
      let arguments = ["scale", "--preset", "digits", "--microbatch", "16", "--ranks", "64", "--ranks-per-node", "8"]
      let result = try object(
        try run(
          arguments + ["--network", "hdr,custom", "--latency", "30", "--bandwidth", "1", "--json"], ranks: ranks))
      let check = try #require(result["check"] as? [String: Any]).compactMapValues { $0 as? Double }
      let ratio = (check["predicted_milliseconds"] ?? 0) / (check["measured_milliseconds"] ?? 1)
      // The bound is wide because the machine may be busy. `scale` itself reports errors above 15 %.
      #expect(ratio > 0.3 && ratio < 3, "\(check)")
      #expect(abs(ratio - 1 - (check["error"] ?? 9)) < 1e-9)
      let tables = try #require(result["tables"] as? [[String: Any]])
      #expect(
        tables.map { "\($0["network"] ?? "") \($0["scaling"] ?? "")" }
          == ["hdr strong", "hdr weak", "custom strong", "custom weak"])
      #expect(abs((tables[2]["latency_microseconds"] as? Double ?? 0) - 30) < 1e-9)
      #expect(abs((tables[2]["gigabytes_per_second"] as? Double ?? 0) - 1) < 1e-9)
      for table in tables {
        let rows = try #require(table["rows"] as? [[String: Double]])
        #expect(rows.map { $0["ranks"] } == [8, 16, 32, 64])
        for row in rows {
          let parts = ["compute", "serial", "node", "latency", "bandwidth", "jitter"]
            .reduce(0.0) { $0 + (row["\($1)_milliseconds"] ?? .nan) }
          #expect(abs(parts - (row["milliseconds"] ?? 0)) < 1e-9 && row["efficiency"] ?? 0 > 0, "\(row)")
        }
      }
    }

    @Test("`scale` writes its page, and refuses networks that it does not know")
    func scalePage() throws {
      let page = try run(["scale", "--preset", "digits", "--ranks", "16", "--network", "10gbe", "--markdown"])
      #expect(page.status == 0 && page.count(of: "| 16 | ") == 2 && page.count(of: "NetPIPE") == 1, "\(page.output)")
      #expect(page.count(of: "vae-dist scale --preset digits --ranks 16 --network 10gbe --markdown") == 1)
      for (network, word) in [("measured", "on one node"), ("custom", "two numbers"), ("token", "not known")] {
        let outcome = try run(["scale", "--preset", "digits", "--network", network], ranks: 2)
        #expect(outcome.status == 64 && outcome.count(of: word) == 1, "\(outcome.errors)")
      }
      #expect(try run(["scale", "--ranks", "0"]).status == 64)
    }

    @Test("`doctor` has no findings for a healthy start", arguments: [1, 2])
    func healthy(ranks: Int) throws {
      guard ranks <= cores else { return }
      let scratch = try Scratch()
      let outcome = try run(["doctor", "--run", scratch.path + "/new/run", "--json"], ranks: ranks)
      let found = try findings(outcome)
      // The properties of this machine (its disk, its BLAS) are not part of the test.
      for check in ["ranks", "binding", "shared-memory", "clocks", "space"] {
        #expect(found[check]?["level"] as? String == "ok", "\(found[check] ?? [:])")
      }
      #expect(outcome.status == 0)
      let places = try #require(try object(outcome)["placement"] as? [[String: Any]])
      #expect(places.compactMap { $0["rank"] as? Int } == Array(0..<ranks))
      #expect(places.allSatisfy { !($0["cores"] as? [Int] ?? []).isEmpty && $0["host"] is String })
      #expect(!FileManager.default.fileExists(atPath: scratch.path + "/new"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).isEmpty)
    }

    @Test("`doctor` reports ranks that are bound to one core with the option to use", .enabled(if: cores > 1))
    func crowded() throws {
      let crowd = ["taskset", "-c", "0", "mpirun", "--oversubscribe", "--bind-to", "none", "-np", "2"]
      let outcome = try Child(
        crowd + [binaries + "/vae-dist", "doctor", "--json"], environment: plainEnvironment,
        directory: NSTemporaryDirectory()
      ).wait()
      let binding = try #require(try findings(outcome)["binding"])
      #expect(outcome.status == 1 && binding["level"] as? String == "problem")
      #expect((binding["message"] as? String)?.hasPrefix("ranks 0 and 1 may use only core 0 of the \(cores)") == true)
      #expect((binding["advice"] as? String)?.contains("--bind-to core") == true)
    }

    @Test("`doctor` reports faults of OPENBLAS_CORETYPE, shared memory, the run directory and the launcher")
    func planted() throws {
      let core = try findings(try run(["doctor", "--json"], environment: ["OPENBLAS_CORETYPE": "Prescott"]))
      // On a CPU for which Prescott's kernels are the best, nothing is lost.
      if core["cpu"]?["level"] as? String == "ok", !(core["cpu"]?["message"] as? String ?? "").hasPrefix("not x86") {
        #expect(core["kernels"]?["level"] as? String == "warning", "\(core)")
        #expect(core["kernels"]?["advice"] as? String == "unset OPENBLAS_CORETYPE")
      }
      // /proc is a file system without free space.
      let memory = try run(["doctor", "--shared-memory", "/proc", "--json"], ranks: 2)
      #expect(try memory.status == 1 && findings(memory)["shared-memory"]?["level"] as? String == "problem")
      let place = try run(["doctor", "--run", "/proc/self/fdinfo", "--json"])
      #expect(try place.status == 1 && findings(place)["writing"]?["level"] as? String == "problem")
      let mismatch = try run(["doctor"], environment: ["PMI_SIZE": "4", "PMI_RANK": "0"])
      #expect(mismatch.status == 1 && mismatch.count(of: "launcher mismatch") == 1, "\(mismatch.errors)")
      #expect(try run(["doctor"], environment: ["PMI_SIZE": "4", "PMI_RANK": "1"]).output.isEmpty)
    }

    @Test("Training with more ranks than cores gives one warning of one line", .enabled(if: cores < 8))
    func warning() throws {
      for (ranks, warnings) in [(min(cores, 2), 0), (cores + 1, 1)] {
        let scratch = try Scratch()
        let outcome = try run(
          ["train", "--run", scratch.path + "/run", "--max-steps", "1", "--set", "monitor.pictures_every=0"],
          ranks: ranks)
        #expect(outcome.status == 0 && outcome.count(of: "warning") == warnings, "\(outcome.errors)")
        #expect(outcome.count(of: "\(ranks) ranks share the \(cores) core") == warnings)
      }
    }
  }
}
