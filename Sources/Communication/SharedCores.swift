import CMPIShim
import Kernels

extension Communicator {
  /// Ranks that may run on the cores that this one may run on, itself included. Collective.
  package func ranksSharingCores() throws(Failure) -> Int {
    var mask = [UInt8](repeating: 0, count: 1024)
    vd_core_mask(&mask, mask.count)
    let host = Array(Launcher.hostName.utf8)
    return try gather(mask + host).count { other in
      other.dropFirst(mask.count).elementsEqual(host) && zip(mask, other).contains { $0 & $1 != 0 }
    }
  }
}
