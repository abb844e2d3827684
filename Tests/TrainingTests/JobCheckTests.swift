@testable import Benchmarks
import Communication
import Testing

@testable import Training

@Suite struct JobCheckTests {
  private func facts(_ rank: Int, _ change: (inout RankFacts) -> Void = { _ in }) -> RankFacts {
    var facts = RankFacts(
      placement: Placement(
        rank: rank, host: "a", machine: "m", node: 0, cores: [rank], core: rank, coresOfMachine: 2, physical: [rank]),
      products: "OpenBLAS Cooperlake", openBLAS: "OpenBLAS Cooperlake", forcedCore: nil, cpuLevel: 4,
      sharedMemory: FileSystem(path: "/dev/shm", kind: "tmpfs", size: 1 << 30, free: 1 << 30), memoryNeed: 3 << 20,
      windowNeed: 4 << 20, memoryAvailable: 8 << 20, lockedMemory: nil,
      addressSpace: nil, startSeconds: 0.3, clock: 1_000, hasInfiniBand: false)
    change(&facts)
    return facts
  }

  private func findings(_ ranks: [RankFacts]) -> [Finding] {
    JobChecks.all.findings(in: JobFacts(ranks: ranks, launcher: .mpirun, library: "MPI", threads: 1))
  }

  private func findings(
    _ second: (inout RankFacts) -> Void, first: (inout RankFacts) -> Void = { _ in }
  ) -> [String: Finding] {
    Dictionary(uniqueKeysWithValues: findings([facts(0, first), facts(1, second)]).map { ($0.check, $0) })
  }

  @Test("Healthy ranks have no findings")
  func healthy() {
    #expect(findings { _ in }.values.allSatisfy { $0.level == .ok && $0.advice == nil })
  }

  @Test("Each planted fault is the only finding")
  func planted() {
    let faults: [(String, Finding.Level, String, (inout RankFacts) -> Void)] = [
      ("products", .problem, "one kind of CPU", { $0.products = "oneDNN 3.0 isa ff" }),
      ("products", .problem, "one kind of CPU", { $0.cpuLevel = 3 }),
      (
        "binding", .problem, "--bind-to core",
        {
          $0.placement.cores = [0]; $0.placement.physical = [0]
        }
      ),
      ("binding", .warning, "physical core", { $0.placement.physical = [0] }),
      (
        "locked-memory", .warning, "ulimit -l",
        {
          $0.lockedMemory = 8 << 20; $0.hasInfiniBand = true
        }
      ),
      ("address-space", .warning, "ulimit -v", { $0.addressSpace = 1 << 30 }),
      (
        "clocks", .warning, "NTP",
        {
          $0.placement.machine = "n"; $0.clock = 1_002
        }
      ),
      ("start", .warning, "local disk", { $0.startSeconds = 40 }),
    ]
    for (check, level, advice, plant) in faults {
      let found = findings(plant)
      #expect(found[check]?.level == level && found[check]?.advice?.contains(advice) == true, "\(check): \(found)")
      #expect(found.values.filter { $0.level != .ok }.count == 1, "\(check): \(found)")
    }
  }

  @Test("Shared memory that is too small for the window of a node is a problem")
  func sharedMemory() {
    func level(free: UInt64) -> Finding? {
      let small = FileSystem(path: "/dev/shm", kind: "tmpfs", size: 64 << 20, free: free)
      return findings([facts(0) { $0.sharedMemory = small }, facts(1) { $0.sharedMemory = small }])
        .first { $0.check == "shared-memory" }
    }
    #expect(level(free: 4 << 20)?.level == .ok)
    #expect(level(free: (4 << 20) - 1)?.level == .problem)
    #expect(level(free: 0)?.advice?.contains("/dev/shm") == true)
  }

  @Test("Nodes on one host share its memory")
  func dividedHost() {
    func level(free: UInt64) -> Finding.Level? {
      let small = FileSystem(path: "/dev/shm", kind: "tmpfs", size: 64 << 20, free: free)
      return findings {
        $0.placement.node = 1
        $0.sharedMemory = small
      } first: {
        $0.sharedMemory = small
      }["shared-memory"]?.level
    }
    #expect(level(free: 8 << 20) == .ok && level(free: (8 << 20) - 1) == .problem)
  }

  @Test("The memory of a machine must suffice for all its ranks")
  func memory() {
    for (available, level) in [(6 << 20, Finding.Level.ok), ((6 << 20) - 1, .problem)] {
      #expect(findings { $0.memoryAvailable = available }["memory"]?.level == level)
    }
    // There are two machines with one rank each.
    let apart = findings {
      $0.memoryAvailable = 4 << 20; $0.placement.machine = "n"; $0.placement.host = "b"
    }
    #expect(apart["memory"]?.level == .ok && apart["memory"]?.message.contains("b: 4.0 MiB available") == true)
  }

  @Test("OpenBLAS with slower kernels than the CPU supports is a warning if it is limited or computes the products")
  func kernels() {
    let held = findings {
      $0.openBLAS = "OpenBLAS Haswell"; $0.forcedCore = "Haswell"; $0.products = "OpenBLAS Cooperlake"
    }
    #expect(held["kernels"]?.level == .warning && held["kernels"]?.advice == "unset OPENBLAS_CORETYPE")
    #expect(held["kernels"]?.message.contains("half of the speed") == true)
    let old = findings { $0.openBLAS = "OpenBLAS Zen" }
    #expect(old["kernels"]?.level == .warning && old["kernels"]?.advice?.contains("newer OpenBLAS") == true)
    #expect(KernelsForCPU.isLesser("OpenBLAS Nehalem", cpuLevel: 3))
    for (core, level) in [("Haswell", 3), ("SkylakeX", 4), ("Cooperlake", 4), ("Zen", 3), ("Prescott", 2), ("NEW", 4)] {
      #expect(!KernelsForCPU.isLesser("OpenBLAS \(core)", cpuLevel: level), "\(core) \(level)")
    }
  }
}
