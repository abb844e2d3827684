import RunConfiguration
import Data
import Foundation
import Kernels
import TestSupport
import Testing
@testable import Training

@Suite struct ImageJitterTests {
  private let shape = SampleShape.image(height: 16, width: 16, channels: 1)

  /// The moves (down, right) of the bright pixel at (8, 4) of samples 0, 1, ... in an epoch.
  private func places(
    _ samples: [UInt64], shift: Int, flip: Bool, seed: UInt64 = 1, epoch: UInt32 = 0
  ) throws -> [[Int]] {
    var configuration = Configuration().data
    (configuration.flip, configuration.shift) = (flip, shift)
    let jitter = try #require(ImageJitter(configuration, shape: shape))
    var x = [Float](repeating: 0, count: samples.count * 256)
    for row in samples.indices { x[row * 256 + 8 * 16 + 4] = 1 }
    jitter.apply(&x, samples: samples, rows: samples.count, seed: seed, attempt: 0, epoch: epoch)
    return try samples.indices.map { row in
      let at = try #require((0..<256).first { x[row * 256 + $0] == 1 })
      return [at / 16, at % 16]
    }
  }

  @Test("All moves and both sides occur about equally often")
  func frequencies() throws {
    let found = try places((0..<6000).map { $0 }, shift: 2, flip: true)
    var counts: [[Int]: Int] = [:]
    for place in found { counts[place, default: 0] += 1 }
    // A mirrored column 4 becomes 11, so the columns are 2...6 and 9...13, which do not overlap.
    #expect(Set(counts.keys).count == 5 * 10)
    #expect(counts.values.allSatisfy { abs(Double($0) - 120) < 5 * 120.0.squareRoot() })
    #expect(Set(counts.keys.map { $0[0] }) == Set(6...10))
  }

  @Test("The augmentation of a sample depends only on seed, epoch and sample")
  func keys() throws {
    let all = try places((0..<64).map { $0 }, shift: 3, flip: true)
    let some = try places([40, 3, 17], shift: 3, flip: true)
    #expect(some == [all[40], all[3], all[17]])
    #expect(try places((0..<64).map { $0 }, shift: 3, flip: true, seed: 2) != all)
    #expect(try places((0..<64).map { $0 }, shift: 3, flip: true, epoch: 1) != all)
    #expect(try places((0..<64).map { $0 }, shift: 0, flip: true).allSatisfy { [[8, 4], [8, 11]].contains($0) })
    #expect(try places((0..<64).map { $0 }, shift: 3, flip: false).allSatisfy { $0[1] <= 7 })
  }

  @Test("Augmentation is off by default, and refused for tables and for moves beyond the image")
  func limits() throws {
    #expect(ImageJitter(Configuration().data, shape: shape) == nil)
    let scratch = try Scratch()
    let table = try openData(scratch.write("t.csv", Array("1,2\n3,4\n".utf8)), validation: nil).train
    let digits = try openData("digits", validation: nil).train
    var configuration = Configuration().data
    try configuration.requireAugmentable(table)
    configuration.shift = 7
    try configuration.requireAugmentable(digits)
    #expect(failure { () throws(Failure) in try configuration.requireAugmentable(table) }?.status == .badConfiguration)
    configuration.shift = 8
    #expect(failure { () throws(Failure) in try configuration.requireAugmentable(digits) }?.status == .badConfiguration)
  }
}
