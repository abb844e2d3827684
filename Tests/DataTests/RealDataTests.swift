import Foundation
import Testing

@testable import Data

private let folder = ProcessInfo.processInfo.environment["VAE_DIST_TEST_DATA"]

/// Tests with the data sets in VAE_DIST_TEST_DATA: mnist, binarized_mnist, cifar10_subset, adbench.
@Suite(.enabled(if: folder != nil, "VAE_DIST_TEST_DATA names no folder of data sets"), .serialized)
struct RealDataTests {
  private func path(_ name: String) throws -> String { try #require(folder) + "/" + name }

  @Test func mnist() throws {
    let split = try openData(path("mnist"), validation: nil)
    #expect(split.train.count == 60_000 && split.valid.count == 10_000)
    #expect(split.train.shape == .image(height: 28, width: 28, channels: 1))
    for (data, mean, counts) in [
      (split.train, 33.32, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
      (split.valid, 33.79, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ] {
      let moments = try data.moments(of: 0..<data.count)
      #expect(abs(moments.mean.reduce(0, +) / 784 - mean) < 0.005 && moments.largest == 255)
      #expect((0..<10).map { digit in (0..<data.count).count { data.label(at: $0) == digit } } == counts)
    }
  }

  @Test func binarizedMNIST() throws {
    let split = try openData(path("binarized_mnist"), validation: nil)
    #expect(split.train.count == 50_000 && split.valid.count == 10_000 && split.valid.label(at: 0) == nil)
    let moments = try split.train.moments(of: 0..<50_000)
    #expect(abs(moments.mean.reduce(0, +) / 784 - 0.1306) < 0.0001)
    #expect(defaultScaling(element: split.train.element, maximum: moments.largest) == .identity)
    split.train.requirement = .unitInterval
    try split.train.check(0..<50_000)
  }

  @Test func cifar() throws {
    let split = try openData(
      path("cifar10_subset/train_0000-2999.bin"), validation: path("cifar10_subset/test_0000-0999.bin"))
    #expect(split.train.count == 3000 && split.valid.count == 1000)
    let moments = try split.train.moments(of: 0..<3000)
    for (channel, mean) in [125.1, 122.7, 113.5].enumerated() {
      let sum = stride(from: channel, to: 3072, by: 3).reduce(0) { $0 + moments.mean[$1] }
      #expect(abs(sum / 1024 - mean) < 0.05)
    }
    for (data, counts) in [
      (split.train, [299, 287, 322, 285, 311, 279, 312, 297, 308, 300]),
      (split.valid, [103, 89, 100, 103, 90, 86, 112, 102, 106, 109]),
    ] {
      #expect((0..<10).map { label in (0..<data.count).count { data.label(at: $0) == label } } == counts)
    }
  }

  @Test(
    arguments: [
      ("4_breastw", 683, 9, 239, 1, 10), ("6_cardio", 1831, 21, 176, -4.57, 19.90),
      ("23_mammography", 11183, 6, 260, -0.946, 31.51), ("28_pendigits", 6870, 16, 156, 0, 1),
      ("30_satellite", 6435, 36, 2036, 27, 157), ("38_thyroid", 3772, 6, 93, 0, 1),
    ])
  func anomalies(name: String, rows: Int, columns: Int, anomalies: Int, low: Double, high: Double) throws {
    let split = try openData(path("adbench/\(name).npz"), validation: "0.2")
    #expect(split.train.count + split.valid.count == rows && split.train.shape == .vector(columns))
    var moments = try split.train.moments(of: 0..<split.train.count)
    moments.merge(try split.valid.moments(of: 0..<split.valid.count))
    #expect(abs(moments.smallest - low) < 0.005 && abs(moments.largest - high) < 0.01)
    let found = [split.train, split.valid].map { data in (0..<data.count).count { data.label(at: $0) == 1 } }
    #expect(found[0] + found[1] == anomalies)
  }

  @Test("Opening MNIST, preparing half of its rows and filling batches takes little time")
  func speed() throws {
    let clock = ContinuousClock()
    var opened: DataSplit?
    // The time of this thread alone: other tests run beside it.
    let began = threadTime()
    opened = try openData(path("mnist"), validation: nil)
    try opened?.train.prepare(0..<30_000)
    let preparing = threadTime() - began
    let data = try #require(opened).train
    data.scaling = defaultScaling(element: .u8, maximum: 255)
    var generator = SplitMix(state: 1)
    let indices = (0..<128).map { _ in Int.random(in: 0..<30_000, using: &generator) }
    let batch = UnsafeMutablePointer<Float>.allocate(capacity: 128 * 784)
    defer { batch.deallocate() }
    let best = try (0..<200).map { _ in
      try clock.measure { try indices.withUnsafeBufferPointer { try data.fill($0, into: batch) } }
    }.min()
    print("MNIST: half prepared in \(preparing) of this thread, 128 rows filled in \(try #require(best))")
    #expect(preparing < .seconds(2))
  }
}

/// The time that this thread has computed for.
private func threadTime() -> Duration {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}
