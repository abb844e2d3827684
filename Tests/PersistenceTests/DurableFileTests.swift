import Foundation
import Kernels
import Testing

@testable import Persistence

@Suite struct DurableFileTests {
  let scratch = Scratch()

  @Test func writesAndReplacesWithoutLeavingAnything() throws {
    let path = scratch / "status.json"
    try DurableFile.write("one", to: path)
    chmod(path, 0o640)
    try [UInt8]("two, ".utf8).withUnsafeBytes { a in
      try [UInt8]("and three".utf8).withUnsafeBytes { b in
        try DurableFile.write([a, UnsafeRawBufferPointer(start: nil, count: 0), b], to: path)
      }
    }
    #expect(String(decoding: bytes(of: path), as: UTF8.self) == "two, and three")
    #expect(scratch.names() == ["status.json"])
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o640, "the mode is kept")
  }

  @Test func writesThroughALink() throws {
    put("old", scratch / "real")
    #expect(symlink("real", scratch / "link") == 0)
    try DurableFile.write("new", to: scratch / "link")
    #expect(bytes(of: scratch / "real") == Array("new".utf8))
    #expect(scratch.names() == ["link", "real"])
  }

  @Test(arguments: [
    ("absent/file", Failure.Status.cannotCreate), ("file/below", .cannotCreate), ("", .cannotCreate),
    ("directory", .cannotCreate), ("directory/", .cannotCreate),
    (String(repeating: "x", count: 300), .cannotCreate), ("loop/file", .cannotCreate),
  ])
  func failsWithStatus(name: String, status: Failure.Status) throws {
    put("kept", scratch / "file")
    #expect(mkdir(scratch / "directory", 0o755) == 0 && symlink("loop", scratch / "loop") == 0)
    let before = scratch.names()
    let error = try #require(failure { () throws(Failure) in try DurableFile.write("x", to: scratch / name) })
    #expect(error.status == status && error.message.contains(scratch / name), "\(error)")
    #expect(!error.message.contains(".tmp-"), "the user knows no temporary")
    #expect(scratch.names() == before && scratch.names("directory").isEmpty)
    #expect(bytes(of: scratch / "file") == Array("kept".utf8))
  }

  /// Other things in place of a file are not replaced, and a write does not wait for the reader of a FIFO.
  @Test(.timeLimit(.minutes(10)), arguments: ["fifo", "/dev/full", "link"])
  func refusesWhatIsNoFile(name: String) throws {
    #expect(mkfifo(scratch / "fifo", 0o600) == 0 && symlink("/dev/null", scratch / "link") == 0)
    let path = name.hasPrefix("/") ? name : scratch / name
    let error = try #require(failure { () throws(Failure) in try DurableFile.write("x", to: path) })
    #expect(error.status == .cannotCreate && error.message.contains("\(path) is not a regular file"), "\(error)")
    let log = try #require(failure { () throws(Failure) in _ = try LineLog(path: path) })
    #expect(log.status == .cannotCreate && log.message.contains("\(path) is not a regular file"), "\(log)")
    #expect(scratch.names() == ["fifo", "link"])
  }

  @Test(.enabled(if: isRoot, "mounting needs root")) func leavesTheOldFileWhenTheDiskIsFull() throws {
    guard let disk = SmallDisk(scratch / "disk", kilobytes: 64) else { return }
    defer { disk.unmount() }
    let path = disk.path + "/file"
    try DurableFile.write("old", to: path)
    let large = [UInt8](repeating: 1, count: 1 << 20)
    let error = try #require(failure { () throws(Failure) in try DurableFile.write(large, to: path) })
    #expect(error.status == .inputOutput && error.message.contains(path) && error.hint?.contains("space") == true)
    #expect(bytes(of: path) == Array("old".utf8))
    #expect(scratch.names("disk") == ["file"])
    disk.makeReadOnly()
    let second = try #require(failure { () throws(Failure) in try DurableFile.write("x", to: path) })
    #expect(second.status == .cannotCreate && second.message.contains("Read-only"))
  }
}

@Suite struct LineLogTests {
  let scratch = Scratch()

  @Test func appendsAcrossReopening() throws {
    let path = scratch / "metrics.jsonl"
    try LineLog(path: path).append("one")
    let log = try LineLog(path: path)
    try log.append("two")
    try log.append("")
    #expect(String(decoding: bytes(of: path), as: UTF8.self) == "one\ntwo\n\n", "each line is there at once")
  }

  @Test func doesNotJoinHalfALine() throws {
    let path = scratch / "metrics.jsonl"
    put("whole\nhal", path)
    let log = try LineLog(path: path)
    try log.append("next")
    try log.append("last")
    #expect(String(decoding: bytes(of: path), as: UTF8.self) == "whole\nhal\nnext\nlast\n")
  }

  @Test(arguments: [
    ("1\n2\n3\n", "1\n3\n"), ("2\n", ""), ("", ""), ("1\n3\n", "1\n3\n"), ("1\n\n2", "1\n"), ("\n2\n4", "4\n"),
  ])
  func cutsBack(before: String, after: String) throws {
    let path = scratch / "metrics.jsonl"
    put(before, path)
    let log = try LineLog(path: path)
    try log.truncate { $0 != "2" }
    #expect(String(decoding: bytes(of: path), as: UTF8.self) == after)
    try log.append("more")
    #expect(String(decoding: bytes(of: path), as: UTF8.self) == after + "more\n", "it appends to the new file")
    #expect(scratch.names() == ["metrics.jsonl"])
  }

  @Test func keepsBytesThatAreNotText() throws {
    let path = scratch / "metrics.jsonl"
    put([0xFF, 0xFE, 10, 50, 10], path)
    try LineLog(path: path).truncate { $0 != "2" }
    #expect(bytes(of: path) == [0xFF, 0xFE, 10])
  }

  @Test(.enabled(if: isRoot, "mounting needs root")) func takesBackHalfALineWhenTheDiskIsFull() throws {
    guard let disk = SmallDisk(scratch / "disk", kilobytes: 64) else { return }
    defer { disk.unmount() }
    let path = disk.path + "/metrics.jsonl"
    let log = try LineLog(path: path)
    try log.append("first")
    let long = String(repeating: "x", count: 1 << 18)
    let error = try #require(failure { () throws(Failure) in try log.append(long) })
    #expect(error.status == .inputOutput && error.message.contains(path))
    try log.append("second")
    #expect(String(decoding: bytes(of: path), as: UTF8.self) == "first\nsecond\n")
  }

  @Test func needsItsDirectory() throws {
    let error = try #require(failure { () throws(Failure) in _ = try LineLog(path: scratch / "no/log") })
    #expect(error.status == .cannotCreate && error.message.contains(scratch / "no/log"))
  }
}
