import Foundation
import Kernels
import Testing

@testable import Persistence

/// Saves a checkpoint whose three files hold `fill`, `size` bytes each.
func save(
  _ store: CheckpointStore, _ step: Int, fill: UInt8, size: Int = 1000, best: Bool = false, protecting: Set<Int> = []
) throws(Failure) {
  let content = [UInt8](repeating: fill, count: size)
  try content.withUnsafeBufferPointer { buffer throws(Failure) in
    let whole = UnsafeRawBufferPointer(buffer)
    let halves = [UnsafeRawBufferPointer(rebasing: whole[..<(size / 2)]), .init(rebasing: whole[(size / 2)...])]
    let files = ["model.safetensors", "optimizer.safetensors", "state.json"].map {
      CheckpointFile(name: $0, chunks: halves)
    }
    try store.save(step: step, files: files, best: best, protecting: protecting)
  }
}

private func link(_ path: String) -> String? {
  try? FileManager.default.destinationOfSymbolicLink(atPath: path)
}

@Suite struct CheckpointStoreTests {
  let scratch = Scratch()
  let directory: String

  init() {
    directory = scratch / "checkpoints"
  }

  private func store(keep: Int = 3) -> CheckpointStore { CheckpointStore(directory: directory, keep: keep) }

  @Test func savesVerifiesAndLinks() throws {
    let store = store()
    #expect(store.steps().isEmpty && store.best() == nil && store.newestValid(atMost: nil).step == nil)
    #expect(scratch.names().isEmpty, "made by the first save only")
    try save(store, 1200, fill: 1, best: true)
    try save(store, 2400, fill: 2)
    #expect(scratch.names("checkpoints") == ["best", "last", "step-00001200", "step-00002400"])
    let expected = ["SHA256SUMS", "model.safetensors", "optimizer.safetensors", "state.json"]
    #expect(scratch.names("checkpoints/step-00001200") == expected)
    #expect(bytes(of: directory + "/last/state.json") == [UInt8](repeating: 2, count: 1000))
    #expect(link(directory + "/best") == "step-00001200")
    #expect(store.steps() == [2400, 1200] && store.best() == 1200)
    #expect(store.path(step: 1200) == directory + "/step-00001200")
    try store.verify(step: 1200)
    #expect(self.store().best() == 1200, "read from the link by a new process")
  }

  @Test func sumsAreThoseOfSha256sum() throws {
    try save(store(), 1, fill: 65)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    process.currentDirectoryURL = URL(fileURLWithPath: directory + "/step-00000001")
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  @Test(
    arguments: [
      (1, [], [5, 2]), (2, [], [5, 4, 2]), (3, [], [5, 4, 3, 2]), (9, [], [5, 4, 3, 2, 1]), (0, [], [5, 2]),
      (1, [1, 3], [5, 3, 2, 1]),
    ] as [(Int, Set<Int>, [Int])])
  func prunes(keep: Int, protecting: Set<Int>, left: [Int]) throws {
    let store = store(keep: keep)
    for step in 1...5 { try save(store, step, fill: 0, best: step == 2, protecting: protecting) }
    #expect(store.steps() == left)
    #expect(!scratch.names("checkpoints").contains { $0.hasPrefix(".") })
  }

  /// After a rollback, the new step is lower than stale ones, and must not be removed when it is saved.
  @Test func neverPrunesWhatItJustSaved() throws {
    let store = store(keep: 1)
    try save(store, 900, fill: 0)
    try save(store, 500, fill: 1)
    #expect(store.steps() == [900, 500] && link(directory + "/last") == "step-00000500")
    try store.discard(above: 500)
    #expect(store.steps() == [500])
  }

  @Test(arguments: [true, false]) func replacesAStep(swap: Bool) throws {
    let store = store()
    store.canSwap = swap
    try save(store, 7, fill: 1)
    try save(store, 7, fill: 2, size: 2000)
    try store.verify(step: 7)
    #expect(bytes(of: store.path(step: 7) + "/state.json") == [UInt8](repeating: 2, count: 2000))
    #expect(scratch.names("checkpoints") == ["last", "step-00000007"])
  }

  @Test(arguments: ["file", "link"]) func replacesWhatIsInItsWay(kind: String) throws {
    mkdir(directory, 0o755)
    mkdir(scratch / "elsewhere", 0o755)
    put("x", scratch / "elsewhere/precious")
    if kind == "file" {
      put("x", directory + "/step-00000007")
    } else {
      #expect(symlink("../elsewhere", directory + "/step-00000007") == 0)
    }
    try save(store(), 7, fill: 1)
    try store().verify(step: 7)
    #expect(scratch.names("elsewhere") == ["precious"], "a link is removed, not what it points to")
  }

  @Test func listsOnlySteps() throws {
    let store = store()
    try save(store, 3, fill: 1)
    for name in [
      "step-4", "step-00000004x", "step--0000004", "step-+0000004", "step-00000000000000000004", "step-", ".old-",
      ".old-step-00000004", "step-99999999999999999999999", ".tmp-step-00000009", "Step-00000004", "notes",
    ] { mkdir(directory + "/" + name, 0o755) }
    #expect(store.steps() == [3])
    mkdir(directory + "/step-123456789", 0o755)
    #expect(store.steps() == [123_456_789, 3])
    #expect(store.newestValid(atMost: nil).step == 3)
  }

  @Test func limitsTheSearch() throws {
    let store = store(keep: 9)
    for step in [0, 10, 20, 30] { try save(store, step, fill: 1) }
    for (limit, expected) in [(nil, 30), (30, 30), (29, 20), (9, 0), (-1, nil)] as [(Int?, Int?)] {
      #expect(store.newestValid(atMost: limit).step == expected)
    }
  }

  // MARK: Damage

  static let files = ["model.safetensors", "optimizer.safetensors", "state.json", "SHA256SUMS"]

  @Test(arguments: files, ["flip", "cut", "grow", "remove", "link", "directory", "fifo"])
  func noticesDamage(file: String, kind: String) throws {
    let store = store()
    try save(store, 1, fill: 1)
    try save(store, 2, fill: 2)
    let path = store.path(step: 2) + "/" + file
    var content = bytes(of: path)
    switch kind {
    case "flip": content[content.count / 2] ^= 0x10
    case "cut": content.removeLast(7)
    case "grow": content.append(0)
    default: break
    }
    unlink(path)
    switch kind {
    case "remove": break
    case "link": #expect(symlink(file, path) == 0)
    case "directory": mkdir(path, 0o755)
    case "fifo": mkfifo(path, 0o600)
    default: put(content, path)
    }
    let failure = try #require(failure { () throws(Failure) in try store.verify(step: 2) })
    // With a changed digest in SHA256SUMS, the file that it belongs to is reported.
    #expect(failure.message.contains(file) || (file == "SHA256SUMS" && kind == "flip"), "\(failure)")
    let found = store.newestValid(atMost: nil)
    #expect(found.step == 1 && found.skipped.map(\.step) == [2] && found.skipped[0].reason == failure)
  }

  /// The checksums are cut at any byte, including ends of lines.
  @Test func noticesEveryCutOfTheSums() throws {
    let store = store()
    try save(store, 1, fill: 1)
    let path = store.path(step: 1) + "/SHA256SUMS"
    let whole = bytes(of: path)
    for length in 0..<whole.count {
      put(Array(whole[..<length]), path)
      #expect(throws: Failure.self) { try store.verify(step: 1) }
    }
    put(Array(whole.drop { $0 != 10 }.dropFirst()), path)
    try store.verify(step: 1)  // This is the format of sha256sum, without the comment.
  }

  @Test(arguments: [
    "../../../../../../etc/passwd", "/etc/passwd", "../step-00000001/state.json", "..", ".", "", "a/b", "SHA256SUMS",
    "x\\n", "absent", String(repeating: "x", count: 256), "outside", "*", "\u{1b}[2J",
  ])
  func refusesHostileNames(name: String) throws {
    let store = store()
    try save(store, 1, fill: 1)
    put("secret", scratch / "secret")
    #expect(symlink("../../secret", store.path(step: 1) + "/outside") == 0)
    let digest = SHA256()
    digest.update("secret")
    put(digest.finish() + "  " + name + "\n", store.path(step: 1) + "/SHA256SUMS")
    let failure = try #require(failure { () throws(Failure) in try store.verify(step: 1) })
    #expect(!failure.message.unicodeScalars.contains { $0.value < 0x20 })
    #expect(store.newestValid(atMost: nil).step == nil)
  }

  @Test(arguments: [
    "", "\n", "# 1 files\n", "# 0 files\n", "# -1 files\n", "# x files\n", "hello\n", "\0\0\0\n",
    String(repeating: "0", count: 64) + "\n", String(repeating: "g", count: 64) + "  state.json\n",
    String(repeating: "0", count: 64) + " state.json\n", String(repeating: "٣", count: 64) + "  state.json\n",
  ])
  func refusesSums(text: String) throws {
    let store = store()
    try save(store, 1, fill: 1)
    put(text, store.path(step: 1) + "/SHA256SUMS")
    let failure = try #require(failure { () throws(Failure) in try store.verify(step: 1) })
    #expect(failure.status == .badData && failure.message.contains("SHA256SUMS"))
  }

  @Test func refusesHugeSums() throws {
    let store = store()
    try save(store, 1, fill: 1)
    #expect(truncate(store.path(step: 1) + "/SHA256SUMS", 1 << 40) == 0)  // The file is sparse.
    #expect(throws: Failure.self) { try store.verify(step: 1) }
  }

  @Test func survivesLoopsOfLinks() throws {
    let store = store()
    try save(store, 1, fill: 1, best: true)
    for name in ["step-00000002", "best", "last", ".tmp-loop"] {
      unlink(directory + "/" + name)
      #expect(symlink(name, directory + "/" + name) == 0)
    }
    let fresh = self.store()
    #expect(fresh.best() == nil && fresh.newestValid(atMost: nil).step == 1)
    try save(fresh, 3, fill: 1, best: true)
    #expect(fresh.best() == 3 && link(directory + "/last") == "step-00000003")
  }

  @Test(arguments: ["../../../etc", "step-1", "step-00000009", String(repeating: "x", count: 200)])
  func distrustsTheBestLink(target: String) throws {
    try save(store(), 1, fill: 1)
    #expect(symlink(target, directory + "/best") == 0)
    #expect(store().best() == nil)
  }

  // MARK: Disk

  @Test func needsTheRunDirectory() throws {
    let store = CheckpointStore(directory: scratch / "gone/checkpoints", keep: 1)
    let error = try #require(failure { () throws(Failure) in try save(store, 1, fill: 1) })
    #expect(error.status == .cannotCreate && error.message.contains("gone/checkpoints"))
  }

  @Test func remakesACheckpointDirectoryThatVanished() throws {
    let store = store()
    try save(store, 1, fill: 1, best: true)
    try FileManager.default.removeItem(atPath: directory)
    #expect(store.steps().isEmpty && store.best() == nil)
    try save(store, 2, fill: 1)
    #expect(store.newestValid(atMost: nil).step == 2)
  }

  @Test func doesNotTakeAFileForAnEmptyDirectory() throws {
    #expect(symlink("checkpoints", directory) == 0)
    let found = store().newestValid(atMost: nil)
    #expect(found.step == nil && found.skipped.map(\.step) == [-1])
    #expect(throws: Failure.self) { try save(store(), 1, fill: 1) }
  }

  @Test(.enabled(if: isRoot, "mounting needs root")) func keepsTheOldOnesWhenTheDiskIsFull() throws {
    mkdir(directory, 0o755)
    guard let disk = SmallDisk(directory, kilobytes: 100) else { return }
    defer { disk.unmount() }
    let store = store(keep: 1)
    try save(store, 1, fill: 1, size: 10_000)
    let before = scratch.names("checkpoints")
    let error = try #require(failure { () throws(Failure) in try save(store, 2, fill: 2, size: 40_000) })
    #expect(error.status == .inputOutput && error.message.contains("No space left"))
    #expect(error.message.contains("step-00000002/") && error.hint?.contains("space") == true)
    #expect(scratch.names("checkpoints") == before, "nothing half-written stays")
    #expect(store.newestValid(atMost: nil).step == 1)
    try save(store, 3, fill: 3, size: 10_000)
    disk.makeReadOnly()
    let second = try #require(failure { () throws(Failure) in try save(store, 4, fill: 3) })
    #expect(second.status == .cannotCreate && second.message.contains("Read-only"))
    #expect(store.newestValid(atMost: nil).step == 3)
  }

  @Test func cleansUpAfterDeadWritersOnly() throws {
    let store = store()
    try save(store, 1, fill: 1)
    for (name, age) in [(".tmp-dead-1", 2000), (".tmp-alive-1", 0), (".tmp-busy-1", 2000)] {
      let path = directory + "/" + name
      mkdir(path, 0o755)
      put("x", path + "/model.safetensors")
      let then = timeval(tv_sec: time(nil) - age, tv_usec: 0)
      #expect(name == ".tmp-busy-1" || utimes(path + "/model.safetensors", [then, then]) == 0)
      #expect(utimes(path, [then, then]) == 0)
    }
    try FileManager.default.copyItem(atPath: store.path(step: 1), toPath: directory + "/.old-step-00000001-abc")
    try FileManager.default.copyItem(atPath: store.path(step: 1), toPath: directory + "/.old-step-00000009-abc")
    #expect(store.steps() == [9, 1], "moved aside by a writer that died before the next call")
    try store.verify(step: 9)
    try save(store, 2, fill: 1)
    #expect(
      scratch.names("checkpoints") == [
        ".old-step-00000009-abc", ".tmp-alive-1", ".tmp-busy-1", "last", "step-00000001", "step-00000002",
      ])
  }

  @Test func isFast() throws {
    let store = store()
    var times: [Duration] = []
    for step in 1...20 {
      times.append(try ContinuousClock().measure { try save(store, step, fill: UInt8(step), size: 2_620_000) })
    }
    let verification = try ContinuousClock().measure { try store.verify(step: 20) }
    times.sort()
    print("3 x 2.62 MB: saved in \(times[10]) (median; worst \(times[19])), verified in \(verification)")
    #expect(times[10] < .seconds(5))
  }
}
