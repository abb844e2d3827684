import Foundation
import Kernels

/// The shared memory of a node. It is a file system of limited size, and touching memory beyond its limit raises
/// SIGBUS.
package enum SharedMemory {
  /// The directory in which Open MPI creates the memory of a window.
  private static var directory: String {
    ProcessInfo.processInfo.environment["OMPI_MCA_osc_sm_backing_directory"] ?? "/dev/shm"
  }

  /// Returns the failure if a window of `bytes` bytes in total over the ranks of a node does not fit; nil if it fits.
  package static func shortage(of bytes: Int) -> Failure? {
    var space = statvfs()
    guard statvfs(directory, &space) == 0, space.f_blocks > 0 else { return nil }
    let (free, overflow) = UInt(space.f_bavail).multipliedReportingOverflow(by: UInt(space.f_frsize))
    guard !overflow, UInt(bytes) > free else { return nil }
    func mebibytes(_ bytes: UInt) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }
    return Failure(
      .badConfiguration,
      "the shared memory for gradients needs \(mebibytes(UInt(bytes))), and \(directory) has \(free >> 20) MiB free",
      hint: "enlarge it (in a container: --shm-size \(mebibytes(2 * UInt(bytes)).filter(\.isNumber))m), "
        + "or set train.exchange=messages")
  }
}
