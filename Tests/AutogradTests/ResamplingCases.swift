import Autograd
import Foundation

/// A place in a batch of images with channels last.
private func place(_ shape: [Int], _ n: Int, _ row: Int, _ column: Int, _ channel: Int) -> Int {
  ((n * shape[1] + row) * shape[2] + column) * shape[3] + channel
}

/// A case whose output at each place is a function of the input and the place.
private func imageCase(
  _ name: String, _ shape: [Int], to output: [Int], _ record: @escaping @Sendable (Graph, Tensor) -> Tensor,
  _ value: @escaping @Sendable (_ x: [Double], _ n: Int, _ row: Int, _ column: Int, _ channel: Int) -> Double
) -> OpCase {
  OpCase(
    name: "\(name) \(shape)", batch: shape[0], leaves: [leaf(.input, shape, salt: 1)], record: { record($0, $1[0]) },
    reference: { x in
      (0..<output.reduce(1, *)).map { i in
        let pixel = i / output[3], row = pixel / output[2]
        return value(x[0], row / output[1], row % output[1], pixel % output[2], i % output[3])
      }
    })
}

private func upsampleCase(_ shape: [Int], by factor: Int) -> OpCase {
  imageCase(
    "upsample by \(factor)", shape, to: [shape[0], factor * shape[1], factor * shape[2], shape[3]],
    { $0.upsample($1, by: factor) },
    { x, n, row, column, channel in x[place(shape, n, row / factor, column / factor, channel)] })
}

private func shuffleCase(_ shape: [Int], by factor: Int) -> OpCase {
  imageCase(
    "pixel shuffle by \(factor)", shape,
    to: [shape[0], factor * shape[1], factor * shape[2], shape[3] / (factor * factor)],
    { $0.pixelShuffle($1, by: factor) },
    { x, n, row, column, channel in
      let from = (channel * factor + row % factor) * factor + column % factor
      return x[place(shape, n, row / factor, column / factor, from)]
    })
}

private func poolCase(_ shape: [Int], _ window: ConvolutionWindow, countsPadding: Bool = true) -> OpCase {
  imageCase(
    "average pool, \(window), padding \(countsPadding ? "" : "not ")counted", shape,
    to: [shape[0], window.reduced(shape[1])!, window.reduced(shape[2])!, shape[3]],
    { $0.averagePool($1, window: window, countsPadding: countsPadding) },
    { x, n, row, column, channel in
      var sum = 0.0, count = 0
      for y in row * window.stride - window.padding..<row * window.stride - window.padding + window.kernel {
        for z in column * window.stride - window.padding..<column * window.stride - window.padding + window.kernel {
          guard 0..<shape[1] ~= y, 0..<shape[2] ~= z else { continue }
          sum += x[place(shape, n, y, z, channel)]
          count += 1
        }
      }
      return sum / Double(countsPadding ? window.kernel * window.kernel : count)
    })
}

let resamplingCases: [OpCase] =
  [
    upsampleCase([1, 1, 1, 1], by: 1), upsampleCase([2, 3, 2, 5], by: 2), upsampleCase([3, 2, 4, 17], by: 2),
    upsampleCase([2, 1, 3, 4], by: 3),
    shuffleCase([1, 1, 1, 4], by: 2), shuffleCase([2, 3, 2, 12], by: 2), shuffleCase([2, 2, 3, 18], by: 3),
    shuffleCase([3, 2, 1, 68], by: 2), shuffleCase([2, 3, 3, 5], by: 1),
    poolCase([1, 1, 1, 1], .init(kernel: 1)), poolCase([2, 4, 6, 3], .init(kernel: 2, stride: 2)),
    poolCase([2, 5, 4, 17], .init(kernel: 3, stride: 2, padding: 1)),
    poolCase([2, 5, 4, 3], .init(kernel: 3, stride: 2, padding: 1), countsPadding: false),
    poolCase([1, 7, 8, 2], .init(kernel: 4, stride: 3, padding: 2), countsPadding: false),
    poolCase([2, 5, 5, 4], .init(kernel: 5)), poolCase([2, 6, 5, 2], .init(kernel: 2, stride: 3)),
    poolCase([1, 6, 6, 2], .init(kernel: 3, stride: 1, padding: 1)),
  ] + [
    OpCase(
      name: "one tensor enlarged, shuffled and pooled: gradients add up", batch: 2,
      leaves: [leaf(.input, [2, 2, 2, 4], salt: 1)],
      record: { graph, x in
        let one = graph.averagePool(graph.upsample(x[0], by: 2), window: .init(kernel: 2, stride: 2))
        let two = graph.upsample(x[0], by: 1), three = graph.pixelShuffle(x[0], by: 1)
        // The operation that is recorded last is the first to write the gradient.
        let four = graph.activate(x[0], .tanh)
        return graph.weightedSum([
          (graph.constant(1), one), (graph.constant(2), two), (graph.constant(-0.5), three), (graph.constant(1), four),
        ])
      },
      reference: { $0[0].map { 2.5 * $0 + tanh($0) } })
  ]
