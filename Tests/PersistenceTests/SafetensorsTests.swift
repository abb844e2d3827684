import Foundation
import Kernels
import Testing

@testable import Persistence

private func floats(_ file: SafetensorsFile, _ name: String, _ shape: [Int]) throws(Failure) -> [Float] {
  var values = [Float](repeating: .nan, count: shape.reduce(1, *) + 1)
  try values.withUnsafeMutableBufferPointer { buffer throws(Failure) in
    try file.copy(name, shape: shape, into: buffer.baseAddress!)
  }
  #expect(values.removeLast().isNaN, "written beyond the end")
  return values
}

@Suite struct SafetensorsTests {
  let scratch = Scratch()

  @Test func readsWhatTheReferenceImplementationWrote() throws {
    let file = try SafetensorsFile(path: fixtures + "reference.safetensors")
    #expect(file.metadata == ["config": #"{"β": 1, "path": "a\b"}"#, "format": "pt"])
    #expect(Set(file.tensors.map(\.name)).count == 8)
    #expect(file.tensors.contains(TensorDescription(name: "counts", shape: [3])))
    #expect(try floats(file, "decoder.0.weight", [3, 5]) == (0..<15).map { Float($0) / 8 - 1 })
    #expect(try floats(file, "decoder.0.bias", [3]) == [0.5, -0.25, .infinity])
    #expect(try floats(file, "scalar", []) == [3.75])
    #expect(try floats(file, "empty", [0, 4]) == [])
    #expect(try floats(file, "größe \"μ\"\n", [1, 1]) == [7])
  }

  @Test(arguments: [
    ("decoder.0.weight", [5, 3], ["[3, 5]", "[5, 3]"]), ("decoder.0.weight", [15], ["[3, 5]", "[15]"]),
    ("scalar", [1], ["[]", "[1]"]), ("counts", [3], ["counts", "I64"]), ("half", [3], ["half", "F16"]),
    ("flags", [3], ["flags", "BOOL"]), ("missing", [3], ["missing"]),
  ])
  func refusesToCopy(name: String, shape: [Int], words: [String]) throws {
    let path = fixtures + "reference.safetensors"
    let file = try SafetensorsFile(path: path)
    let failure = try #require(failure { () throws(Failure) in _ = try floats(file, name, shape) })
    #expect(failure.status == .badData)
    for word in words + [path] { #expect(failure.message.contains(word)) }
  }

  /// The committed file is checked by `fixtures.py check`. This test compares every written byte with it.
  @Test func writesWhatTheReferenceImplementationReads() throws {
    let tensors = [
      TensorDescription(name: "encoder.0.weight", shape: [2, 3]),
      TensorDescription(name: "log scale \"σ\"\t", shape: []), TensorDescription(name: "empty", shape: [0, 2]),
      TensorDescription(name: "bias", shape: [3]),
    ]
    let values: [Float] = [-1, -0.5, 0, 0.5, 1, 1.5, 2.5, .infinity, -0.0, .leastNonzeroMagnitude]
    let header = Safetensors.encodeHeader(tensors, metadata: ["config": "a \"quoted\" \\ β\u{1}\n", "format": "x"])
    #expect(header.count % 8 == 0)
    let path = scratch / "written.safetensors"
    try header.withUnsafeBytes { header in
      try values.withUnsafeBytes { values in try DurableFile.write([header, values], to: path) }
    }
    if ProcessInfo.processInfo.environment["VAE_DIST_UPDATE_FIXTURES"] != nil {
      put(bytes(of: path), fixtures + "written.safetensors")
    }
    #expect(bytes(of: path) == bytes(of: fixtures + "written.safetensors"))

    let file = try SafetensorsFile(path: path)
    #expect(file.tensors == tensors)
    #expect(file.metadata == ["config": "a \"quoted\" \\ β\u{1}\n", "format": "pt"])
    #expect(try floats(file, "encoder.0.weight", [2, 3]) == Array(values[..<6]))
    #expect(try floats(file, "bias", [3]) == Array(values[7...]))
  }

  @Test func readsAnEmptyFileOfTensors() throws {
    let path = scratch / "none.safetensors"
    put(Safetensors.encodeHeader([], metadata: [:]), path)
    #expect(try SafetensorsFile(path: path).tensors.isEmpty)
  }

  @Test(arguments: Hostile.all) func refuses(_ hostile: Hostile) throws {
    let path = scratch / "hostile.safetensors"
    put(hostile.bytes, path)
    let failure = try #require(failure { () throws(Failure) in _ = try SafetensorsFile(path: path) })
    #expect(failure.status == .badData)
    #expect(failure.message.contains(path) && failure.message.contains(hostile.reason), "\(failure)")
    #expect(failure.hint != nil)
    #expect(!failure.message.unicodeScalars.contains { $0.value < 0x20 }, "control characters reach the terminal")
  }

  @Test func acceptsWhatTheHostileOnesAreVariantsOf() throws {
    let path = scratch / "sane.safetensors"
    for header in [
      "{\(Hostile.a(0, 8))}", "{\(Hostile.a(0, 8))}    ", "{ \"__metadata__\" : {} , \(Hostile.a(0, 8))\n\t\r }",
      "{\"\\ud83d\\ude00\\u00e9\":{\"data_offsets\":[0,8],\"shape\":[1,2,1],\"dtype\":\"F32\"}}",
    ] {
      put(assembled(header, dataBytes: 8), path)
      #expect(try SafetensorsFile(path: path).tensors.count == 1, "\(header)")
    }
    #expect(try SafetensorsFile(path: path).tensors[0].name == "😀é")
  }

  @Test(arguments: [
    ("absent", Failure.Status.missingInput), ("directory", .badData), ("fifo", .badData), ("loop", .inputOutput),
    ("absent/deeper", .missingInput), ("null", .badData),
  ])
  func refusesWhatIsNoFile(name: String, status: Failure.Status) throws {
    try FileManager.default.createDirectory(atPath: scratch / "directory", withIntermediateDirectories: false)
    #expect(mkfifo(scratch / "fifo", 0o600) == 0 && symlink("loop", scratch / "loop") == 0)
    #expect(symlink("/dev/null", scratch / "null") == 0)
    let failure = try #require(failure { () throws(Failure) in _ = try SafetensorsFile(path: scratch / name) })
    #expect(failure.status == status)
    #expect(failure.message.contains(scratch / name))
  }

  @Test func noticesThatTheFileShrankAfterOpening() throws {
    let path = scratch / "shrinking.safetensors"
    put(assembled("{\(Hostile.a(0, 4096).replacing("[2]", with: "[1024]"))}", dataBytes: 4096), path)
    let file = try SafetensorsFile(path: path)
    #expect(truncate(path, 1000) == 0)
    let failure = try #require(failure { () throws(Failure) in _ = try floats(file, "a", [1024]) })
    #expect(failure.status == .badData && failure.message.contains("ends early"))
  }

  /// Every truncation of the reference file is refused, because the offsets say where it should end.
  @Test func refusesEveryTruncation() throws {
    let whole = bytes(of: fixtures + "reference.safetensors")
    let path = scratch / "cut.safetensors"
    for length in 0..<whole.count {
      put(Array(whole[..<length]), path)
      #expect(throws: Failure.self) { try SafetensorsFile(path: path) }
    }
  }

  /// Each of 6,000 mutants (seed 1) is refused with a `Failure` or read without a crash.
  @Test func survivesMutation() throws {
    let whole = bytes(of: fixtures + "reference.safetensors")
    let headerEnd = 8 + Int(whole[0]) + Int(whole[1]) << 8
    let path = scratch / "mutant.safetensors"
    var generator = SplitMix(state: 1)
    let interesting = Array("{}[]\",:\\-0123456789eE.u \0\u{1}".utf8) + [0x80, 0xC0, 0xED, 0xFF]
    var accepted = 0
    for _ in 0..<6000 {
      var mutant = whole
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let position = Int.random(in: 0..<(Bool.random(using: &generator) ? 8 : headerEnd), using: &generator)
        let byte = interesting.randomElement(using: &generator)!
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: mutant[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: mutant[position] = byte
        case 2: mutant.insert(byte, at: position)
        case 3: mutant.remove(at: position)
        default:
          let end = min(headerEnd, position + Int.random(in: 1...40, using: &generator))
          mutant.insert(contentsOf: mutant[position..<end], at: Int.random(in: 8..<headerEnd, using: &generator))
        }
      }
      if Bool.random(using: &generator) {  // The length is right, so that the mutation reaches the parser.
        let length = UInt64(headerEnd - 8 + mutant.count - whole.count)
        mutant.replaceSubrange(0..<8, with: withUnsafeBytes(of: length.littleEndian) { Array($0) })
      }
      put(mutant, path)
      guard let file = try? SafetensorsFile(path: path) else { continue }
      accepted += 1
      for tensor in file.tensors { _ = try? floats(file, tensor.name, tensor.shape) }
    }
    #expect(accepted > 0 && accepted < 3000)
  }
}
