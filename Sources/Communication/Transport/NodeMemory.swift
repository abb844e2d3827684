import CMPIShim
import Kernels

/// Memory that the ranks of a node share (an MPI-3 window), in one part for each; a rank that stands alone has its own.
package final class NodeMemory {
  /// The parts of the node's ranks, each at a 64-byte boundary and zeroed, with 64 readable bytes behind it.
  package let parts: [UnsafeMutableRawPointer]
  private var window: OpaquePointer?
  private var own: UnsafeMutablePointer<UInt8>?

  /// Collective over the node. - bytes: of this rank's part.
  package init(_ topology: Topology, bytes: Int) throws(Failure) {
    guard let memory = topology.memory else {
      let own = Buffer.allocate(UInt8.self, count: bytes)
      self.own = own
      parts = [UnsafeMutableRawPointer(own)]
      return
    }
    var window: OpaquePointer?
    var mine: UnsafeMutableRawPointer?
    try Communicator.check(
      vd_mpi_window(memory, UInt64(bytes + 64), &window, &mine), "allocating \(bytes) bytes of shared memory")
    var parts = [UnsafeMutableRawPointer]()
    for neighbour in topology.neighbours.indices {
      var base: UnsafeMutableRawPointer?
      try Communicator.check(
        vd_mpi_window_of(window, Int32(neighbour - topology.neighbours.lowerBound), &base),
        "finding a neighbour's memory")
      guard let base else { throw Failure(.failure, "MPI gave no address for rank \(neighbour)'s shared memory") }
      parts.append(base)
    }
    self.parts = parts
    self.window = window
  }

  /// Gives the memory back; collective over the node, and nothing may use the parts after it. Without it, after a
  /// failure, they stay: messages may still come.
  package func close() {
    if let window { vd_mpi_window_free(window) }
    own?.deallocate()
    (window, own) = (nil, nil)
  }
}
