import Foundation
import Kernels
import TestSupport
import Testing

@testable import Data

/// A record: a label and three planes. Pixel i has red i, green i + 1, blue i + 2 (modulo 256), plus `shift`.
private func record(_ label: UInt8, shift: Int = 0) -> [UInt8] {
  [label] + (0..<3).flatMap { plane in (0..<1024).map { UInt8(truncatingIfNeeded: $0 + plane + shift) } }
}

@Suite struct CIFARTests {
  @Test("The planes of a CIFAR-10 file become pixels, and its labels are classes")
  func file() throws {
    let scratch = try Scratch()
    let path = try scratch.write("x.bin", record(3) + record(9, shift: 7))
    let opened = try open(spec: path)
    let data = Dataset(opened.train.source, RowMap(rows: opened.train.rows, part: .all))
    try data.prepare(0..<2)
    #expect(data.count == 2 && data.shape == .image(height: 32, width: 32, channels: 3))
    let expected = (0..<1024).flatMap { i in (0..<3).map { Float((i + $0 + 7) % 256) } }
    #expect(try filled(data, [1]) == expected)
    #expect(data.label(at: 0) == 3 && data.label(at: 1) == 9 && data.classNames?[9] == "truck")
  }

  @Test("The batches of a CIFAR-10 folder follow each other, and the test batch is held out")
  func folder() throws {
    let scratch = try Scratch()
    _ = try scratch.write("data_batch_1.bin", record(0) + record(1, shift: 1))
    _ = try scratch.write("data_batch_2.bin", record(2, shift: 2))
    _ = try scratch.write("data_batch_3.bin", record(3, shift: 3) + record(4, shift: 4))
    let alone = try openData(scratch.path, validation: "0.4")
    #expect(alone.train.count == 3 && alone.valid.count == 2)
    _ = try scratch.write("test_batch.bin", record(5, shift: 5))
    let split = try openData(scratch.path + "/", validation: nil)
    try split.prepare(train: 0..<5, valid: 0..<1)
    #expect(try (0..<5).map { try filled(split.train, [$0])[0] } == [0, 1, 2, 3, 4])
    #expect((0..<5).map { split.train.label(at: $0) } == [0, 1, 2, 3, 4])
    #expect(try filled(split.valid, [0])[0] == 5 && split.valid.label(at: 0) == 5)
  }

  @Test("Files that are not CIFAR-10 are refused with their name")
  func refused() throws {
    let scratch = try Scratch()
    for (bytes, words) in [
      (Array(record(1).dropLast()), "no whole number"), (record(1) + [0], "no whole number"),
      (Array((record(1) + [0]).prefix(3074)), "no whole number"),
    ] {
      let path = try scratch.write("x.bin", bytes)
      #expect { try openData(path, validation: nil) } throws: {
        ($0 as? Failure)?.status == .badData && "\($0)".contains(words) && "\($0)".contains(path)
      }
    }
    let path = try scratch.write("x.bin", record(1) + record(10))
    #expect { try open(spec: path).train.source.labels?.load() } throws: { "\($0)".contains("record 2: label 10") }
  }
}
