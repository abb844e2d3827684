import Kernels
import TestSupport
import Testing

@Suite struct AggregateTests {
  @Test(
    "Kernels of q(z) read and write only their buffers, at sizes that do not fill a vector",
    arguments: [[1, 1], [2, 3], [5, 16], [17, 33]], GuardedFloats.Side.allCases)
  func bounds(shape: [Int], side: GuardedFloats.Side) {
    let (rows, columns) = (shape[0], shape[1]), count = rows * columns
    var random = Random(state: 9)
    func guarded(_ values: [Float]) -> GuardedFloats { GuardedFloats(values, at: side) }
    func room(_ count: Int) -> GuardedFloats { guarded([Float](repeating: 0, count: count)) }
    let z = guarded(random.floats(count)), mu = guarded(random.floats(count)), logvar = guarded(random.floats(count))
    let g = guarded(random.floats(rows)), tc = room(rows), weights = room(rows * rows), marginals = room(count)
    let work = room((rows + 2) * columns), gradients = (0..<4).map { _ in room(count) }
    vd_total_correlation(tc.base, weights.base, marginals.base, work.base, z.base, mu.base, logvar.base, rows, columns)
    vd_total_correlation_backward(
      gradients[0].base, gradients[1].base, gradients[2].base, g.base, weights.base, marginals.base, work.base, z.base,
      mu.base, logvar.base, rows, columns)
    let loss = room(rows), pairs = room(rows * rows), prior = room(rows)
    if rows > 1 {
      vd_prior_discrepancy(loss.base, pairs.base, prior.base, z.base, rows, columns)
      vd_prior_discrepancy_backward(gradients[3].base, g.base, pairs.base, prior.base, z.base, rows, columns)
    }
    for buffer in [z, mu, logvar, g, tc, weights, marginals, work, loss, pairs, prior] + gradients {
      #expect(buffer.isUntouchedAround && buffer.values.allSatisfy(\.isFinite))
    }
    // Each row of the weights of the joint is a distribution.
    for row in 0..<rows { #expect(abs(weights.values[row * rows..<(row + 1) * rows].reduce(0, +) - 1) < 1e-5) }
  }
}
