import Settings
import TestSupport
import Testing

@Suite struct NumberFormatTests {
  @Test("A decimal has no exponent and reads back to the same bits")
  func decimals() {
    var values: [Double] = [
      0, -0.0, 1, 0.1, 1e-8, 1e-5, 9.999e-5, 1.5e-300, 0x1p-1074, -0x1p-1074, 2.2250738585072014e-308, 1e15, 1e16, 1e17,
      1.23e20,
      123456789012345680, 1.7976931348623157e308, -1.7976931348623157e308, 0.3, 1.0 / 3, 1e22, 1e23,
    ]
    var random = Random(state: 3)
    while values.count < 5_000 {
      let value = Double(bitPattern: random.next())
      if value.isFinite { values.append(value) }
    }
    for value in values {
      let text = "\(value, .decimal)"
      #expect(Double(text)?.bitPattern == value.bitPattern, "\(value): \(text)")
      let isPlain = text.allSatisfy { "0123456789.-".contains($0) } && text.contains(".") && !text.hasPrefix(".")
      #expect(isPlain, "\(value): \(text)")
    }
  }

  @Test(
    "Numbers on pages, with typographic characters",
    arguments: [
      (0.0, "0"), (105.8134, "105.8"), (19_869.6, "19,870"), (4.253, "4.25"), (0.01234, "0.012"), (0.00123, "0.00123"),
      (1e-7, "1e−7"), (-2.5, "−2.50"), (.nan, "–"), (.infinity, "∞"),
      (1_234_567, "1,234,567"), (3.2e12, "3.2e12"),
    ])
  func typeset(value: Double, text: String) { #expect("\(value, .typeset)" == text) }

  @Test(
    "Figures: a whole number, or three significant digits",
    arguments: [
      (0.0, "0"), (12, "12"), (-3, "-3"), (0.01234, "0.0123"), (12.345, "12.3"), (1_234.5, "1234"),
      (99_999.6, "100000"),
      (999_999, "999999"), (1_000_000, "1e+06"), (2.5e-7, "2.5e-07"), (.infinity, "inf"), (.nan, "nan"),
    ])
  func figures(value: Double, text: String) { #expect("\(value, .figures)" == text) }

  @Test("Digits that are asked for")
  func digits() {
    let values: [Double] = [0.125, 12_345.678, -0.0, .infinity]
    #expect(values.map { "\($0, .fixed(2))" } == ["0.12", "12345.68", "-0.00", "inf"])
    #expect(values.map { "\($0, .significant(4))" } == ["0.125", "1.235e+04", "0", "inf"])
    #expect(values.map { "\($0, .scientific(1))" } == ["1.2e-01", "1.2e+04", "-0.0e+00", "inf"])
    #expect([940, 12_400, 3.1e6].map { "\($0, .short)" } == ["940", "12.4k", "3.1M"])
    #expect([0.0421, 0.37, .nan].map { "\($0, .percent)" } == ["4.2 %", "37 %", "–"])
    #expect([-1.5e-7, 1e9].map { "\($0, .power(2))" } == ["−1.5e−7", "1e9"])
    #expect([0, 999, 19_870, -1_234_567].map(\.grouped) == ["0", "999", "19,870", "−1,234,567"])
    #expect(Int.min.grouped == "−9,223,372,036,854,775,808")
  }

  @Test("Times in the unit that one would use")
  func times() {
    #expect(
      [4.25, 41, 200, 7_500, .nan].map { "\($0, .duration)" } == ["4.2 s", "41 s", "3 min 20 s", "2 h 5 min", "–"])
    #expect([0, 61, 36_000, .nan].map { "\($0, .clock)" } == ["0:00:00", "0:01:01", "10:00:00", "-:--:--"])
    #expect(
      [0, 119, 120, 7_199, 7_200, 172_800].map { "\($0, .age)" } == ["0 s", "119 s", "2 min", "119 min", "2 h", "2 d"])
    #expect([Double.nan, -5, .infinity].map { "\($0, .age)" } == ["0 s", "0 s", "0 s"])
  }

  @Test("Sizes in the unit that one would use")
  func sizes() {
    #expect([0, 512, 2_621_440, 12 << 30].map { "\($0, .bytes)" } == ["0 B", "512 B", "2.5 MiB", "12 GiB"])
    #expect([3 << 18, 12 << 20, 3 << 29].map { "\($0, .memory)" } == ["0.8 MiB", "12.0 MiB", "1.5 GiB"])
  }
}
