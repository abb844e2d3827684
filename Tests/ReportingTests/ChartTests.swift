import Foundation
import TestSupport
import Testing

@testable import Reporting

/// Tests of the ticks, labels and lines of charts.
@Suite struct ChartTests {
  @Test("An axis covers any values with a few round ticks")
  func covers() {
    var generator = Random(state: 7)
    for _ in 0..<2_000 {
      let scale = pow(10, Double.random(in: -12...12, using: &generator))
      let low = Double.random(in: -1...1, using: &generator) * scale
      let high = low + Double.random(in: 0...1, using: &generator) * scale
      for kind in [Axis.Kind.linear, .integer] {
        let axis = Axis(low, high, kind: kind)
        #expect(axis.low <= low + scale * 1e-9 && axis.high >= high - scale * 1e-9, "\(low) \(high)")
        #expect((2...8).contains(axis.ticks.count), "\(low) \(high): \(axis.ticks)")
        #expect(Set(axis.ticks.map(\.label)).count == axis.ticks.count, "\(low) \(high): \(axis.ticks)")
        #expect(axis.ticks.allSatisfy { (-1e-6...1 + 1e-6).contains(axis.position($0.value)) })
        if kind == .integer { #expect(axis.ticks.allSatisfy { $0.value == $0.value.rounded() }) }
      }
    }
  }

  @Test(
    "Ticks are at round numbers",
    arguments: [
      (0.0, 1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]), (0, 20, ["0", "5", "10", "15", "20"]),
      (98.2, 105.9, ["98", "100", "102", "104", "106"]), (0, 49_000, ["0", "10k", "20k", "30k", "40k", "50k"]),
      (-3, 4, ["−4", "−2", "0", "2", "4"]), (5, 5, ["4.7", "4.8", "4.9", "5.0", "5.1", "5.2", "5.3"]),
      (0, 2_400_000, ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]),
      (0, 0.0004, ["0", "0.0001", "0.0002", "0.0003", "0.0004"]),
    ])
  func ticks(low: Double, high: Double, labels: [String]) {
    #expect(Axis(low, high).ticks.map(\.label) == labels)
  }

  @Test("The ticks of epochs are whole numbers, and the axis ends with the last epoch")
  func epochs() {
    let axis = Axis(1, 30, kind: .integer, most: 6, isLoose: false)
    #expect(axis.ticks.map(\.label) == ["5", "10", "15", "20", "25", "30"] && axis.low == 1 && axis.high == 30)
    #expect(Axis(1, 3, kind: .integer, isLoose: false).ticks.map(\.label) == ["1", "2", "3"])
    #expect(Axis(1, 1, kind: .integer, isLoose: false).ticks.map(\.label) == ["0", "1", "2"])
  }

  @Test("A logarithmic axis has ticks at powers of ten, and finer ticks within two decades")
  func logarithms() {
    #expect(
      Axis(0.00002, 900, kind: .logarithmic).ticks.map(\.value).allSatisfy {
        log10($0).distance(to: log10($0).rounded()).magnitude < 1e-9
      })
    let fine = Axis(3, 80, kind: .logarithmic)
    #expect(fine.ticks.map(\.label) == ["2", "5", "10", "20", "50", "100"])
    #expect(fine.position(2) == 0 && abs(fine.position(100) - 1) < 1e-12)
    // Zero has no logarithm, so the axis is linear.
    #expect(Axis(0, 10, kind: .logarithmic).ticks.map(\.label) == ["0", "2", "4", "6", "8", "10"])
    for exponent in -30...30 {
      let axis = Axis(pow(10, Double(exponent)) * 1.7, pow(10, Double(exponent)) * 1.9, kind: .logarithmic)
      #expect(axis.ticks.count >= 2 && axis.low <= pow(10, Double(exponent)) * 1.70001)
    }
  }

  @Test("Labels do not overlap and stay within their limits")
  func apart() {
    for count in [1, 2, 7, 24, 100, 1_000] {
      let labels = (0..<count).map { (place: 40 + 300 * Double($0) / Double(count), text: "\($0 * 37)") }
      let placed = Plot.apart(labels, from: 2, to: 358)
      #expect(!placed.isEmpty && placed.first?.text == "0")
      for label in placed {
        let half = Double(label.text.count) * Plot.letter / 2
        #expect(label.middle - half >= 2 - 1e-9 && label.middle + half <= 358 + 1e-9)
      }
      for (left, right) in zip(placed, placed.dropFirst()) {
        #expect(right.middle - left.middle > Double(left.text.count + right.text.count) * Plot.letter / 2)
      }
    }
  }

  @Test("A long line is thinned and keeps its peaks and ends")
  func thins() {
    var points = (0..<100_000).map { (x: Double($0), y: sin(Double($0) / 9_000)) }
    points[55_555].y = 40
    points[77_777].y = -40
    let thin = LineChart.thinned(points) { $0 / 100_000 }
    #expect(thin.count < 700 && thin.contains { $0.y == 40 } && thin.contains { $0.y == -40 })
    #expect(thin.first?.x == 0 && thin.last?.x == 99_999 && zip(thin, thin.dropFirst()).allSatisfy { $0.x < $1.x })
  }

  @Test("Values that are not finite leave a gap, and a chart without values is omitted")
  func gaps() throws {
    func chart(_ values: [Double]) -> String? {
      let points = values.enumerated().map { (x: Double($0.offset), y: $0.element) }
      return LineChart(title: "t", unit: "u", series: [.init(name: "s", style: 0, points: points)]).figure()?.text
    }
    let text = try #require(chart([1, 2, .nan, 3, .infinity, 5, 6]))
    let path = try #require(text.firstMatch(of: /line s0" d="(M[^"H]*)"/))
    #expect(path.1.count { $0 == "M" } == 3 && path.1.contains("h0"))
    #expect(chart([]) == nil && chart([.nan, .infinity]) == nil && chart([1]) != nil && chart([-1e308, 1e308]) == nil)
  }

  @Test("A steep beginning is cut off, which the chart says")
  func cuts() throws {
    let points = (1...40).map { epoch -> (x: Double, y: Double) in
      (Double(epoch), epoch == 1 ? 900 : 100 + 10 / Double(epoch))
    }
    var chart = LineChart(title: "t", unit: "u", isCut: true, series: [.init(name: "s", style: 0, points: points)])
    let text = try #require(chart.figure()?.text)
    #expect(text.contains("as far as 900.0, is outside") && !text.contains(">800<"))
    chart.isCut = false
    #expect(chart.figure()?.text.contains(">800<") == true)
  }

  @Test("Thousands of bars are reduced to what a screen can show, and the highest are kept")
  func bars() throws {
    var bars = (0..<5_000).map { BarChart.Bar(label: "\($0)", parts: [.init(value: 1, style: "on")], hint: "") }
    bars[4_321].parts[0].value = 77
    bars[5].parts[0].value = .nan
    bars[6].parts[0].value = -3
    let chart = BarChart(title: "t", unit: "u", xName: "x", keys: [], description: "", bars: bars)
    let text = try #require(chart.figure()?.text)
    #expect(text.count < 60_000 && text.matches(of: /<rect/).count == 200 && text.contains(">80<"))
    #expect(BarChart(title: "t", unit: "u", xName: "x", keys: [], description: "", bars: []).figure() == nil)
  }
}
