import Foundation
import Kernels
import Testing

@testable import Persistence

/// A directory that is removed with its contents when the test ends.
final class Scratch {
  let path: String

  init() {
    path = FileManager.default.temporaryDirectory.path + "/vae-dist-test-\(UUID().uuidString)"
    try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    chmod(path, 0o755)
    try? FileManager.default.removeItem(atPath: path)
  }

  static func / (scratch: Scratch, name: String) -> String { scratch.path + "/" + name }

  func names(_ directory: String = "") -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path + "/" + directory)) ?? []).sorted()
  }
}

func bytes(of path: String) -> [UInt8] {
  FileManager.default.contents(atPath: path).map(Array.init) ?? []
}

func put(_ bytes: [UInt8], _ path: String) {
  #expect(FileManager.default.createFile(atPath: path, contents: Data(bytes)), "\(path)")
}

func put(_ text: String, _ path: String) {
  put(Array(text.utf8), path)
}

/// Returns the `Failure` that the call throws. If it throws none, it returns nil and records an issue.
func failure(_ call: () throws(Failure) -> Void, sourceLocation: SourceLocation = #_sourceLocation) -> Failure? {
  do throws(Failure) {
    try call()
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    return nil
  } catch {
    return error
  }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): fixed seeds for fuzzing.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

let isRoot = geteuid() == 0
let fixtures = Posix.split(#filePath).directory + "/Fixtures/"

/// A small tmpfs. Is nil if it cannot be mounted, as by the root of an unprivileged container.
struct SmallDisk {
  let path: String

  init?(_ path: String, kilobytes: Int) {
    self.path = path
    mkdir(path, 0o755)
    guard mount("tmpfs", path, "tmpfs", 0, "size=\(kilobytes)k") == 0 else { return nil }
  }

  func makeReadOnly() {
    #expect(mount("tmpfs", path, "tmpfs", UInt(MS_RDONLY) | UInt(MS_REMOUNT), nil) == 0)
  }

  func unmount() { umount2(path, Int32(MNT_DETACH)) }
}
