import Foundation
import Kernels
import Testing

/// A file of Tests/Fixtures, decoded; `learning_rate` is `learningRate`.
func fixture<T: Decodable>(_ name: String, as type: T.Type) throws -> T {
  let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures")
  let decoder = JSONDecoder()
  decoder.keyDecodingStrategy = .convertFromSnakeCase
  return try decoder.decode(type, from: Data(contentsOf: folder.appending(path: name)))
}

/// The failure that the work ends with; an issue when it ends well.
func failure(_ work: () throws(Failure) -> Void, _ location: SourceLocation = #_sourceLocation) -> Failure? {
  do throws(Failure) {
    try work()
    Issue.record("no failure", sourceLocation: location)
    return nil
  } catch {
    return error
  }
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
}
