import Communication
import RunConfiguration
import Data
import Foundation
import Kernels
import Settings
import VAE

/// Number of bytes that training allocates on a rank, excluding the program and the rank's share of the data. It is
/// computed before anything is allocated.
package struct MemoryNeed: Sendable {
  /// Parameters and optimiser state. If the ranks of a node share them, this is the rank's part of the shared copy plus
  /// the initial values, which every rank draws itself. Rank 0 also needs buffers for the parameters whose layout is
  /// changed for a checkpoint.
  let parameters: Int
  /// Buffers of the gradient sums, of the exchange between nodes, and of the search for a non-finite value.
  let gradients: Int
  /// Three microbatches: the current one, the one loaded ahead, and one for validation.
  let batches: Int
  let graphs: Int
  /// The part of the total that is shared memory of all ranks of this rank's node.
  package let window: Int
  private let ranks: Int
  private let nodes: Int
  package var bytes: Int { parameters + gradients + batches + graphs }

  /// Computes the memory need of this rank.
  package init(
    _ configuration: Configuration, _ autoencoder: VariationalAutoencoder, _ plan: BatchPlan,
    _ communicator: Communicator
  ) throws(Failure) {
    let topology = communicator.topology
    let neighbours = topology.neighbours.count
    let count = autoencoder.store.count, buffer = count * MemoryLayout<Float>.stride
    let exchange = ExchangeMemory(
      tree: ReductionTree(leaves: plan.slots, ranks: communicator.size), count: count, rowWidth: StepRow.width,
      route: configuration.train.exchange, wire: configuration.train.wire, nodes: topology.nodes,
      rank: communicator.rank)
    let isShared = configuration.sharesParameters(topology)
    let buffers = try 1 + configuration.optimizerSettings.buffers
    let turned = communicator.isRoot ? buffers * autoencoder.store.turnedCount * MemoryLayout<Float>.stride : 0
    parameters = (isShared ? buffer + buffers * buffer / neighbours : buffers * buffer) + turned
    gradients = exchange.own + exchange.window / neighbours + buffer
    let width = autoencoder.elements, binarize = configuration.data.binarize
    let microbatch = (width + autoencoder.condition) * plan.microbatch * MemoryLayout<Float>.stride
    batches =
      2 * (microbatch + BatchAssembler.bytes(rows: plan.microbatch, elements: width, binarize: binarize))
      + BatchAssembler.bytes(rows: Validator.chunk, elements: width, binarize: binarize)
    let hasPictures = communicator.isRoot && configuration.monitor.picturesEvery > 0
    graphs =
      autoencoder.elboBytes(batch: plan.microbatch, gradients: true)
      + autoencoder.elboBytes(batch: Validator.chunk, gradients: false)
      + (hasPictures
        ? autoencoder.generationBytes(batch: LatentDecoder.rows, from: .latents, [.mean])
          + autoencoder.generationBytes(batch: LatentDecoder.rows, from: .prior, [.z])
          + PictureMaker.bytes(
            elements: width, latent: autoencoder.latent, classes: autoencoder.condition)
          + ShownSamples.mostBytes(elements: width, latent: autoencoder.latent) : 0)
    window = exchange.window + (isShared && neighbours > 1 ? buffers * buffer : 0)
    ranks = topology.machineSize
    nodes = (topology.machineSize + neighbours - 1) / neighbours
  }

  /// Number of bytes that this machine can give to its processes.
  package static var available: Int { min(free, groupLimit) }

  /// Checks that the machine has enough memory, so that the run is not killed for lack of it later.
  ///
  /// - Throws: `Failure` if memory or shared memory does not suffice.
  func requireFit() throws(Failure) {
    try MemoryNeed.requireRoom(
      for: bytes, what: "this training", ranks: ranks,
      details: "graphs \(graphs, .memory), parameters and moments \(parameters, .memory), "
        + "gradients \(gradients, .memory), microbatches \(batches, .memory)",
      hint: "use a smaller --microbatch, a smaller model, or fewer ranks on the machine")
    if window > 0, let shortage = SharedMemory.shortage(of: nodes * window) { throw shortage }
  }

  /// Checks that this machine has room for `ranks` processes of `bytes` each.
  ///
  /// - Throws: `Failure` with the status `badConfiguration` if memory or the address-space limit does not suffice.
  package static func requireRoom(
    for bytes: Int, what: String, ranks: Int, details: String, hint: String
  ) throws(Failure) {
    let (machine, overflow) = bytes.multipliedReportingOverflow(by: ranks)
    let available = MemoryNeed.available
    guard !overflow, machine <= available else {
      throw Failure(
        .badConfiguration,
        "\(what) needs \(bytes, .memory) for a rank, and \(ranks) of them run on a machine "
          + "with \(available, .memory) available (\(details))",
        hint: hint)
    }
    let (limit, used) = (MemoryNeed.addressLimit, MemoryNeed.addressUse)
    guard bytes <= limit - used else {
      throw Failure(
        .badConfiguration,
        "\(what) needs \(bytes, .memory) for a rank in addition to \(used, .memory) in use, and the "
          + "limit of a process is \(limit, .memory)",
        hint: "raise the limit (ulimit -v); or \(hint)")
    }
  }

  // MARK: Available memory

  /// Value of a field in a file of /proc, converted from kB to bytes; nil if it cannot be read.
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

  /// The smallest memory limit of this process's control groups, version 1 or 2.
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
  /// Whether the ranks of a node share one copy of parameters and optimiser state. All ranks must agree, because
  /// restoring a checkpoint is collective.
  func sharesParameters(_ topology: Topology) -> Bool {
    let isMeant = optimizer.sharding == .node || (optimizer.sharding == .auto && train.exchange != .messages)
    return isMeant && topology.nodes.contains { $0.count > 1 }
  }
}
