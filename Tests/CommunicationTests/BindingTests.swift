import Testing

@testable import Communication

@Suite("Binding of ranks to cores")
struct BindingTests {
  /// Ranks on one machine that may use these cores. Hardware thread c belongs to physical core c / width.
  private func ranks(
    _ cores: [[Int]], of machine: Int, host: String = "a", boot: String = "m", first: Int = 0, width: Int = 1
  ) -> [Placement] {
    cores.enumerated().map { rank, cores in
      Placement(
        rank: first + rank, host: host, machine: boot, node: first, cores: cores, core: cores.first ?? 0,
        coresOfMachine: machine, physical: cores.map { $0 / width * width })
    }
  }

  private func faults(_ placements: [Placement], threads: Int = 1, launcher: Launcher.Kind = .mpirun) -> [Binding] {
    Binding.faults(placements, threads: threads, launcher: launcher)
  }

  @Test("There is no finding if every rank can have a core of its own")
  func silent() {
    #expect(faults(ranks([[0]], of: 1)).isEmpty)
    #expect(faults(ranks([[0], [1]], of: 2)).isEmpty)
    #expect(faults(ranks([[0, 1], [0, 1]], of: 2)).isEmpty)
    // The rank that is placed first must move, because rank 1 has no choice.
    #expect(faults(ranks([[0, 1], [0]], of: 2)).isEmpty)
    #expect(faults(ranks([[0, 1, 2], [0, 1], [0]], of: 4)).isEmpty)
    #expect(faults(ranks([[0, 1], [2, 3]], of: 4), threads: 2).isEmpty)
    #expect(faults(ranks(Array(repeating: Array(0..<64), count: 64), of: 64)).isEmpty)
  }

  @Test("More ranks than cores are reported in one sentence")
  func oversubscribed() throws {
    let found = faults(ranks(Array(repeating: [0, 1], count: 4), of: 2))
    let fault = try #require(found.first)
    #expect(found.count == 1 && fault.fault == .oversubscribed)
    #expect(fault.message == "4 ranks share the 2 cores of a" && fault.advice.contains("at most 2 ranks"))
    let threaded = try #require(faults(ranks([[0, 1], [0, 1]], of: 2), threads: 2).first)
    #expect(threaded.fault == .oversubscribed && threaded.message.contains("2 ranks of 2 threads"))
  }

  @Test("Ranks that may not use free cores are reported with the option to use")
  func crowded() throws {
    let bound = try #require(faults(ranks([[0], [0]], of: 2)).first)
    #expect(bound.fault == .crowded && bound.message == "ranks 0 and 1 may use only core 0 of the 2 of a")
    #expect(bound.advice.contains("--bind-to core"))
    // Only the ranks that share cores are named.
    let part = try #require(faults(ranks([[0], [3], [1, 2], [1, 2], [1, 2]], of: 8), launcher: .srun).first)
    #expect(part.message == "ranks 2, 3 and 4 may use only cores 1 and 2 of the 8 of a")
    #expect(part.advice.contains("srun --cpu-bind=cores --cpus-per-task=1"))
    let threads = try #require(faults(ranks([[0], [1]], of: 4), threads: 2).first)
    #expect(threads.fault == .crowded && threads.advice.contains("PE=2"))
  }

  @Test("Two hosts on one machine share its cores, and two machines do not")
  func hosts() throws {
    let left = ranks([[0]], of: 2, host: "left"), right = ranks([[0]], of: 2, host: "right", first: 1)
    let shared = try #require(faults(left + right).first)
    #expect(shared.fault == .crowded && shared.message.contains("left and right"))
    #expect(faults(left + ranks([[0]], of: 2, host: "right", boot: "other", first: 1)).isEmpty)
  }

  @Test("Ranks on hardware threads of one physical core are reported")
  func siblings() throws {
    let pair = try #require(faults(ranks([[0], [1]], of: 4, width: 2)).first)
    #expect(pair.fault == .siblings && pair.message == "ranks 0 and 1 share 1 physical core of a")
    #expect(faults(ranks([[0], [2]], of: 4, width: 2)).isEmpty)
  }

  @Test("Lists of numbers are written with ranges")
  func lists() {
    #expect(Binding.list([]) == "none" && Binding.list([3]) == "3" && Binding.list([0, 1]) == "0 and 1")
    #expect(Binding.list([0, 1, 2, 3, 4, 7]) == "0-4 and 7")
  }
}
