import Foundation
import Kernels

/// A file of Tests/Fixtures, decoded.
func fixture<T: Decodable>(_ name: String, as type: T.Type) throws -> T {
  let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures")
  let decoder = JSONDecoder()
  decoder.keyDecodingStrategy = .convertFromSnakeCase
  return try decoder.decode(type, from: Data(contentsOf: folder.appending(path: name)))
}

/// SplitMix64, so that a failure is the same failure the next time.
struct Random: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func floats(_ count: Int, in range: ClosedRange<Float> = -2...2) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }

  /// Small whole numbers, whose sums and products are exact in float32.
  mutating func integers(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float(Int.random(in: -4...4, using: &self)) }
  }
}

/// Spacing of float32 at 1, and so the largest relative error of one rounding, doubled.
let ulp = Double(Float.ulpOfOne)
