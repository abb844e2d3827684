import CMPIShim
import Foundation
import Kernels

/// Where a rank runs, and the cores that it may use.
package struct Placement: Codable, Equatable, Sendable {
  package var rank: Int
  package var host: String
  /// Identifies the running kernel. Hosts of one machine (containers, network namespaces) share its cores.
  package var machine: String
  /// The lowest rank of those that share memory with this rank.
  package var node: Int
  /// The hardware threads that the rank may run on, and the one that it was running on when asked.
  package var cores: [Int]
  package var core: Int
  /// Number of hardware threads of the machine.
  package var coresOfMachine: Int
  /// For each of `cores`, the lowest hardware thread of the same physical core.
  package var physical: [Int]

  package init(
    rank: Int, host: String, machine: String, node: Int, cores: [Int], core: Int, coresOfMachine: Int, physical: [Int]
  ) {
    (self.rank, self.host, self.machine, self.node) = (rank, host, machine, node)
    (self.cores, self.core, self.coresOfMachine, self.physical) = (cores, core, coresOfMachine, physical)
  }

  static func own(rank: Int, node: Int) -> Placement {
    let cores = Launcher.allowedCores
    let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
    let host = Launcher.hostName
    return Placement(
      rank: rank, host: host, machine: boot?.trimmingCharacters(in: .whitespacesAndNewlines) ?? host, node: node,
      cores: cores, core: Int(vd_current_core()), coresOfMachine: sysconf(Int32(_SC_NPROCESSORS_ONLN)),
      physical: cores.map(physicalCore))
  }

  private static func physicalCore(of core: Int) -> Int {
    let path = "/sys/devices/system/cpu/cpu\(core)/topology/thread_siblings_list"
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return text.split { !$0.isNumber }.first.flatMap { Int($0) } ?? core
  }
}

extension Communicator {
  /// Returns the placement of every rank, in order of rank. Collective.
  package func placements() throws(Failure) -> [Placement] {
    let own = Placement.own(rank: rank, node: topology.neighbours.lowerBound)
    return try gatherCodable(own)
  }

  /// Returns the number of ranks that may run on any of the cores that this rank may run on, including itself.
  /// Collective.
  package func ranksSharingCores() throws(Failure) -> Int {
    if let coreSharers { return coreSharers }
    let all = try placements()
    let own = all[rank]
    let count = all.count { $0.machine == own.machine && !Set($0.cores).isDisjoint(with: own.cores) }
    coreSharers = count
    return count
  }

  /// Whether there is a core for every thread of the ranks that share this rank's cores. Collective.
  package func hasCoresForAll(threads: Int) throws(Failure) -> Bool {
    try ranksSharingCores() * threads <= Launcher.usableCores
  }

  /// Returns the value of every rank, in order of rank. Collective.
  package func gatherCodable<T: Codable>(_ own: T) throws(Failure) -> [T] {
    do {
      let all = try gather([UInt8](JSONEncoder().encode(own)))
      return try all.map { try JSONDecoder().decode(T.self, from: Data($0)) }
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(
        .failure, "ranks cannot read each other's data: \(error)", hint: "start the same program on every host")
    }
  }
}

/// Ranks that compete for cores, as launchers' defaults cause on small, shared or containerised machines.
package struct Binding: Equatable, Sendable {
  package enum Fault: Equatable, Sendable {
    /// More ranks than the machine has cores, so presumably intended.
    case oversubscribed
    /// There are enough cores for all ranks, but these ranks may not use them.
    case crowded
    /// Two ranks run on the two hardware threads of one physical core.
    case siblings
  }

  package let fault: Fault
  package let message: String
  package let advice: String

  /// Returns at most one fault per machine. `threads` is the number of threads per rank.
  package static func faults(_ placements: [Placement], threads: Int = 1, launcher: Launcher.Kind) -> [Binding] {
    let machines = Dictionary(grouping: placements, by: \.machine).sorted { $0.value[0].rank < $1.value[0].rank }
    return machines.compactMap { fault(ranks: $0.value, threads: threads, launcher: launcher) }
  }

  /// Returns one warning per machine for the start of a training run, without faults that cost little. Collective.
  package static func warnings(_ communicator: Communicator, threads: Int) throws(Failure) -> [String] {
    faults(try communicator.placements(), threads: threads, launcher: Launcher.kind)
      .filter { $0.fault != .siblings }.map { "\($0.message): \($0.advice)" }
  }

  private static func fault(ranks: [Placement], threads: Int, launcher: Launcher.Kind) -> Binding? {
    let hosts = Set(ranks.map(\.host)).sorted().joined(separator: " and ")
    let cores = ranks[0].coresOfMachine, wanted = ranks.count * threads
    let each = threads == 1 ? "" : " of \(threads) threads"
    if let crowd = crowd(ranks, threads: threads, cores: \.cores) {
      guard wanted <= cores else {
        return Binding(
          fault: .oversubscribed,
          message: "\(counted(ranks.count, "rank"))\(each) share the \(counted(cores, "core")) of \(hosts)",
          advice: "ranks on the same core take turns, which slows down every step; start at most "
            + "\(counted(max(1, cores / threads), "rank")) per machine")
      }
      let who = list(crowd.ranks.map { ranks[$0].rank })
      return Binding(
        fault: .crowded,
        message: "\(crowd.ranks.count == 1 ? "rank" : "ranks") \(who)\(each) may use only "
          + "\(crowd.cores.count == 1 ? "core" : "cores") \(list(crowd.cores)) of the \(cores) of \(hosts)",
        advice: "start them with \(launcher.binding(threads: threads))")
    }
    guard let pair = crowd(ranks, threads: threads, cores: \.physical) else { return nil }
    return Binding(
      fault: .siblings,
      message:
        "ranks \(list(pair.ranks.map { ranks[$0].rank })) share "
        + "\(counted(pair.cores.count, "physical core")) of \(hosts)",
      advice: "hardware threads of one core share its arithmetic units; start one rank per physical core "
        + "(\(launcher.binding(threads: threads)))")
  }

  /// Returns ranks that cannot each have `threads` cores of their own, and all cores that they may use; nil if there
  /// are none. If no complete matching of ranks to cores exists, some set of ranks has too few cores in total (Hall's
  /// theorem).
  static func crowd(
    _ ranks: [Placement], threads: Int, cores: KeyPath<Placement, [Int]>
  ) -> (ranks: [Int], cores: [Int])? {
    var owner: [Int: Int] = [:]  // by core
    let allowed = ranks.map { Array(Set($0[keyPath: cores])).sorted() }
    for rank in ranks.indices {
      for _ in 0..<threads {
        var seen = Set<Int>()
        func seat(_ rank: Int) -> Bool {
          for core in allowed[rank] where seen.insert(core).inserted {
            guard let other = owner[core], !seat(other) else {
              owner[core] = rank
              return true
            }
          }
          return false
        }
        if !seat(rank) { return (Set(seen.compactMap { owner[$0] } + [rank]).sorted(), seen.sorted()) }
      }
    }
    return nil
  }

  /// Formats numbers as "0, 1 and 2". Runs of more than three become ranges such as 0-7.
  package static func list(_ numbers: [Int]) -> String {
    var runs: [ClosedRange<Int>] = []
    for n in numbers {
      if let last = runs.last, last.upperBound + 1 == n {
        runs[runs.count - 1] = last.lowerBound...n
      } else {
        runs.append(n...n)
      }
    }
    let words = runs.flatMap { run in
      run.count > 3 ? ["\(run.lowerBound)-\(run.upperBound)"] : run.map(String.init)
    }
    guard words.count > 1 else { return words.first ?? "none" }
    return words.dropLast().joined(separator: ", ") + " and " + words[words.count - 1]
  }
}

extension Launcher {
  /// The kind of launcher that started this process.
  package enum Kind: String, Codable, Sendable {
    case mpirun, srun, mpiexec, none

    /// The launcher's option that gives every rank cores of its own.
    func binding(threads: Int) -> String {
      switch self {
      case .srun: "`srun --cpu-bind=cores --cpus-per-task=\(threads)`"
      case .mpiexec: "`mpiexec -bind-to core`"
      case .mpirun, .none:
        threads == 1
          ? "`mpirun --bind-to core`, and without a taskset or container that limits the cores"
          : "`mpirun --map-by slot:PE=\(threads) --bind-to core`"
      }
    }
  }

  package static var kind: Kind {
    let environment = ProcessInfo.processInfo.environment
    if environment["OMPI_COMM_WORLD_SIZE"] != nil { return .mpirun }
    if environment["SLURM_STEP_ID"] != nil, environment["SLURM_PROCID"] != nil { return .srun }
    return environment["PMI_RANK"] != nil ? .mpiexec : .none
  }
}
