import Glibc

/// The machine that a process runs on.
package enum Machine {
  /// The host name. ProcessInfo.hostName is not used because it queries name servers.
  package static var name: String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    return name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }
}
