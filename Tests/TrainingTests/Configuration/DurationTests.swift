import Foundation
import Kernels
import RunConfiguration
import Settings
import TestSupport
import Testing

@Suite struct DurationTests {
  @Test("Times are read and written as sums of days, hours, minutes and seconds")
  func durations() throws {
    func seconds(_ text: String) throws(Failure) -> Double {
      var configuration = Configuration()
      try configuration.set("train.max_time", text, where: "test")
      return configuration.train.maxTime.seconds
    }
    let cases: [(String, Double, String)] = [
      ("none", 0, "none"), ("90s", 90, "1m30.0s"), ("90", 90, "1m30.0s"), ("3h50m", 13_800, "3h50m"),
      ("2d", 172_800, "2d"),
      ("1.5h", 5_400, "1h30m"), ("0.001s", 0.001, "0.001s"), ("1d1s", 86_401, "1d1.0s"), ("60m", 3_600, "1h"),
    ]
    for (text, expected, written) in cases {
      #expect(try seconds(text) == expected)
      var configuration = Configuration()
      configuration.train.maxTime = Configuration.Duration(seconds: expected)
      #expect(ConfigurationSchema.standard.find("train.max_time")?.text(configuration) == written)
    }
    var random = Random(state: 4)
    for _ in 0..<1_000 {
      let value = Double.random(in: 0...1, using: &random) * pow(10, Double.random(in: -6...9, using: &random))
      var configuration = Configuration()
      configuration.train.maxTime = Configuration.Duration(seconds: value)
      #expect(try readYAML(configuration.yaml).train.maxTime.seconds == value)
    }
  }
}
