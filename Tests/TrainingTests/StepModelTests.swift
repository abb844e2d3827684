@testable import Benchmarks
import Foundation
import Testing

@testable import Training

@Suite("Prediction of steps")
struct StepModelTests {
  private let costs = StepCosts(
    parameters: 1_000_000, microbatch: 10e-3, microbatchAlone: 8e-3, jitter: 0.1e-3, addPerByte: 1e-10,
    windowAddPerByte: 2e-10, squaresPerByte: 0.5e-10, rendezvous: 5e-6, row: 0.1e-6, update: 1e-9, ranksPerNode: 2)
  private let network = Network(name: "test", latency: 10e-6, overhead: 1e-6, secondsPerByte: 1e-9, source: "")

  private func near(_ a: Double, _ b: Double, _ relative: Double = 1e-9) -> Bool { abs(a - b) <= relative * abs(b) }

  @Test("Each part of a predicted step equals the formula, computed by hand")
  func byHand() {
    // 64 microbatches on 16 ranks of 4 nodes: 4 per rank, 3 merges of 4 MB, 4 blocks per node, slices of 1 MB.
    let parts = StepModel(costs, network: network, ranksPerNode: 4).step(ranks: 16, microbatches: 64)
    #expect(near(parts.compute, 40e-3))
    #expect(near(parts.node, 3 * 0.4e-3 + (3 * 0.2e-3 + 0.05e-3) + 10e-6))
    #expect(near(parts.latency, 2 * 10e-6 + 6 * 3 * 1e-6))
    #expect(near(parts.bandwidth, 6e-3 + 0.75 * 8 * 64 * 6 * 1e-9 + 0.075e-3))
    #expect(near(parts.serial, 0.25e-3 + 6.4e-6))
    #expect(near(parts.jitter, 0.2e-3 * 1.766, 0.005))
    #expect(near(parts.total, 40e-3 + 1.86e-3 + 0.038e-3 + 6.077304e-3 + 0.2564e-3 + parts.jitter))
  }

  @Test("The busiest rank determines the time, with the merges of its subtrees")
  func uneven() {
    // 10 microbatches on 4 ranks: 2, 3, 2, 3; leaves 2..<5 are blocks of 2 and 1.
    let parts = StepModel(costs, network: network, ranksPerNode: 4).step(ranks: 4, microbatches: 10)
    #expect(near(parts.compute, 30e-3))
    // Blocks 0-1, 2-3, 4, 5, 6, 7, 8-9 (5..<7 is 5 and 6): 7.
    #expect(near(parts.node, 0.4e-3 + (6 * 0.2e-3 + 0.05e-3) + 10e-6))
    #expect(parts.latency == 0 && parts.bandwidth == 0)
  }

  @Test("A node whose leaves are not an aligned subtree sends each of its subtrees")
  func unaligned() {
    // 12 microbatches on 4 ranks of 2 nodes: leaves 0..<6 are subtrees of 4 and 2; blocks 0-1, 2 | 3, 4-5.
    let parts = StepModel(costs, network: network, ranksPerNode: 2).step(ranks: 4, microbatches: 12)
    #expect(near(parts.node, 0.4e-3 + 2 * (2 * 0.2e-3 + 0.05e-3) + 5e-6))
    #expect(near(parts.bandwidth, 3 * 0.5 * 4e-3 + 0.5 * 8 * 12 * 6 * 1e-9 + 1.5 * 0.2e-3))
  }

  @Test("bfloat16 halves the bytes between nodes, and without sharding every rank updates all parameters")
  func options() {
    var changed = costs
    changed.wireBytes = 2
    changed.isUpdateShared = false
    let before = StepModel(costs, network: network, ranksPerNode: 4).step(ranks: 16, microbatches: 64)
    let after = StepModel(changed, network: network, ranksPerNode: 4).step(ranks: 16, microbatches: 64)
    #expect(near(after.bandwidth, before.bandwidth - 3e-3))
    #expect(near(after.serial, before.serial + 0.75e-3))
  }

  @Test("A gradient of 2.62 MB over 1 Gbit/s between two nodes takes 21.0 ms")
  func calibration() {
    let gigabit = Network(name: "1gbe", latency: 23e-6, overhead: 2e-6, secondsPerByte: 8e-9, source: "")
    let mnist = StepCosts(parameters: 655_000, microbatch: 0, microbatchAlone: 0)
    let parts = StepModel(mnist, network: gigabit, ranksPerNode: 1).step(ranks: 2, microbatches: 2)
    #expect(String(format: "%.1f", parts.total * 1_000) == "21.0")
    // The measured time was 20.1 ms.
    #expect(near(parts.total, 20.1e-3, 0.05))
  }

  @Test("The prediction for one rank is its own time")
  func single() {
    let model = StepModel(costs, network: network, ranksPerNode: 8)
    let parts = model.step(ranks: 1, microbatches: 8)
    #expect(parts.latency == 0 && parts.bandwidth == 0 && abs(parts.jitter) < 1e-9)
    #expect(near(parts.compute, 80e-3))
    #expect(near(model.alone(microbatches: 8), parts.total - 8 * 2e-3))
  }

  @Test("The expected largest of normal deviates equals the tables")
  func largest() {
    #expect(abs(StepModel.expectedLargest(of: 1)) < 1e-9)
    for (count, exact, tolerance) in [
      (2, 0.56419, 0.05), (3, 0.84628, 0.03), (10, 1.53875, 0.01), (1000, 3.24144, 0.01),
    ] {
      #expect(near(StepModel.expectedLargest(of: count), exact, tolerance), "\(count)")
    }
    #expect(near(StepModel.quantile(0.975), 1.959964, 1e-6))
  }

  @Test("Efficiency falls with the number of ranks, and faster on a slower network")
  func efficiency() {
    func table(_ kind: ScalingTable.Kind, _ network: Network) -> [ScalingTable.Row] {
      ScalingTable(
        kind, costs, network: network, ranksPerNode: 8, largest: 1024, microbatches: kind == .strong ? 1024 : 1
      ).rows
    }
    let slow = Network.known[0], fast = Network.known[2]
    for kind in ScalingTable.Kind.allCases {
      let rows = table(kind, fast)
      #expect(rows.map(\.ranks) == [8, 16, 32, 64, 128, 256, 512, 1024])
      #expect(zip(rows, rows.dropFirst()).allSatisfy { $0.efficiency > $1.efficiency }, "\(kind)")
      #expect(rows.allSatisfy { $0.efficiency > 0 && $0.efficiency < 1 })
      #expect(zip(rows, table(kind, slow)).dropFirst().allSatisfy { $0.efficiency > $1.efficiency })
    }
    #expect(table(.strong, fast).allSatisfy { $0.microbatches == 1024 })
    #expect(table(.weak, fast).map(\.microbatches) == [8, 16, 32, 64, 128, 256, 512, 1024])
  }

  @Test("There is no row for more ranks than microbatches")
  func idle() {
    let rows = ScalingTable(.strong, costs, network: network, ranksPerNode: 8, largest: 64, microbatches: 16).rows
    #expect(rows.map(\.ranks) == [8, 16])
    #expect(ScalingTable.ranks(upTo: 4) == [4] && ScalingTable.ranks(upTo: 24) == [8, 16, 24])
  }

  @Test("Quantiles and the deviation of times are right")
  func distribution() {
    let values = Distribution((1...100).map(Double.init).shuffled())
    #expect(values.median == 50 && values.p99 == 99 && values.minimum == 1 && values.maximum == 100)
    #expect(near(values.standardDeviation, 29.011491975882016))
    #expect(Distribution([3]).standardDeviation == 0 && Distribution([3]).p99 == 3)
  }
}
