import CMPIShim

/// Finds the ranks of a node that the others wait for. It is read by the watchdog's thread and uses atomic loads only.
struct Stragglers: @unchecked Sendable {
  /// The counters of each rank of the node: the number of finished buckets, then the stage. They never decrease.
  let counters: [UnsafeMutablePointer<UInt64>]
  /// The first rank of the node.
  let first: Int

  var ranks: [Int] {
    let states = counters.map { vd_counter_read($0) &+ vd_counter_read($0 + 1) }
    return states.indices.filter { states[$0] < states.max() ?? 0 }.map { $0 + first }
  }
}
