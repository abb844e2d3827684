import Foundation
import Kernels
import TestSupport
import Testing

@testable import Data

/// Opens, prepares, checks and reads a source like a run, up to the first failure.
func useEverything(_ path: String) throws(Failure) {
  let split = try openData(path, validation: nil)
  for data in [split.train, split.valid] {
    try data.prepare(0..<data.count)
    try data.check(0..<data.count)
    _ = try data.moments(of: 0..<min(data.count, 64))
    _ = data.label(at: 0)
  }
}

@Suite struct HostileTests {
  @Test("Every hostile file leads to a failure that names it")
  func hostile() throws {
    let scratch = try Scratch()
    let files = try hostileFiles(in: scratch.path)
    #expect(files.count >= 100 && Set(files.map(\.path)).count == files.count)
    for file in files {
      do {
        try useEverything(file.path)
        Issue.record("\(file.name): accepted")
      } catch let failure {
        #expect(failure.status.rawValue == file.status, "\(file.name): \(failure)")
        #expect(failure.message.contains(file.path), "\(file.name): \(failure)")
        #expect(failure.description.utf8.count < 1500, "\(file.name): \(failure)")
        #expect(failure.description.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0a }, "\(file.name)")
      }
    }
  }

  @Test("Strings that are not valid paths are refused", arguments: ["", "a\0b", "/sys", "digits ", "\u{1b}[2J"])
  func paths(spec: String) {
    #expect { try openData(spec, validation: nil) } throws: { ($0 as? Failure)?.status == .missingInput }
  }

  @Test(
    "The hostile files are written for other programs",
    .enabled(if: ProcessInfo.processInfo.environment["VAE_DIST_WRITE_HOSTILE"] != nil))
  func writeHostile() throws {
    let folder = try #require(ProcessInfo.processInfo.environment["VAE_DIST_WRITE_HOSTILE"])
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let lines = try hostileFiles(in: folder).map { "\($0.status)\t\($0.path)\t\($0.name)\n" }
    try writeFile(Array(lines.joined().utf8), at: "\(folder)/list.tsv")
  }

  static let valid: [(file: String, bytes: [UInt8])] = {
    let bytes = (0..<240).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let images = idx(8, [20, 3, 4], bytes)
    let floats = npy("<f4", [15, 4], words((0..<60).map { Float($0).bitPattern }))
    let columns = npy(">i2", [12, 10], fortran: true, bytes)
    let labels = npy("<i8", [12], words([Int64](0..<12)))
    let table = "speed,pressure,flow\n" + (0..<40).map { "\($0),\(Double($0) / 7),-\($0)e-3\n" }.joined()
    return [
      ("i.idx", images), ("i.idx.gz", gzip(images)), ("f.npy", floats), ("c.npy", columns),
      ("d.npz", zip([ZipMember(name: "X.npy", data: columns), ZipMember(name: "y.npy", data: labels)])),
      ("s.npz", zip([ZipMember(name: "X.npy", data: floats, method: 0)])), ("t.csv", Array(table.utf8)),
    ]
  }()

  @Test("A mutated file does not crash the reader", arguments: 0..<7)
  func mutations(number: Int) throws {
    let scratch = try Scratch()
    let (file, original) = Self.valid[number]
    try useEverything(scratch.write(file, original))
    var generator = SplitMix(state: UInt64(number))
    var (accepted, refused) = (0, 0)
    for _ in 0..<2000 {
      let path = try scratch.write(file, mutated(original, &generator))
      do {
        try useEverything(path)
        accepted += 1
      } catch let failure {
        #expect(failure.message.contains(path) && [.badData, .missingInput].contains(failure.status), "\(failure)")
        refused += 1
      }
    }
    #expect(accepted + refused == 2000 && refused > 100)
  }
}
