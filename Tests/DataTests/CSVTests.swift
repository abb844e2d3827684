import Foundation
import TestSupport
import Testing

@testable import Data

@Suite struct CSVTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  @Test(
    "CSV files with any separators, headers, line ends, quotes and byte order marks can be read",
    arguments: [
      "a,b\n1,2\n3,4\n", "a,b\r\n1,2\r\n3,4\r\n", "1,2\n3,4", "1;2\n3;4\n\n", "a\tb\n1\t2\n3\t4\n \n",
      "\u{feff}a,b\n1,2\n3,4\n", "\"a\",\"b\"\n\"1\",\"2\"\n\"3\", 4 \n", "x;y, z\n+1;2.0\n3e0;.4E1\n",
      "\"a,b\",c\n1.,2\n30e-1,0.0004e4\n", "a,b\r\n1,2\r\n3,4\r\n\r\n\r\n",
    ])
  func dialects(text: String) throws {
    let (shape, element, rows) = try allRows(scratch.write("t.csv", Array(text.utf8)))
    #expect(shape == .vector(2) && element == .text)
    #expect(rows == [[1, 2], [3, 4]])
    #expect(try allRows(scratch.write("unnamed", Array(text.utf8))).rows == rows)
  }

  @Test func columnNames() throws {
    let text = "\"speed, km/h\", pressure\n1,2\n3,4\n"
    let named = try openData(scratch.write("n.csv", Array(text.utf8)), validation: nil)
    #expect(named.train.columnNames == ["speed, km/h", "pressure"])
    let plain = try openData(scratch.write("p.csv", Array("1,2\n3,4\n".utf8)), validation: nil)
    #expect(plain.train.columnNames == nil)
  }

  @Test("Numbers are read as the nearest float32, like by the C library")
  func rounding() throws {
    var generator = SplitMix(state: 7)
    var texts = ["0", "-0", "16777217", "16777219", "1e-45", "7e-46", "3.4028235e38", "0.1", "1e22", "1e-22", "1e23"]
    texts += ["0.000000000000000000000000000000000000011754943", "123456789012345678901234567890", "8388608.5"]
    texts += ["1.00000005960464477539", "1.000000059604644775390625", "1.00000005960464477539062500001"]
    for _ in 0..<20_000 {
      let bits = UInt32(truncatingIfNeeded: generator.next())
      let value = Float(bitPattern: bits)
      if value.isFinite { texts += ["\(value)", "\(Double(value) * 1.0000001)"] }
      let digits = (0..<Int(generator.next() % 25) + 1).map { _ in "\(generator.next() % 10)" }.joined()
      texts.append("\(digits).\(generator.next() % 1_000_000)e\(Int(generator.next() % 40) - 30)")
    }
    let parser = NumberParser()
    for text in texts {
      var at = 0
      let bytes = Array(text.utf8)
      let parsed = parser.number(bytes, &at, end: bytes.count)
      #expect(parsed?.bitPattern == strtof(text, nil).bitPattern && at == bytes.count, "\(text)")
    }
  }

  @Test("Only prepared rows are parsed, from any first row")
  func shares() throws {
    var text = "a,b\n"
    for row in 0..<1000 { text += "\(row),\(row == 999 ? "oops" : "0")\n" }
    let data = try openData(scratch.write("s.csv", Array(text.utf8)), validation: "0.5").train
    try data.prepare(300..<310)
    #expect(try filled(data, [300, 309]) == [600, 0, 618, 0])
    let valid = try openData(scratch.write("s.csv", Array(text.utf8)), validation: "0.5").valid
    #expect { try valid.prepare(0..<500) } throws: {
      "\($0)".contains("line 1001 (row 1000), column 2 (b): 'oops'")
    }
  }

  @Test(
    "Messages on CSV files name the line, the column and what to do",
    arguments: [
      ("a,b\n1,2\n3\n4,5\n", "line 3 (row 2) has 1 columns, but line 1 has 2"),
      ("a,b\n1,2\n3,4,5\n", "line 3 (row 2) has 3 columns"),
      ("a,b\n1,\n3,4\n", "line 2 (row 1), column 2 (b) is empty"),
      ("a,b\n1,NaN\n3,4\n", "line 2 (row 1), column 2 (b): 'NaN' is not a finite number"),
      ("1,2\n3,x7\n", "line 2 (row 2), column 2: 'x7' is not a number"),
      ("a;b\n1,5;2\n3;4\n", "decimal points"),
      ("1,2\n\n3,4\n", "line 2 (row 2) is blank"),
      ("1,2\n3,1e999\n", "too large"),
      ("id,2019\n1,2\n3,4\n", "line 1, column 1: 'id' is not a number"),
    ])
  func messages(text: String, expected: String) throws {
    let path = try scratch.write("bad.csv", Array(text.utf8))
    #expect {
      let split = try openData(path, validation: nil)
      try split.prepare(train: 0..<split.train.count, valid: 0..<split.valid.count)
    } throws: {
      "\($0)".contains(expected) && "\($0)".contains("bad.csv")
    }
  }
}

/// Reproducible noise for tests (Steele, Lea and Flood's SplitMix64).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}
