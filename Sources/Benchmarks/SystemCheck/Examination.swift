import Training
import Communication
import Foundation
import Kernels

/// Evaluates the facts gathered from all ranks. It neither measures nor communicates, so the same facts always give the
/// same findings.
package struct Examination: Sendable {
  package let facts: [RankFacts]
  package let launcher: Launcher.Kind
  package let library: String
  package let threads: Int

  package init(facts: [RankFacts], launcher: Launcher.Kind, library: String, threads: Int) {
    (self.facts, self.launcher, self.library, self.threads) = (facts, launcher, library, threads)
  }

  package var findings: [Finding] {
    [ranks, products, kernels, cpus] + binding + [memory, sharedMemory, lockedMemory, addressSpace, clocks, start]
  }

  private var placements: [Placement] { facts.map(\.placement) }
  private var nodes: Int { Set(placements.map(\.node)).count }

  private var ranks: Finding {
    let hosts = Set(placements.map(\.host)).sorted()
    let names = hosts.prefix(8).joined(separator: ", ") + (hosts.count > 8 ? ", ..." : "")
    let who = launcher == .none ? "no launcher" : launcher.rawValue
    return .ok(
      "ranks", "\(counted(facts.count, "rank")) on \(counted(nodes, "node")) (\(names)), \(who), \(library)")
  }

  private var products: Finding {
    let different = Set(facts.map { "\($0.products), CPU level \($0.cpuLevel)" }).sorted()
    guard different.count == 1 else {
      return Finding(
        .problem, "products", "ranks compute with different kernels: " + different.joined(separator: "; "),
        advice: "start all ranks on one kind of CPU, with one version of the libraries; training refuses this")
    }
    let hint =
      facts[0].products.hasPrefix("OpenBLAS")
      ? "; oneDNN (Debian: libdnnl2 or libdnnl3) is often faster and is used when it is installed" : ""
    return .ok("products", "\(facts[0].products), \(counted(threads, "thread")) per rank" + hint)
  }

  /// Compares the kernels that OpenBLAS uses with the capabilities of the CPU.
  private var kernels: Finding {
    let check = "kernels"
    guard let held = facts.first(where: { Examination.isLesser($0.openBLAS, cpuLevel: $0.cpuLevel) }) else {
      return .ok(check, "\(facts[0].openBLAS), the best kernels for this CPU (level \(facts[0].cpuLevel))")
    }
    let isUsed = held.products.hasPrefix("OpenBLAS")
    let effect =
      isUsed ? "about half of the speed" : "oneDNN computes the products here, so this costs nothing at present"
    guard let name = held.forcedCore else {
      return Finding(
        isUsed ? .warning : .ok, check,
        "rank \(held.placement.rank): \(held.openBLAS) has slower kernels than the CPU supports "
          + "(level \(held.cpuLevel)): \(effect)",
        advice: "install a newer OpenBLAS, or oneDNN")
    }
    return Finding(
      .warning, check,
      "rank \(held.placement.rank): OPENBLAS_CORETYPE=\(name) limits OpenBLAS to slower kernels than the CPU supports "
        + "(level \(held.cpuLevel)): \(effect)",
      advice: "unset OPENBLAS_CORETYPE")
  }

  /// Whether these OpenBLAS kernels leave AVX-512 (level 4), or AVX2 with FMA (level 3), unused. Kernels that are not
  /// listed are newer.
  package static func isLesser(_ description: String, cpuLevel: Int) -> Bool {
    let core = description.split(separator: " ").last.map { $0.lowercased() } ?? ""
    let avx2 = ["haswell", "zen", "excavator"]
    let older = [
      "generic", "prescott", "core2", "penryn", "dunnington", "atom", "nehalem", "sandybridge", "athlon", "opteron",
      "opteron_sse3", "barcelona", "bobcat", "bulldozer", "piledriver", "steamroller",
    ]
    return cpuLevel >= 4 && avx2.contains(core) || cpuLevel >= 3 && older.contains(core)
  }

  private var cpus: Finding {
    let level = facts.map(\.cpuLevel).min() ?? 0
    switch level {
    case 4: return .ok("cpu", "AVX-512")
    case 3: return .ok("cpu", "AVX2 and FMA")
    case 0: return .ok("cpu", "not x86-64: the compiler's own vectors")
    default:
      return Finding(
        .warning, "cpu", "neither AVX2 nor AVX-512: level \(level)",
        advice: "in a virtual machine, pass the host's CPU through; else expect a quarter of the speed")
    }
  }

  private var binding: [Finding] {
    let faults = Binding.faults(placements, threads: threads, launcher: launcher)
    guard !faults.isEmpty else {
      return [.ok("binding", "every rank can have \(threads == 1 ? "a core" : "\(threads) cores") of its own")]
    }
    return faults.map {
      Finding($0.fault == .crowded ? .problem : .warning, "binding", $0.message, advice: $0.advice)
    }
  }

  /// Compares the memory that the ranks of each machine need with the memory that it has. Reports the machine with the
  /// smallest margin.
  private var memory: Finding {
    let machines = Dictionary(grouping: facts, by: \.placement.machine).values.map { ranks in
      let need: Int = ranks.map(\.memoryNeed).reduce(0, +), available: Int = ranks.map(\.memoryAvailable).min() ?? 0
      return (host: ranks[0].placement.host, need: need, available: available)
    }
    guard let machine = machines.min(by: { $0.available - $0.need < $1.available - $1.need }) else {
      return .ok("memory", "no ranks")
    }
    let text =
      "\(machine.host): \(bytes(UInt64(machine.available))) available, training needs "
      + "\(bytes(UInt64(machine.need))) besides the data"
    guard machine.need > machine.available else { return .ok("memory", text) }
    return Finding(
      .problem, "memory", text,
      advice: "use a smaller --microbatch or model, fewer ranks on the machine, or ask the scheduler for more memory")
  }

  private var sharedMemory: Finding {
    let hosts = Dictionary(grouping: facts, by: \.placement.host).values.map { ranks in
      let nodes = Dictionary(grouping: ranks, by: \.placement.node).values
      return (
        name: ranks[0].placement.host, need: UInt64(nodes.reduce(0) { $0 + $1[0].windowNeed }),
        place: ranks[0].sharedMemory
      )
    }
    let short = hosts.first { $0.place.free < $0.need }
    guard let host = short ?? hosts.min(by: { $0.place.free < $1.place.free }) else {
      return .ok("shared-memory", "no ranks")
    }
    let text =
      "\(host.place.path) of \(host.name): \(bytes(host.place.free)) free of \(bytes(host.place.size)), "
      + "ranks share \(bytes(host.need))"
    guard short != nil else { return .ok("shared-memory", text) }
    return Finding(
      .problem, "shared-memory", text,
      advice: "enlarge it (`mount -o remount,size=50% /dev/shm`; `docker run --shm-size=...`), remove what crashed "
        + "programs left in it, or use --set train.exchange=messages")
  }

  private var lockedMemory: Finding {
    let smallest = facts.compactMap(\.lockedMemory).min()
    guard let smallest, smallest < 1 << 30, facts.contains(where: \.hasInfiniBand) else {
      return .ok(
        "locked-memory", smallest.map { "\(bytes($0)), and there is no InfiniBand that needs more" } ?? "no limit")
    }
    return Finding(
      .warning, "locked-memory", "the limit is \(bytes(smallest)), but InfiniBand needs to lock its buffers",
      advice: "`ulimit -l unlimited` in the shell or in /etc/security/limits.conf of every node")
  }

  private var addressSpace: Finding {
    guard let smallest = facts.compactMap(\.addressSpace).min() else { return .ok("address-space", "no limit") }
    let isSmall = smallest < UInt64(8 << 30) + UInt64(facts.map(\.memoryNeed).max() ?? 0)
    return Finding(
      isSmall ? .warning : .ok, "address-space", "ulimit -v is \(bytes(smallest)) per process",
      advice: isSmall
        ? "lift it (`ulimit -v unlimited`): MPI and BLAS reserve far more than they use" : nil)
  }

  /// Compares the clocks of different machines. Ranks of one machine share a clock. The measured differences include
  /// the time by which ranks leave a barrier at different moments.
  private var clocks: Finding {
    let machines = Set(placements.map(\.machine)).count
    guard machines > 1, let low = facts.map(\.clock).min(), let high = facts.map(\.clock).max() else {
      return .ok("clocks", "one machine, one clock")
    }
    let text = "the clocks of \(counted(machines, "machine")) differ by \(Int((high - low) * 1_000)) ms at most"
    guard high - low > 1 else { return .ok("clocks", text) }
    return Finding(
      .warning, "clocks", text,
      advice: "synchronise them with NTP or chrony, so that times in logs and job limits match"
    )
  }

  private var start: Finding {
    let seconds = facts.map(\.startSeconds).max() ?? 0
    let text = "the slowest rank took \(String(format: "%.2f", seconds)) s from its start until all had met"
    guard seconds > 15 else { return .ok("start", text) }
    return Finding(
      .warning, "start", text,
      advice: "put program and libraries on a local disk, and name the network (`--mca btl_tcp_if_include eth0`)")
  }

  private func counted(_ n: Int, _ noun: String) -> String { "\(n) \(noun)\(n == 1 ? "" : "s")" }
  private func bytes(_ n: UInt64) -> String { readableBytes(n) }
}

/// A size for display: 512 B, 2.5 MiB, 12 GiB.
package func readableBytes(_ n: UInt64) -> String {
  var value = Double(n), units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"][...]
  while value >= 1024, units.count > 1 {
    value /= 1024
    units = units.dropFirst()
  }
  return String(format: value < 10 && units.first != "B" ? "%.1f" : "%.0f", value) + " " + (units.first ?? "")
}
