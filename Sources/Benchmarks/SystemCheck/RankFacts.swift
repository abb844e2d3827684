import Training
import Communication
import Foundation
import Kernels

/// Facts about a rank's environment, which are gathered from all ranks and checked together.
package struct RankFacts: Codable, Equatable, Sendable {
  package var placement: Placement
  /// Description of the library for matrix products, and of the kernels that OpenBLAS selects.
  package var products: String
  package var openBLAS: String
  /// Value of OPENBLAS_CORETYPE; nil if it is not set.
  package var forcedCore: String?
  package var cpuLevel: Int
  package var sharedMemory: FileSystem
  /// Bytes that training needs on this rank, bytes of shared memory that it needs on its node, and bytes that the
  /// machine has available.
  package var memoryNeed: Int
  package var windowNeed: Int
  package var memoryAvailable: Int
  /// Limits in bytes; nil if there is no limit.
  package var lockedMemory: UInt64?
  package var addressSpace: UInt64?
  /// Seconds from the start of the process until all ranks were connected.
  package var startSeconds: Double
  /// Seconds since 1970, read immediately after a barrier.
  package var clock: Double
  package var hasInfiniBand: Bool

  /// Gathers the facts of all ranks. Collective.
  ///
  /// - Parameters:
  ///   - library: The library for matrix products that training would use.
  ///   - threads: The number of threads per rank that training would use.
  package static func gather(
    _ communicator: Communicator, library: Products.Library, threads: Int, need: MemoryNeed, sharedMemory: String,
    startSeconds: Double
  ) throws(Failure) -> [RankFacts] {
    let placements = try communicator.placements()
    let environment = ProcessInfo.processInfo.environment
    try Products.select(.openblas, threads: threads)
    let openBLAS = Products.description
    try communicator.together { () throws(Failure) in try Products.select(library, threads: threads) }
    try communicator.barrier()
    let clock = Date().timeIntervalSince1970
    return try communicator.gatherCodable(
      RankFacts(
        placement: placements[communicator.rank], products: Products.description, openBLAS: openBLAS,
        forcedCore: environment["OPENBLAS_CORETYPE"].flatMap { $0.isEmpty ? nil : $0 }, cpuLevel: Int(vd_cpu_level()),
        sharedMemory: FileSystem(sharedMemory), memoryNeed: need.bytes, windowNeed: need.window,
        memoryAvailable: MemoryNeed.available, lockedMemory: limit(Int32(__RLIMIT_MEMLOCK.rawValue)),
        addressSpace: limit(Int32(RLIMIT_AS.rawValue)), startSeconds: startSeconds, clock: clock,
        hasInfiniBand: FileManager.default.fileExists(atPath: "/sys/class/infiniband")))
  }

  private static func limit(_ resource: Int32) -> UInt64? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(UInt32(resource)), &limit) == 0, limit.rlim_cur != rlim_t.max else {
      return nil
    }
    return UInt64(limit.rlim_cur)
  }

  /// Seconds since this process was started, according to the kernel; 0 if unknown.
  package static func secondsSinceStart() -> Double {
    guard let stat = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
      let uptime = try? String(contentsOfFile: "/proc/uptime", encoding: .utf8),
      let now = uptime.split(separator: " ").first.flatMap({ Double($0) }),
      let rest = stat.split(separator: ")").last
    else { return 0 }
    // The start time is field 22 of /proc/self/stat, the 20th after the process name in parentheses.
    let fields = rest.split(separator: " ")
    guard fields.count > 19, let ticks = Double(fields[19]) else { return 0 }
    return max(0, now - ticks / Double(sysconf(Int32(_SC_CLK_TCK))))
  }
}

/// Type and size of the file system that contains a path.
package struct FileSystem: Codable, Equatable, Sendable {
  package var path: String
  /// Type as in /proc/self/mounts: ext4, tmpfs, nfs4, lustre, ...
  package var kind: String
  package var size: UInt64
  package var free: UInt64

  package init(path: String, kind: String, size: UInt64, free: UInt64) {
    (self.path, self.kind, self.size, self.free) = (path, kind, size, free)
  }

  /// Reads the values of the file system that contains `path`. Sizes are 0 if they cannot be read.
  package init(_ path: String) {
    var status = statvfs()
    let isThere = statvfs(path, &status) == 0
    self.init(
      path: path, kind: FileSystem.kind(of: path),
      size: isThere ? UInt64(status.f_blocks) * UInt64(status.f_frsize) : 0,
      free: isThere ? UInt64(status.f_bavail) * UInt64(status.f_frsize) : 0)
  }

  package var isNetwork: Bool {
    ["nfs", "nfs4", "cifs", "smb3", "9p", "afs"].contains(kind) || kind.hasPrefix("fuse")
  }

  /// Type of the file system with the longest mount point that contains the path. If there are several, the last one
  /// counts, because it hides those that were mounted before.
  private static func kind(of path: String) -> String {
    let real = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
    var best = (point: "", kind: "unknown")
    for line in mounts.split(separator: "\n") {
      let fields = line.split(separator: " ").map(String.init)
      guard fields.count > 2 else { continue }
      let point = fields[1].replacingOccurrences(of: "\\040", with: " ")
      let isAbove = real == point || real.hasPrefix(point == "/" ? "/" : point + "/")
      if isAbove, point.count >= best.point.count { best = (point, fields[2]) }
    }
    return best.kind
  }
}
