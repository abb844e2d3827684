import Foundation
import Kernels
import TestSupport
import Testing

@testable import Data

@Suite struct SequenceTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func options(_ length: Int, _ stride: Int = 1) -> TableOptions {
    var options = TableOptions()
    (options.isMixed, options.time, options.windows) = (true, "when", Windows(length: length, stride: stride))
    return options
  }

  /// Row i has the time "t\(i)", flow i, and heat 100 + i. Rows 12 and 13 are an anomaly.
  private func series(_ rows: Int) throws -> String {
    let lines = (0..<rows).map { "t\($0),\($0),\(100 + $0),\([12, 13].contains($0) ? 1 : 0)\n" }
    return try scratch.write("s\(rows).csv", Array(("when,flow,heat,anomaly\n" + lines.joined()).utf8))
  }

  @Test("A window consists of consecutive rows that are all in the same part", arguments: [1, 2, 5, 7, 11])
  func arithmetic(stride: Int) {
    for length in 1...9 {
      let windows = Windows(length: length, stride: stride)
      for first in 0..<12 {
        for last in first...40 {
          let found = windows.samples(in: first..<last)
          let all = (0..<60).filter { windows.rows($0).lowerBound >= first && windows.rows($0).upperBound <= last }
          #expect(Array(found) == all, "\(length) \(stride) \(first)..<\(last)")
        }
      }
    }
  }

  @Test("A sample has rows in order, with columns named by their distance from the end, without times and labels")
  func samples() throws {
    var table = options(3)
    table.label = "anomaly"
    let split = try openData(try series(20), validation: "0.25", table: table), train = split.train
    #expect(train.shape == .vector(6) && train.count == 13 && split.valid.count == 3)
    #expect(train.columnNames == ["flow[t-2]", "heat[t-2]", "flow[t-1]", "heat[t-1]", "flow[t]", "heat[t]"])
    try split.prepare(train: 0..<13, valid: 0..<3)
    #expect(try filled(train, [4]) == [4, 104, 5, 105, 6, 106])
    // Rows 15 to 19 are for validation, and training uses none of them.
    #expect(try filled(split.valid, [0, 2]) == [15, 115, 16, 116, 17, 117, 17, 117, 18, 118, 19, 119])
    #expect(train.sourceRows(of: 12) == 12..<15 && split.valid.sourceRows(of: 0) == 15..<18)
    #expect(try train.times() == (0..<20).map { "t\($0)" })
    // A window that contains an anomalous row is an anomaly.
    let hasLabels = try train.loadLabels()
    let labels = (0..<13).map { train.label(at: $0) ?? -1 }
    #expect(hasLabels && labels == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    let schema = try #require(train.schema)
    #expect(schema.columns.map(\.name) == ["flow", "heat"] && schema.windows == Windows(length: 3, stride: 1))
    #expect(try JSONDecoder().decode(TableSchema.self, from: JSONEncoder().encode(schema)) == schema)
    let again = try openWhole(
      try series(9), images: ImageOptions(), table: table, schema: schema
    ).train
    #expect(again.count == 7 && again.columnNames == train.columnNames)
    let values = try again.sequence()
    let expected = (0..<9).flatMap { [Float($0), Float(100 + $0)] }
    #expect(values == expected)
  }

  @Test("Rows between windows are in no window if the stride is larger than a window")
  func gaps() throws {
    var table = options(2, 3)
    table.dropped = ["anomaly"]
    let data = try openWhole(try series(9), images: ImageOptions(), table: table).train
    #expect(data.count == 3)
    let values = try data.sequence()
    let flow = stride(from: 0, to: values.count, by: 2).map { values[$0].isNaN ? -1 : values[$0] }
    #expect(flow == [0, 1, -1, 3, 4, -1, 6, 7])
  }

  @Test("Sequences with too few rows, or with labels that are words, are refused")
  func refused() throws {
    let few = #expect(throws: Failure.self) { try openData(try series(6), validation: "0.4", table: options(4)) }
    #expect(few?.message.contains("a sample is a window of 4") == true, "\(few?.message ?? "")")
    let none = #expect(throws: Failure.self) {
      try openWhole(try series(6), images: ImageOptions(), table: options(7))
    }
    #expect(none?.message.contains("has 6 rows") == true, "\(none?.message ?? "")")
    var words = options(2)
    words.label = "state"
    let text = "when,flow,state\n" + (0..<9).map { "t\($0),\($0),\($0 == 5 ? "bad" : "good")\n" }.joined()
    let data = try openWhole(
      try scratch.write("w.csv", Array(text.utf8)), images: ImageOptions(), table: words
    ).train
    let named = #expect(throws: Failure.self) { _ = try data.loadLabels() }
    #expect(named?.message.contains("labels are words") == true, "\(named?.message ?? "")")
  }
}
