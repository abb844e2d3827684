import Training
import Foundation
import Glibc
import Kernels
import Persistence
import Settings

/// Checks whether a directory is suitable for checkpoints: its file system, its free space, and the time to write a
/// file durably.
package enum RunPlace {
  /// Checks the directory. It writes small files in the same way as checkpoints and removes them.
  ///
  /// - Parameter checkpointBytes: Total size of the checkpoints that are kept at the same time.
  package static func findings(_ path: String, checkpointBytes: Int) -> [Finding] {
    let place = existing(path)
    let system = FileSystem(place)
    let name = place == path ? path : "\(path) (to be made in \(place))"
    var findings = [kind(system, name)]
    let need = UInt64(checkpointBytes)
    let room = "\(system.free, .bytes) free, checkpoints need about \(need, .bytes)"
    findings.append(
      system.free >= need
        ? .ok("space", room)
        : Finding(.problem, "space", "\(name): \(room)", advice: "free some space, or choose another --run"))
    findings.append(writing(place, name))
    return findings
  }

  private static func kind(_ system: FileSystem, _ name: String) -> Finding {
    if system.kind == "tmpfs" || system.kind == "ramfs" {
      return Finding(
        .warning, "file-system", "\(name) is on \(system.kind), so its files are lost when the machine stops",
        advice: "keep runs on a disk")
    }
    guard system.isNetwork else { return .ok("file-system", "\(name) is on \(system.kind)") }
    return .ok(
      "file-system",
      "\(name) is on \(system.kind), a network file system: only rank 0 writes there, by rename and fsync")
  }

  private static func writing(_ place: String, _ name: String) -> Finding {
    let file = "\(place)/.vae-dist-doctor-\(getpid())"
    defer { unlink(file) }
    var seconds = [Double]()
    for _ in 0..<5 {
      let began = ContinuousClock.now
      do {
        try DurableFile.write([UInt8](repeating: 0, count: 4096), to: file)
      } catch {
        return Finding(.problem, "writing", error.message, advice: error.hint ?? "choose another --run")
      }
      seconds.append((ContinuousClock.now - began) / .seconds(1))
    }
    let typical = seconds.sorted()[2]
    let text =
      "\(name): writing, flushing and renaming a small file takes \(typical * 1_000, .fixed(1)) ms"
    guard typical > 0.25 else { return .ok("writing", text) }
    return Finding(
      .warning, "writing", text,
      advice: "a checkpoint is about six such files: write fewer checkpoints, or choose a faster disk")
  }

  /// The path or its nearest parent directory that exists.
  private static func existing(_ path: String) -> String {
    var place = path
    while !FileManager.default.fileExists(atPath: place) {
      let above = (place as NSString).deletingLastPathComponent
      if above.isEmpty { return "." }
      if above == place { break }
      place = above
    }
    return place
  }
}
