import Kernels
import TestSupport
import Testing

@testable import Data

@Suite struct DatasetTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  @Test("The embedded digits have the known counts, values, labels and split")
  func digits() throws {
    let split = try openData("digits", validation: nil)
    #expect(split.train.count == 1500 && split.valid.count == 297)
    #expect(split.train.shape == .image(height: 8, width: 8, channels: 1) && split.train.element == .u8)
    try split.prepare(train: 0..<1500, valid: 0..<297)
    let all = try filled(split.train, Array(0..<1500)) + filled(split.valid, Array(0..<297))
    let digest = SHA256()
    all.map { UInt8($0) }.withUnsafeBytes { digest.update($0) }
    #expect(digest.finish() == "b41ca9fd335466eee997366c2e6f6bbe0a1b4582afe091fc4eba35f4a254182f")
    var counts = [Int](repeating: 0, count: 10)
    for index in 0..<1500 { counts[try #require(split.train.label(at: index))] += 1 }
    for index in 0..<297 { counts[try #require(split.valid.label(at: index))] += 1 }
    #expect(counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    let fraction = try openData("digits", validation: "0.2")
    #expect(fraction.train.count == 1200 && fraction.valid.count == 300)
    #expect(fraction.train.fingerprint != split.train.fingerprint)
    #expect(try openData("digits", validation: nil).train.fingerprint == split.train.fingerprint)
  }

  @Test("Bytes and floats can be scaled by one number or by element")
  func scaling() throws {
    let bytes = try openData(scratch.write("b.npy", npy("|u1", [2, 2], [0, 255, 51, 102])), validation: "0.5").train
    try bytes.prepare(0..<1)
    bytes.scaling = defaultScaling(element: bytes.element, maximum: 255)
    #expect(try filled(bytes, [0]) == [0, 1])
    bytes.scaling = Scaling(offset: [1, 5], scale: [2, 0.5])
    #expect(try filled(bytes, [0, 0]) == [-2, 125, -2, 125])
    let text = try openData(scratch.write("t.csv", Array("1,2\n3,4\n".utf8)), validation: "0.5").train
    try text.prepare(0..<1)
    text.scaling = Scaling(offset: [1], scale: [3])
    #expect(try filled(text, [0]) == [0, 3])
    #expect(try text.moments(of: 0..<1).mean == [1, 2])
  }

  @Test("Values outside [0, 1] are refused if the likelihood needs [0, 1]")
  func unitInterval() throws {
    let path = try scratch.write("u.npy", npy("|u1", [4, 2], [0, 1, 1, 0, 1, 2, 0, 0]))
    let data = try openData(path, validation: "0.25").train
    data.requirement = .unitInterval
    #expect {
      try data.check(0..<3)
    } throws: {
      "\($0)".contains("u.npy: row 3, column 2: the value 2.0 becomes 2.0 after scaling, which is outside [0, 1]")
    }
    #expect(throws: Failure.self) { try filled(data, [2]) }
    #expect(try filled(data, [1]) == [1, 0])
    data.scaling = Scaling(offset: [0], scale: [0.5])
    try data.check(0..<3)
    data.scaling = Scaling(offset: [0], scale: [1 / 255])
    try data.check(0..<3)
  }

  @Test("Values that are not finite are refused with their place", arguments: [Float.nan, .infinity, -.infinity])
  func notFinite(value: Float) throws {
    var values = [Float](repeating: 1, count: 24)
    values[13] = value
    let path = try scratch.write("f.npy", npy("<f4", [3, 2, 4], words(values.map(\.bitPattern))))
    let data = try openData(path, validation: "0.3").train
    for attempt in [
      { try data.check(0..<2) }, { _ = try data.moments(of: 0..<2) }, { _ = try filled(data, [1]) },
    ] {
      #expect { try attempt() } throws: { ("\($0)").contains("f.npy: row 2, pixel (2, 2): the value \(value) is not") }
    }
    let wide = try scratch.write("w.npy", npy("<f8", [2, 1], words([1e300, 1].map(\.bitPattern))))
    let double = try openData(wide, validation: "0.5").train
    #expect(throws: Failure.self) { try double.check(0..<1) }
  }

  @Test("Validation data must have the shape and columns of the training data")
  func otherSpec() throws {
    let first = try scratch.write("1.csv", Array("a,b\n1,2\n3,4\n".utf8))
    let second = try scratch.write("2.csv", Array("a,b\n5,6\n".utf8))
    let split = try openData(first, validation: second)
    #expect(split.train.count == 2 && split.valid.count == 1)
    try split.prepare(train: 0..<2, valid: 0..<1)
    #expect(try filled(split.valid, [0]) == [5, 6])
    #expect(try openData("digits", validation: "digits").valid.count == 297)
    let renamed = try scratch.write("3.csv", Array("a,c\n5,6\n".utf8))
    #expect { try openData(first, validation: renamed) } throws: { "\($0)".contains("column 2 is c, but b in") }
    #expect { try openData(first, validation: "digits") } throws: { "\($0)".contains("samples are 8x8") }
    for fraction in ["0", "1", "-1", "7", "nan"] {
      #expect { try openData("digits", validation: fraction) } throws: { ($0 as? Failure)?.status == .usage }
    }
  }

  @Test("Different files have different fingerprints")
  func fingerprints() throws {
    let path = try scratch.write("p.npy", npy("|u1", [4, 2], [UInt8](0..<8)))
    let other = try scratch.write("q.npy", npy("|u1", [4, 2], [UInt8](1..<9)))
    let first = try openData(path, validation: nil)
    #expect(try openData(path, validation: nil).train.fingerprint == first.train.fingerprint)
    #expect(try openData(other, validation: nil).train.fingerprint != first.train.fingerprint)
    #expect(first.valid.fingerprint != first.train.fingerprint)
  }
}
