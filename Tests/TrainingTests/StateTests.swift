import Foundation
import Kernels
import Persistence
import TestSupport
import Testing
import Training

@Suite struct TrainingStateTests {
  @Test("A state is read back with the same bits of every number")
  func roundTrip() throws {
    var random = Random(state: 8)
    for _ in 0..<500 {
      func number() -> Double {
        while true {
          let value = Double(bitPattern: random.next())
          if value.isFinite { return value }
        }
      }
      var state = TrainingState()
      state.step = Int(random.next() >> 12)
      state.plannedSteps = .max
      (state.sums.weight, state.sums.reconstruction, state.sums.kl) = (abs(number()), number(), number())
      (state.sums.gradientNorm, state.sums.seconds) = (number(), abs(number()))
      state.coordinator.learningRateFactor = Double.random(in: 1e-300...1, using: &random)
      state.coordinator.epochs.best = Bool.random(using: &random) ? number() : nil
      state.coordinator.epochs.reference = Bool.random(using: &random) ? number() : nil
      state.dataFingerprint = "\"\\\n\u{1}é"
      state.origin = Bool.random(using: &random) ? .init(checkpoints: "/a b/\"", step: 3) : nil
      let again = try TrainingState.decode(try state.encoded(), from: "state.json")
      #expect(again == state)
      #expect(again.sums.kl.bitPattern == state.sums.kl.bitPattern)
      #expect(again.sums.weight.bitPattern == state.sums.weight.bitPattern)
      #expect(try again.encoded() == state.encoded())
    }
  }

  private func refusal(_ bytes: [UInt8]) -> Failure? {
    failure { () throws(Failure) in _ = try TrainingState.decode(bytes, from: "step-3/state.json") }
  }

  @Test("Other formats, missing keys and junk are refused with the name of the file")
  func refusals() throws {
    var future = TrainingState()
    future.format = TrainingState.currentFormat + 1
    let whole = try TrainingState().encoded()
    let cases: [[UInt8]] = [
      try future.encoded(), [], Array("{}".utf8), Array("null".utf8), Array(whole.dropLast(20)), [0xff, 0xfe],
      Array(String(repeating: "[", count: 100_000).utf8),
    ]
    for bytes in cases {
      let error = refusal(bytes)
      #expect(error?.status == .badData && error?.message.hasPrefix("step-3/state.json: ") == true)
    }
  }

  /// Impossible values for every number of a state, by its path. They are texts, because JSON has no infinity.
  @Test("An impossible number in a state is refused with the name of its field")
  func absurd() throws {
    var state = TrainingState()
    (state.step, state.stepInEpoch, state.plannedSteps) = (48, 0, 72)
    state.origin = .init(checkpoints: "/a", step: 2)
    (state.coordinator.epochs.best, state.coordinator.epochs.reference) = (3.5, 3.5)
    let text = String(decoding: try state.encoded(), as: UTF8.self)
    var tried = 0
    for (line, content) in text.split(separator: "\n").enumerated() {
      let parts = content.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, let first = parts[1].first(where: { $0 != " " }), first == "-" || first.isNumber else {
        continue
      }
      let field = parts[0].filter { !"\" ".contains($0) }
      if field == "format" { continue }
      let isReal =
        parts[1].contains(".") || ["weight", "reconstruction", "kl", "seconds"].contains(field)
        || ["gradientNorm", "learningRateFactor", "best", "reference"].contains(field)
      let bad =
        isReal ? ["1e999", "-1e999", "\"x\"", "null"] : ["-2", "9223372036854775808", "1e30", "0.5", "\"x\"", "null"]
      for value in bad {
        // Numbers that are optional may be null.
        if value == "null", ["best", "reference"].contains(field) { continue }
        var lines = text.split(separator: "\n").map(String.init)
        lines[line] = "\(parts[0]): \(value)" + (content.hasSuffix(",") ? "," : "")
        let error = refusal(Array(lines.joined(separator: "\n").utf8))
        #expect(error?.status == .badData, "\(field) = \(value)")
        tried += 1
        // Values that are not numbers are found by the parser, which does not always know their place.
        if ["-2", "\"x\""].contains(value) {
          #expect(error?.message.contains(field) == true, "\(field) = \(value): \(error?.message ?? "")")
        }
      }
    }
    #expect(tried > 100)
    for (name, value) in [
      ("learningRateFactor", "0"), ("learningRateFactor", "1.5"), ("learningRateFactor", "-0.5"), ("epoch", "49"),
      ("stepInEpoch", "49"), ("attempt", "4294967296"), ("productThreads", "0"), ("seconds", "-1"),
      ("step", "9223372036854775807"), ("failures", "2000000"), ("bestStep", "49"), ("staleEpochs", "49"),
    ] {
      let edited = text.replacingOccurrences(
        of: "\"\(name)\" : [-0-9.]+", with: "\"\(name)\" : \(value)", options: .regularExpression)
      #expect(edited != text)
      let error = refusal(Array(edited.utf8))
      #expect(error?.status == .badData && error?.message.contains(name) == true, "\(name): \(error?.message ?? "")")
    }
  }
}
