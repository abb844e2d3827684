import Foundation
import Kernels
import TestSupport
import Testing

@testable import Reporting
@testable import Training

@Suite struct TextChartTests {
  private func lines(_ values: [Double], width: Int = 7, height: Int = 2) -> [String] {
    TextChart(curves: [.init(values: values)], width: width, height: height).lines(isColored: false)
  }

  @Test("A slope is drawn dot by dot")
  func slope() {
    // Four characters are eight dots wide and eight dots high.
    #expect(lines([0, 7]).prefix(2) == ["7 ┤  ⡠⠊", "0 ┤⡠⠊"])
    #expect(lines([7, 0]).prefix(2) == ["7 ┤⠑⢄", "0 ┤  ⠑⢄"])
    #expect(lines((0...70).map { 7 - Double($0) / 10 }).prefix(2) == ["7 ┤⠑⢄", "0 ┤  ⠑⢄"])
  }

  @Test("A constant is drawn in the middle, one value as a line, and no value as nothing")
  func degenerate() {
    #expect(lines([3, 3, 3], width: 10).first?.contains("⣀⣀") == true)
    #expect(lines([2], width: 10).count == 3)
    #expect(lines([]).isEmpty && lines([.nan, .infinity]).isEmpty)
  }

  @Test("Missing values leave gaps, also at the ends")
  func gaps() throws {
    let line = try #require(lines([1, 1, .nan, .nan, .nan, .nan, .nan, .nan, 1, 1], width: 13, height: 1).first)
    let dots = line.drop { $0 != "┤" }.dropFirst()
    #expect(dots.first != " " && dots.last != " " && dots.contains(" "), "\(line)")
  }

  @Test(
    "A chart has its size for any numbers",
    arguments: [
      [.greatestFiniteMagnitude, -.greatestFiniteMagnitude], [.leastNonzeroMagnitude, 3 * .leastNonzeroMagnitude],
      [-0.0, 0], [.infinity, 1, .nan, 2],
      [1e308, 1e308],
    ] as [[Double]])
  func extremes(values: [Double]) {
    for (width, height) in [(1, 1), (3, 2), (80, 24), (400, 100)] {
      let lines = lines(values, width: width, height: height)
      #expect(lines.count >= height && lines.prefix(height).allSatisfy { $0.contains("┤") || $0.contains("│") })
    }
  }

  @Test("If there are many values, each column shows the mean of its values")
  func many() {
    let line = lines((0..<100_000).map { Double($0 % 2) } + [0, 3], width: 60, height: 3)[2]
    #expect(line.contains("⠉⠉⠉⠉⠉") || line.contains("⠒⠒⠒⠒⠒"), "\(line)")
  }

  @Test("Two curves are distinguished by dots, and by colours if there are some")
  func two() throws {
    let chart = TextChart(
      curves: [.init(values: [1, 1]), .init(values: [0, 0], isDotted: true, color: 5)], width: 20, height: 3)
    let plain = chart.lines(isColored: false)
    #expect(plain[0].contains("⠉⠉⠉⠉⠉") && plain[2].contains("⡀") && !plain[2].contains("⣀⣀⣀"))
    #expect(!plain.joined().contains("\u{1b}"))
    let colored = chart.lines(isColored: true)
    #expect(colored[0].contains("\u{1b}[36m") && colored[2].contains("\u{1b}[35m") && colored[0].hasSuffix("\u{1b}[0m"))
  }
}

@Suite struct RunScreenTests {
  private func record(_ scratch: Scratch, epochs: Int, state: String = "training") throws -> RunRecord {
    let lines = (1...max(1, epochs)).map { number in
      """
      {"kind": "epoch", "epoch": \(number), "step": \(number * 10), "beta": \(number).5, "train": {"recon": 9, "kl": 1}, \
      "valid": {"recon": \(100 / number), "kl": 2}, "active_units": 3, "samples_per_second": 1e4, "seconds": 2, "ranks": 1}
      """
    }
    let start = #"{"kind": "start", "step": 0, "data": "d\u001b[31mata", "total_steps": 1000}"#
    let text = ([start] + lines.prefix(epochs)).joined(separator: "\n") + "\n"
    _ = try scratch.write("metrics.jsonl", Array(text.utf8))
    let now = ISO8601DateFormatter().string(from: Date())
    let status = "{\"state\": \"\(state)\", \"step\": 12, \"epoch\": 1, \"heartbeat\": \"\(now)\"}"
    _ = try scratch.write("status.json", Array(status.utf8))
    _ = try scratch.write(
      "config.yaml", Array("preset: digits\nmodel:\n  latent: 10\ntrain:\n  max_epochs: 100\n".utf8))
    return try RunRecord(scratch.path)
  }

  @Test(
    "The screen of `watch` fits any size of a terminal",
    arguments: [(30, 10), (79, 24), (80, 24), (120, 40), (300, 90)])
  func fits(columns: Int, rows: Int) throws {
    let scratch = try Scratch()
    for epochs in [0, 1, 2, 40] {
      let lines = RunScreen(try record(scratch, epochs: epochs), columns: columns, rows: rows, isColored: false).lines
      #expect(lines.allSatisfy { $0.count <= columns }, "\(lines.joined(separator: "\n"))")
      #expect(columns < 80 || lines.count <= rows, "\(lines.joined(separator: "\n"))")
      #expect(!lines.joined().contains("\u{1b}"))
      let braille = lines.joined().unicodeScalars.contains { (0x2801...0x28ff).contains($0.value) }
      #expect(braille == (epochs > 1))
    }
  }

  @Test("The screen of `watch` shows progress, time left and the best epoch")
  func words() throws {
    let scratch = try Scratch()
    let text = RunScreen(try record(scratch, epochs: 40), columns: 120, rows: 40, isColored: false).lines
      .joined(separator: "\n")
    for part in [
      "training  epoch 40/100  step 400/1000  eta 0:02:00", "valid -elbo 4.00  (best 4.00 in epoch 34)",
      "10.0k samples/s", "active units 3 of 10", "beta 40.500", "─ valid 2.00  ┈ train 9.00", "epoch 1",
    ] { #expect(text.contains(part), "\(part)\n\(text)") }
    #expect(text.contains("d\\u{1B}[31mata"))
    let done = RunScreen(try record(scratch, epochs: 3, state: "finished"), columns: 120, rows: 40, isColored: false)
    #expect(done.line.hasPrefix("finished") && !done.line.contains("eta"))
  }
}
