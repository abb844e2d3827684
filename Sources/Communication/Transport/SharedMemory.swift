import Foundation
import Kernels

/// The node's shared memory, which is a file system of limited size: more than fits ends in SIGBUS when it is touched.
package enum SharedMemory {
  /// Where Open MPI puts the memory of a window.
  private static var directory: String {
    ProcessInfo.processInfo.environment["OMPI_MCA_osc_sm_backing_directory"] ?? "/dev/shm"
  }

  /// Why a window of so many bytes, over all ranks of the node, would not fit; nil when it does.
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
