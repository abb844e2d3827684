import Foundation
import Kernels
import Testing

@testable import Persistence

/// Tests of TFRecord files and their messages against files of other programs.
@Suite struct RecordLogTests {
  @Test(
    "CRC-32C gives the checksums of RFC 3720, section B.4",
    arguments: [
      ([UInt8](repeating: 0, count: 32), 0x8a91_36aa), ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
      (Array(0..<32), 0x46dd_794e), ((0..<32).reversed(), 0x113f_db5c), (Array("123456789".utf8), 0xe306_9283),
      ([], 0),
    ] as [([UInt8], UInt32)])
  func check(bytes: [UInt8], sum: UInt32) {
    #expect(bytes.withUnsafeBytes(CRC32C.of) == sum)
  }

  @Test("A record has the same bytes as one from TensorBoard")
  func frame() {
    // tensorboard.summary.writer.record_writer.RecordWriter.write(b"brain.Event:2")
    let expected: [UInt8] = [
      0x0d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3c, 0x37, 0xb8, 0x34, 0x62, 0x72, 0x61, 0x69,
      0x6e, 0x2e, 0x45, 0x76, 0x65, 0x6e, 0x74, 0x3a, 0x32, 0xee, 0x01, 0x06, 0x7c,
    ]
    #expect(RecordLog.frame(Array("brain.Event:2".utf8)) == expected)
  }

  @Test("A message has the same bytes as one from protoc's classes")
  func message() {
    var inner = ProtocolBuffer(), message = ProtocolBuffer()
    inner.add(1, "a\u{e9}")
    inner.add(2, Float(-1.5))
    message.add(1, 1234.5)
    message.add(2, 300)
    message.add(2, -1)
    message.add(4, [0, 255] as [UInt8])
    message.add(6, [1.0, -2.0])
    message.add(16, inner)
    let expected: [UInt8] = [
      0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x4a, 0x93, 0x40, 0x10, 0xac, 0x02, 0x10, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x22, 0x02, 0x00, 0xff, 0x32, 0x10, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0xf0, 0x3f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x82, 0x01, 0x0a,
      0x0a, 0x03, 0x61, 0xc3, 0xa9, 0x15, 0x00, 0x00, 0xc0, 0xbf,
    ]
    #expect(message.bytes == expected)
    #expect(ProtocolBuffer.integer(2, of: message.bytes) == 300 && ProtocolBuffer.integer(3, of: message.bytes) == nil)
    for value in [0, 1, 127, 128, 1 << 32, .max, -1, .min] {
      var one = ProtocolBuffer()
      one.add(9, inner)
      one.add(5, value)
      #expect(ProtocolBuffer.integer(5, of: one.bytes) == value)
    }
  }

  @Test("Bytes that are not a message have no fields, and are read at most to their end")
  func hostileMessages() {
    var random = SplitMix(state: 5)
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0..<24, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      _ = ProtocolBuffer.integer(2, of: bytes)
    }
    let claimsMuch: [UInt8] = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x10, 0x05]
    #expect(ProtocolBuffer.integer(2, of: claimsMuch) == nil)
    #expect(ProtocolBuffer.integer(2, of: [UInt8](repeating: 0xff, count: 40)) == nil)
    #expect(ProtocolBuffer.integer(2, of: [0x13, 1]) == nil)  // a group, which is obsolete
  }

  private func log(_ path: String, _ records: [String]) throws -> RecordLog {
    let log = try RecordLog(creating: path)
    for record in records { try log.append(Array(record.utf8)) }
    return log
  }

  @Test("A file that is cut at any byte keeps its complete records")
  func cut() throws {
    let scratch = Scratch(), path = scratch / "a"
    let records = ["", "one", String(repeating: "x", count: 300)]
    _ = try log(path, records)
    let whole = bytes(of: path)
    let ends = records.reduce(into: [0]) { $0.append($0[$0.count - 1] + 16 + $1.utf8.count) }
    #expect(whole.count == ends[3])
    for length in 0...whole.count {
      put(Array(whole.prefix(length)), path)
      let kept = try RecordLog.cut(path) { _ in true }
      #expect(kept == ends.lastIndex { $0 <= length })
      #expect(bytes(of: path) == Array(whole.prefix(ends[kept])))
    }
    #expect(try RecordLog.cut(path) { $0.count < 3 } == 1)
  }

  @Test("Records after a flipped bit, or after a length beyond the file, are dropped")
  func damage() throws {
    let scratch = Scratch(), path = scratch / "a"
    _ = try log(path, ["one", "two", "three"])
    let whole = bytes(of: path)
    for byte in 19..<38 {
      var damaged = whole
      damaged[byte] ^= 0x10
      put(damaged, path)
      #expect(try RecordLog.cut(path) { _ in true } == 1, "byte \(byte)")
    }
    put([UInt8](repeating: 0xff, count: 64), path)
    #expect(try RecordLog.cut(path) { _ in true } == 0)
    #expect(bytes(of: path).isEmpty)
  }

  @Test("An existing file is not overwritten, and a file that was moved is noticed")
  func place() throws {
    let scratch = Scratch(), path = scratch / "a"
    let log = try log(path, ["one"])
    #expect(log.isInPlace)
    #expect(throws: Failure.self) { _ = try RecordLog(creating: path) }
    try FileManager.default.removeItem(atPath: path)
    #expect(!log.isInPlace)
    _ = try RecordLog(creating: path)
    #expect(!log.isInPlace)
  }
}
