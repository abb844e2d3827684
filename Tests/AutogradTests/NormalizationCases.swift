import Autograd
import Foundation

/// (x - mean) / sqrt(variance + 1e-5), with mean and variance over the places to which `set` gives the same number.
private func standardized(_ x: [Double], sets: [[Int]]) -> [Double] {
  var y = x
  for places in sets {
    let n = Double(places.count)
    let mean = places.reduce(0) { $0 + x[$1] } / n
    let variance = places.reduce(0) { $0 + (x[$1] - mean) * (x[$1] - mean) } / n
    for place in places { y[place] = (x[place] - mean) / (variance + Double(Float(1e-5))).squareRoot() }
  }
  return y
}

private func scaled(_ x: [Double], _ weight: [Double], _ bias: [Double], _ f: Activation) -> [Double] {
  x.indices.map { activation(f, x[$0] * weight[$0 % weight.count] + bias[$0 % weight.count]) }
}

private func leaves(_ shape: [Int], _ role: OpCase.Role) -> [OpCase.Leaf] {
  let width = shape[shape.count - 1]
  return [
    leaf(role, shape, salt: 1), leaf(.parameter, [width], salt: 2, scale: 0.7),
    leaf(.parameter, [width], salt: 3, scale: 0.4),
  ]
}

private func groupNormCase(
  _ shape: [Int], groups: Int, _ f: Activation = .identity, role: OpCase.Role = .input
) -> OpCase {
  let channels = shape[shape.count - 1], count = shape.dropFirst().reduce(1, *)
  let sets = (0..<shape[0] * groups).map { set in
    (0..<count).filter { $0 % channels / (channels / groups) == set % groups }.map { set / groups * count + $0 }
  }
  return OpCase(
    name: "group norm \(shape), \(groups) groups, \(f.rawValue), x is \(role)", batch: shape[0],
    leaves: leaves(shape, role),
    record: { $0.groupNorm($1[0], weight: $1[1], bias: $1[2], groups: groups, activation: f) },
    reference: { scaled(standardized($0[0], sets: sets), $0[1], $0[2], f) })
}

private func layerNormCase(_ shape: [Int], role: OpCase.Role = .input) -> OpCase {
  let width = shape[shape.count - 1]
  let sets = (0..<shape.reduce(1, *) / width).map { Array($0 * width..<($0 + 1) * width) }
  return OpCase(
    name: "layer norm \(shape), x is \(role)", batch: shape[0], leaves: leaves(shape, role),
    record: { $0.layerNorm($1[0], weight: $1[1], bias: $1[2]) },
    reference: { scaled(standardized($0[0], sets: sets), $0[1], $0[2], .identity) })
}

/// Channels below, at and above a vector; more pixels than a block of 2048 values holds, and a short last block.
let normalizationCases: [OpCase] =
  Activation.allCases.map { groupNormCase([2, 3, 2, 6], groups: 3, $0) } + [
    groupNormCase([3, 1, 1, 4], groups: 1),
    groupNormCase([2, 3, 3, 5], groups: 5, .tanh),
    groupNormCase([2, 4, 4, 16], groups: 4, .silu),
    groupNormCase([2, 5, 3, 33], groups: 11, .silu),
    groupNormCase([1, 3, 5, 18], groups: 2, .gelu, role: .data),
    groupNormCase([1, 13, 11, 16], groups: 2, .silu),
    groupNormCase([3, 24], groups: 3, .relu),
  ] + [
    layerNormCase([3, 4]), layerNormCase([2, 17]), layerNormCase([5, 33], role: .data), layerNormCase([2, 2, 3, 16]),
    layerNormCase([1, 48]),
  ] + [
    OpCase(
      name: "a residual block: one tensor normalised and added", batch: 2,
      leaves: [
        leaf(.input, [2, 3, 3, 4], salt: 1), leaf(.parameter, [4], salt: 2, scale: 0.5), leaf(.parameter, [4], salt: 3),
        leaf(.parameter, [1, 1, 4, 4], salt: 4, scale: 0.3), leaf(.parameter, [4], salt: 5),
      ],
      record: { graph, x in
        let h = graph.groupNorm(x[0], weight: x[1], bias: x[2], groups: 2, activation: .silu)
        let y = graph.convolution(h, weight: x[3], bias: x[4], window: .init(kernel: 1))
        return graph.activate(graph.add(x[0], to: y), .tanh)
      },
      reference: { x in
        let sets = (0..<4).map { set in (0..<36).filter { $0 % 4 / 2 == set % 2 }.map { set / 2 * 36 + $0 } }
        let h = scaled(standardized(x[0], sets: sets), x[1], x[2], .silu)
        return h.indices.map { i in
          let pixel = i / 4 * 4
          return tanh((0..<4).reduce(x[0][i] + x[4][i % 4]) { $0 + h[pixel + $1] * x[3][$1 * 4 + i % 4] })
        }
      }),
    OpCase(
      name: "one tensor and its layer norm", batch: 3, leaves: leaves([3, 5], .input),
      record: { graph, x in
        let y = graph.layerNorm(x[0], weight: x[1], bias: x[2])
        return graph.weightedSum([(graph.constant(1), y), (graph.constant(0.5), x[0])])
      },
      reference: { x in
        let sets = (0..<3).map { Array($0 * 5..<($0 + 1) * 5) }
        let y = scaled(standardized(x[0], sets: sets), x[1], x[2], .identity)
        return y.indices.map { y[$0] + 0.5 * x[0][$0] }
      }),
  ]
