import CMPIShim

/// Which ranks of a node the others wait for; read by the watchdog's thread, so with nothing but atomic loads.
struct Stragglers: @unchecked Sendable {
  /// Of each rank of the node: finished buckets, stage. They only grow.
  let counters: [UnsafeMutablePointer<UInt64>]
  /// The node's first rank.
  let first: Int

  var ranks: [Int] {
    let states = counters.map { vd_counter_read($0) &+ vd_counter_read($0 + 1) }
    return states.indices.filter { states[$0] < states.max() ?? 0 }.map { $0 + first }
  }
}
