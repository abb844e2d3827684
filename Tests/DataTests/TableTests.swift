import Foundation
import Kernels
import TestSupport
import Testing

@testable import Data

@Suite struct TableTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func mixed(_ change: (inout TableOptions) -> Void = { _ in }) -> TableOptions {
    var options = TableOptions()
    options.isMixed = true
    change(&options)
    return options
  }

  private func open(
    _ text: String, _ options: TableOptions, validation: String? = "0.25", schema: TableSchema? = nil
  ) throws -> DataSplit {
    try openData(
      scratch.write("t\(UUID()).csv", Array(text.utf8)), validation: validation, table: options, schema: schema)
  }

  private let people = """
    name,age,town,"income, net",class
    ann,31,Rome,1.5,good
    bob,NA,"Lyon ""on Rhone\"\"",2.5,bad
    cid,20,,4,good
    dot,50,Oslo,?,good

    """

  @Test("Words are categories, empty cells are missing values, and columns with labels or row names are excluded")
  func mixedTable() throws {
    let options = mixed { ($0.label, $0.dropped) = ("class", ["name"]) }
    // Validation is row 4 of 4.
    let split = try open(people, options), train = split.train, valid = split.valid
    let schema = try #require(train.schema)
    #expect(
      schema.columns == [
        .init(name: "age"), .init(name: "town", categories: ["Lyon \"on Rhone\"", "Rome"]), .init(name: "income, net"),
      ])
    #expect(schema.hasMissing && schema.labelNames == ["bad", "good"] && valid.schema == schema)
    #expect(
      train.columnNames == ["age", "town=Lyon \"on Rhone\"", "town=Rome", "town=(other)", "income, net"]
        && train.shape == .vector(5))
    try split.prepare(train: 0..<3, valid: 0..<1)
    let rows = try filled(train, [0, 1, 2]), nan = Float.nan
    let expected: [Float] = [31, 0, 1, 0, 1.5, nan, 1, 0, 0, 2.5, 20, nan, nan, nan, 4]
    for (found, wanted) in zip(rows, expected) { #expect(found == wanted || found.isNaN && wanted.isNaN) }
    // A town that training did not see is not a missing value.
    let row = try filled(valid, [0])
    #expect(row.prefix(4) == [50, 0, 0, 1] && row[4].isNaN)
    #expect(try train.loadLabels() && (0..<3).map { train.label(at: $0) } == [1, 0, 1] && valid.label(at: 0) == 1)
    #expect(train.classNames == ["bad", "good"])
    #expect(schema.cells(of: Array(rows[5..<10])) == ["", "Lyon \"on Rhone\"", "2.5"])
    #expect(schema.cells(of: row) == ["50.0", "(other)", ""])
    #expect(try JSONDecoder().decode(TableSchema.self, from: JSONEncoder().encode(schema)) == schema)
  }

  @Test("The vocabulary contains only words of the training rows")
  func trainingRowsAlone() throws {
    let lines = (0..<40).map { "\($0),\(["a", "b", "c"][$0 % 3])" }
    // Every tenth row is for validation, starting with the tenth.
    let odd = lines.enumerated().map { $0.offset % 10 == 9 ? "9,only here" : $0.element }
    let split = try open("x,k\n" + odd.joined(separator: "\n"), mixed(), validation: "0.1")
    #expect(split.train.schema?.columns[1].categories == ["a", "b", "c"])
    #expect(split.train.schema?.hasMissing == false)
    try split.prepare(train: 0..<0, valid: 0..<4)
    #expect(try filled(split.valid, [2]) == [9, 0, 0, 0, 1])
  }

  @Test("The columns of a model are found by name in any order, with or without labels, and others are refused")
  func byName() throws {
    let schema = try #require(
      try open("x,k,y\n1,a,7\n2,b,8\n", mixed { $0.label = "y" }, validation: "0.5").train.schema)
    let options = mixed { $0.label = "y" }
    func whole(_ text: String) throws -> Dataset {
      let path = try scratch.write("w\(UUID()).csv", Array(text.utf8))
      return try openWhole(path, images: ImageOptions(), table: options, schema: schema).train
    }
    let other = try whole("k,x\na,5\n,\n")
    try other.prepare(0..<2)
    #expect(try filled(other, [0]) == [5, 1, 0] && !other.loadLabels())
    #expect(try filled(other, [1]).allSatisfy(\.isNaN))
    let bad: [(String, String)] = [
      ("x,y\n1,2\n", "has no column 'k'"), ("x,k,z\n1,a,2\n", "column 'z' was not there in training"),
      ("x,k,höchste Temperatur des Vortags\n1,a,2\n", "column 'höchste Temperatur des Vortags' was not there"),
      ("x,k,z\u{1b}[31m\n1,a,2\n", "column 'z\\u{1B}[31m' was not there"),
    ]
    for (text, message) in bad { #expect { try whole(text) } throws: { "\($0)".contains(message) } }
    let wordy = try whole("x,k\nseven,a\n")
    #expect {
      try wordy.prepare(0..<1)
    } throws: {
      "\($0)".contains("line 2 (row 1), column 1 (x): 'seven' is no finite number")
    }
  }

  @Test("Numbers can be names of categories, and arrays can be tables in which NaN is a missing value")
  func categoricalNumbers() throws {
    let split = try open("x,code\n1,3\n2,10\n3,3.0\n4,3\n", mixed { $0.categorical = ["code"] })
    #expect(split.train.schema?.columns[1].categories == ["10", "3", "3.0"])
    let values = [Float(1), 7, .nan, 7, 3, 8, 4, 9]
    let bytes = values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
    let path = try scratch.write("a.npy", npy("<f4", [4, 2], bytes))
    let array = try openData(path, validation: "0.25", table: mixed { $0.categorical = ["x1"] }).train
    #expect(array.schema?.columns == [.init(name: "x0"), .init(name: "x1", categories: ["7", "8"])])
    try array.prepare(0..<3)
    let rows = try filled(array, [0, 1, 2])
    #expect(Array(rows[1...3]) == [1, 0, 0] && rows[4].isNaN && Array(rows[8...]) == [3, 0, 1, 0])
  }

  @Test("Moments ignore missing values and can be merged from parts")
  func moments() throws {
    let split = try open("x,k\n1,a\n,a\n3,a\n8,\n6,a\n", mixed(), validation: "0.2")
    try split.prepare(train: 0..<4, valid: 0..<1)
    let whole = try split.train.moments(of: 0..<4)
    #expect(whole.count == 4 && whole.mean[0] == 4 && whole.minimum[0] == 1 && whole.maximum[0] == 8)
    #expect(abs(whole.variance(0) - 26.0 / 3) < 1e-12 && whole.mean[1] == 1)
    var parts = try split.train.moments(of: 0..<2)
    parts.merge(Moments(serialized: try split.train.moments(of: 2..<4).serialized))
    #expect(abs(parts.mean[0] - 4) < 1e-15 && abs(parts.variance(0) - 26.0 / 3) < 1e-12)
    try split.train.check(0..<4)
  }

  @Test(
    "Files that are not valid tables are refused with the place of the fault",
    arguments: [
      ("x,y\n1,inf\n2,3\n4,5\n", "line 2 (row 1), column 2 (y): 'inf' is no finite number"),
      ("x,x\n1,2\n3,4\n5,6\n", "two columns are called 'x'"),
      ("x,k\n1,a\n2\n3,b\n4,c\n", "line 3 (row 2) has 1 columns, but line 1 has 2"),
    ])
  func refused(text: String, message: String) throws {
    #expect { try open(text, mixed(), validation: "0.34") } throws: { "\($0)".contains(message) }
  }

  @Test("A categorical column without a value in any training row is refused")
  func empty() throws {
    #expect {
      try open("x,k\n1,\n2,NA\n3,\n", mixed { $0.categorical = ["k"] }, validation: "0.34")
    } throws: {
      "\($0)".contains("column 2 (k) has no value in any training row")
    }
  }

  @Test("A column of row names, and a key that names no column, are refused with what to do")
  func identifiers() throws {
    let rows = (0..<1_500).map { "id\($0),\($0)" }.joined(separator: "\n")
    #expect {
      try open("id,x\n" + rows, mixed())
    } throws: {
      let failure = $0 as? Failure
      return failure?.message.contains("column 1 (id) has more than 1000 different words") == true
        && failure?.hint?.contains("data.drop") == true
    }
    #expect(try open("id,x\n" + rows, mixed { $0.dropped = ["id"] }).train.shape == .vector(1))
    #expect {
      try open("id,x\n" + rows, mixed { $0.label = "class" })
    } throws: {
      "\($0)".contains("data.label") && "\($0)".contains("has no column 'class'")
    }
  }
}
