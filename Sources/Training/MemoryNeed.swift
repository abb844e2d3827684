import Communication
import Data
import Foundation
import Kernels
import VAE

/// Bytes that a rank will ask for, beside its share of the data; known before it does.
package struct MemoryNeed: Sendable {
  /// Values and moments: a rank's own, or its part of the node's.
  let parameters: Int
  /// Buffers of the local sums, what comes from other nodes, and what looks for the place of a failure.
  let gradients: Int
  let graphs: Int
  /// What this machine's ranks put into shared memory.
  private let shared: Int
  private let ranks: Int
  var bytes: Int { parameters + gradients + graphs }

  init(
    _ configuration: Configuration, _ autoencoder: VariationalAutoencoder, _ plan: BatchPlan,
    _ communicator: Communicator
  ) {
    let topology = communicator.topology
    let neighbours = topology.neighbours
    let buffer = autoencoder.store.count * MemoryLayout<Float>.stride
    let tree = ReductionTree(leaves: plan.slots, ranks: communicator.size)
    let own = tree.blocks(of: communicator.rank)
    let temporaries = own.map(\.size.trailingZeroBitCount).max() ?? 0
    let usesMessages = configuration.train.exchange == .messages || !topology.isOneNode
    let isShared = configuration.sharesParameters(topology)
    ranks = topology.machineSize
    // Every rank draws the initial values for itself.
    parameters = isShared ? buffer + 3 * buffer / neighbours.count : 3 * buffer
    gradients = (max(1, own.count) + temporaries + 1 + (usesMessages ? 1 : 0)) * buffer
    graphs =
      autoencoder.arenaBytes(batch: plan.microbatch, gradients: true)
      + autoencoder.arenaBytes(batch: Validator.chunk, gradients: false)
    let blocks =
      configuration.train.exchange == .messages ? 0 : neighbours.reduce(0) { $0 + max(1, tree.blocks(of: $1).count) }
    let nodes = (topology.machineSize + neighbours.count - 1) / neighbours.count
    shared = neighbours.count > 1 ? nodes * (blocks + (isShared ? 3 : 0)) * buffer : 0
  }

  /// Refuses what this machine has no room for, instead of being killed for it later.
  func requireFit() throws(Failure) {
    let (machine, overflow) = bytes.multipliedReportingOverflow(by: ranks)
    let available = min(MemoryNeed.free, MemoryNeed.groupLimit)
    guard !overflow, machine <= available else {
      throw Failure(
        .badConfiguration,
        "this training needs \(MemoryNeed.text(bytes)) for a rank, and \(ranks) of them run on a machine "
          + "with \(MemoryNeed.text(available)) to give (graphs \(MemoryNeed.text(graphs)), "
          + "parameters and moments \(MemoryNeed.text(parameters)), gradients \(MemoryNeed.text(gradients)))",
        hint: "a smaller --microbatch needs smaller graphs; or a smaller model, or fewer ranks on the machine")
    }
    let (limit, used) = (MemoryNeed.addressLimit, MemoryNeed.addressUse)
    guard bytes <= limit - used else {
      throw Failure(
        .badConfiguration,
        "this training needs \(MemoryNeed.text(bytes)) for a rank beside \(MemoryNeed.text(used)) in use, and the "
          + "limit of a process is \(MemoryNeed.text(limit))",
        hint: "raise the limit (ulimit -v), or use a smaller model or a smaller --microbatch")
    }
    if shared > 0, let shortage = SharedMemory.shortage(of: shared) { throw shortage }
  }

  static func text(_ bytes: Int) -> String {
    let (value, unit) = bytes < 1 << 30 ? (Double(bytes) / 0x1p20, "MiB") : (Double(bytes) / 0x1p30, "GiB")
    return "\((value * 10).rounded() / 10) \(unit)"
  }

  // MARK: What there is

  /// The number behind a word of a file of /proc, in its unit of kB; nil where it is not to be had.
  private static func kilobytes(_ word: String, in file: String) -> Int? {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix(word + ":") })
    else { return nil }
    return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 << 10 }
  }

  private static var free: Int {
    guard let memory = kilobytes("MemAvailable", in: "/proc/meminfo") else { return .max }
    return memory + (kilobytes("SwapFree", in: "/proc/meminfo") ?? 0)
  }

  /// The smallest limit of this process's control groups, version 1 or 2.
  private static var groupLimit: Int {
    guard let text = try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8) else { return .max }
    var smallest = Int.max
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3, parts[1].isEmpty || parts[1].split(separator: ",").contains("memory") else { continue }
      let (root, file) =
        parts[1].isEmpty ? ("/sys/fs/cgroup", "memory.max") : ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
      var group = String(parts[2])
      while true {
        let text = try? String(contentsOfFile: "\(root)\(group)/\(file)", encoding: .utf8)
        if let limit = text.flatMap({ Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }) {
          smallest = min(smallest, limit)
        }
        guard let slash = group.lastIndex(of: "/"), group.count > 1 else { break }
        group = slash == group.startIndex ? "/" : String(group[..<slash])
      }
    }
    return smallest
  }

  private static var addressLimit: Int {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    return Int(clamping: limit.rlim_cur)
  }

  private static var addressUse: Int { kilobytes("VmSize", in: "/proc/self/status") ?? 0 }
}

extension Configuration {
  /// Where ranks share memory, one copy of parameters and moments serves them all. All ranks or none: restoring a
  /// checkpoint is collective.
  func sharesParameters(_ topology: Topology) -> Bool {
    let isMeant = optimizer.sharding == .node || (optimizer.sharding == .auto && train.exchange != .messages)
    return isMeant && topology.nodes.contains { $0.count > 1 }
  }
}
