#if Service
import Data
import Foundation
import Kernels
import TestSupport
import Testing

@testable import Service

@Suite struct RowDecoderTests {
  private func decoder(_ shape: SampleShape = .vector(3), rows: Int = 100) -> RowDecoder {
    RowDecoder(form: ReceivedForm(shape: shape), mostRows: rows)
  }

  /// Two columns of numbers and one of words. The second column may have missing values.
  private var mixed: RowDecoder {
    var form = ReceivedForm(shape: .vector(5))
    form.table.isMixed = true
    form.schema = TableSchema(
      columns: [
        TableSchema.Column(name: "speed"), TableSchema.Column(name: "power"),
        TableSchema.Column(name: "kind", categories: ["1", "old \"x\""]),
      ], rows: 10, hasMissing: true)
    return RowDecoder(form: form, requirement: .finiteOrMissing, mostRows: 100)
  }

  private func decode(_ text: String, by decoder: RowDecoder? = nil, type: String = "application/json") throws
    -> [Float]
  {
    try (decoder ?? self.decoder()).decode(Array(text.utf8), type: type).x
  }

  private func refusal(
    _ text: String, by decoder: RowDecoder? = nil, type: String? = "application/json",
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> HTTPError? {
    #expect(throws: HTTPError.self, sourceLocation: sourceLocation) {
      try (decoder ?? self.decoder()).decode(Array(text.utf8), type: type)
    }
  }

  @Test("JSON, CSV and NPY bodies with the same numbers give the same bits, rounded to the nearest float32")
  func formats() throws {
    // 1 + 2^-24 is a tie, and this number is slightly above it. Through a Double, it would be rounded twice.
    let above = "1.00000005960464477540", texts = ["0.1", above, "-3.4028234e38", "1e-45", "16777217", "-0"]
    let json = "{\"rows\": [[\(texts[..<3].joined(separator: ","))] , [\(texts[3...].joined(separator: " ,\n"))]]}"
    let csv = "a,b,c\n\(texts[..<3].joined(separator: ","))\n\(texts[3...].joined(separator: ","))\n"
    let expected = texts.map { Float($0)! }
    #expect(expected[1] == Float(1).nextUp)
    let found = try decode(json)
    #expect(found.map(\.bitPattern) == expected.map(\.bitPattern))
    #expect(try decode(csv, type: "text/csv; charset=utf-8").map(\.bitPattern) == found.map(\.bitPattern))
    let array = npy("<f4", [2, 3], words(expected.map(\.bitPattern)))
    #expect(try decoder().decode(array, type: "application/x-npy").x.map(\.bitPattern) == found.map(\.bitPattern))
  }

  @Test("Values are scaled and checked like those of files")
  func scaling() throws {
    var scaled = decoder(.vector(2))
    scaled.scaling = Scaling(offset: [1, 2], scale: [0.5, 4])
    #expect(try decode("{\"rows\": [[3, 3]]}", by: scaled) == [1, 4])
    scaled.requirement = .unitInterval
    #expect(refusal("{\"rows\": [[3, 3]]}", by: scaled)?.message.contains("row 1") == true)
  }

  @Test("A mixed table takes words and null, by position or by the names of its columns")
  func mixedTables() throws {
    let nan = Float.nan
    func same(_ a: [Float], _ b: [Float]) -> Bool { zip(a, b).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN } }
    #expect(same(try decode(#"{"rows": [[1.5, null, 1]]}"#, by: mixed), [1.5, nan, 1, 0, 0]))
    #expect(same(try decode(#"{"rows": [[1.5, 2, "old \"\u0078\""]]}"#, by: mixed), [1.5, 2, 0, 1, 0]))
    #expect(
      same(
        try decode(#"{"rows": [[1.5, 2, "new"], [1, 2, null]]}"#, by: mixed), [1.5, 2, 0, 0, 1, 1, 2, nan, nan, nan]))
    #expect(
      same(try decode(#"{"columns": ["kind", "speed", "power"], "rows": [["1", 7, 8]]}"#, by: mixed), [7, 8, 1, 0, 0]))
    #expect(same(try decode("kind,power,speed\n1,,3\n", by: mixed, type: "text/csv"), [3, nan, 1, 0, 0]))
    #expect(refusal(#"{"rows": [["fast", 2, "1"]]}"#, by: mixed)?.message.contains("speed") == true)
    #expect(refusal(#"{"rows": [[1, 2]]}"#, by: mixed)?.hint?.contains("speed, power, kind") == true)
    #expect(
      refusal(#"{"columns": ["a", "b", "c"], "rows": [[1, 2, 3]]}"#, by: mixed)?.message.contains("'speed'") == true)
    #expect(refusal(#"{"columns": ["a"], "rows": [[1, 2, 3]]}"#, by: mixed)?.status == 400)
    #expect(refusal(#"{"rows": [[1e99, 2, "1"]]}"#, by: mixed)?.status == 400)
  }

  @Test(
    "Bodies that are not JSON rows are refused with the place of the fault",
    arguments: [
      "", " ", "{", "[]", "null", "{}", "{\"rows\"", "{\"rows\": }", "{\"rows\": []}", "{\"rows\": [[]]}",
      "{\"rows\": [1]}",
      "{\"rows\": [[1, 2, 3],]}", "{\"rows\": [[1, 2, 3]]", "{\"rows\": [[1, 2, 3]]} x", "{\"rows\": [[1, 2]]}",
      "{\"rows\": [[1, 2, 3], [1, 2]]}", "{\"rows\": [[1, 2, 3, 4]]}", "{\"rows\": [[1, 2, NaN]]}",
      "{\"rows\": [[1, 2, Infinity]]}", "{\"rows\": [[1, 2, -Infinity]]}", "{\"rows\": [[1, 2, 1e39]]}",
      "{\"rows\": [[1, 2, null]]}", "{\"rows\": [[1, 2, \"3\"]]}", "{\"rows\": [[1, 2, true]]}",
      "{\"rows\": [[1, 2, [3]]]}",
      "{\"rows\": [[1, 2, {}]]}", "{\"rows\": [[1, 2, +3]]}", "{\"rows\": [[1, 2, 03]]}", "{\"rows\": [[1, 2, .5]]}",
      "{\"rows\": [[1, 2, 5.]]}", "{\"rows\": [[1, 2, 0x1]]}", "{\"rows\": [[1, 2, 1e]]}", "{\"rows\": [[1, 2, nul]]}",
      "{\"rows\": [[1, 2, \"\\ud800\"]]}", "{\"rows\": [[1, 2, \"\\q\"]]}", "{\"rows\": [[1, 2, \"]]}",
      "{\"rows\": [[1, 2, 3]], \"rows\": [[1, 2, 3]]}", "{\"rows\": [[1, 2, 3]], \"labels\": [1]}",
      "{\"row\": [[1, 2, 3]]}",
      "{\"rows\": [[1, 2, -]]}", "{\"rows\": [[1, 2, --1]]}", "{\"rows\": [[1 2 3]]}", "{'rows': [[1, 2, 3]]}",
      String(repeating: "[", count: 100_000), "{\"rows\": " + String(repeating: "[", count: 100_000),
      "{\"rows\": [[1, 2, 0." + String(repeating: "1", count: 10_000) + "]]}",
    ])
  func hostileJSON(_ text: String) {
    let refused = refusal(text)
    #expect(refused?.status == 400 && refused?.message.hasPrefix("the request") == true)
    #expect(refused.map { $0.message.utf8.count < 300 } == true)
  }

  @Test("Mutated requests are read or refused without a crash")
  func mutations() throws {
    var random = Random(state: 7)
    let sound = Array(#"{"columns": ["a", "b", "c"], "rows": [[1.5, -2e3, 0.25], [1, null, "w\u0041\n"]]}"#.utf8)
    for _ in 0..<20_000 {
      var bytes = sound
      for _ in 0...Int(random.next() % 3) {
        bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      if random.next() % 4 == 0 { bytes.removeLast(Int(random.next() % UInt64(bytes.count))) }
      for decoder in [decoder(), mixed] {
        do { _ = try decoder.decode(bytes, type: "application/json") } catch {
          #expect((error as? HTTPError)?.status == 400)
        }
      }
    }
  }

  @Test("Hostile NPY and image bodies are refused: no array, wrong shapes or sizes, values that are not finite")
  func hostileArrays() {
    func refused(_ body: [UInt8], _ type: String = "application/x-npy", shape: SampleShape = .vector(3)) -> HTTPError? {
      #expect(throws: HTTPError.self) { try decoder(shape).decode(body, type: type) }
    }
    let good = npy("<f4", [1, 3], words([1, 2, 3].map { Float($0).bitPattern }))
    #expect(refused([])?.status == 400)
    #expect(refused(Array("no array".utf8))?.status == 400)
    #expect(refused(Array(good.dropLast()))?.status == 400)
    #expect(refused(good + [0])?.status == 400)
    #expect(
      refused(npy("<f4", [1, 4], words([UInt32](repeating: 0, count: 4))))?.message.contains("samples are 4") == true)
    #expect(refused(npy("<f4", [1, 3], words([Float.nan.bitPattern, 0, 0])))?.message.contains("row 1") == true)
    #expect(refused(npy("<f4", [1, 3], words([Float.infinity.bitPattern, 0, 0])))?.status == 400)
    #expect(refused(npy("<f4", [1_000_000_000, 3], []))?.status == 400)
    #expect(refused(good, shape: .image(height: 1, width: 3, channels: 1))?.hint?.contains("JSON") == true)
    #expect(refused(Array("a,b,c\n1,2,x\n".utf8), "text/csv")?.message.contains("line 2") == true)
    #expect(refused(Array("a,b\n1,2\n".utf8), "text/csv")?.status == 400)
    #expect(refused([0xff, 0xfe, 0, 0], "text/csv")?.status == 400)
    #expect(refused(Array("\u{89}PNG".utf8), "image/png")?.status == 400)
    #expect(refused([], "image/jpeg")?.status == 400)
  }

  @Test("Unsupported content types, and more rows than allowed in a request, are refused")
  func limits() {
    for type in [nil, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "*/*"] {
      #expect(refusal("{\"rows\": [[1, 2, 3]]}", type: type)?.status == 415)
    }
    #expect(refusal("{\"rows\": [[1, 2, 3], [1, 2, 3]]}", by: decoder(rows: 1))?.status == 413)
  }
}
#endif
