import CMPIShim
import Kernels

/// Memory that the ranks of a node share (an MPI-3 window), with a part for each rank. A single rank has private
/// memory.
package final class NodeMemory {
  /// The part of each rank of the node. Parts are aligned to 64 bytes, are zeroed, and are followed by 64 readable
  /// bytes.
  package let parts: [UnsafeMutableRawPointer]
  private var window: OpaquePointer?
  private var own: UnsafeMutablePointer<UInt8>?

  /// Allocates the memory. Collective over the node.
  ///
  /// - bytes: number of bytes of this rank's part.
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

  /// Frees the memory; the parts must not be used any more. Collective over the node. After a failure it must not be
  /// called: messages may still arrive in the parts, which are then never freed.
  package func close() {
    if let window { vd_mpi_window_free(window) }
    own?.deallocate()
    (window, own) = (nil, nil)
  }
}
