import Autograd
import Foundation

/// A convolution by its definition: four loops in double precision.
private struct Reference {
  let large, small: ImageShape
  let window: ConvolutionWindow

  /// Calls back for every product: index in the large image, in the small one, and in the weights.
  func each(_ visit: (_ large: Int, _ small: Int, _ weight: Int) -> Void) {
    let depth = large.channels / window.groups, width = small.channels / window.groups
    for row in 0..<small.rows {
      for column in 0..<small.columns {
        for ky in 0..<window.kernel {
          for kx in 0..<window.kernel {
            let y = row * window.stride - window.padding + ky, x = column * window.stride - window.padding + kx
            guard 0..<large.rows ~= y, 0..<large.columns ~= x else { continue }
            for channel in 0..<small.channels {
              for d in 0..<depth {
                visit(
                  (y * large.columns + x) * large.channels + channel / width * depth + d,
                  (row * small.columns + column) * small.channels + channel,
                  ((ky * window.kernel + kx) * depth + d) * small.channels + channel)
              }
            }
          }
        }
      }
    }
  }

  func output(_ x: [Double], _ weight: [Double], _ bias: [Double], batch: Int, isTransposed: Bool, _ f: Activation)
    -> [Double]
  {
    let from = isTransposed ? small : large, to = isTransposed ? large : small
    return (0..<batch).flatMap { sample in
      var y = (0..<to.count).map { bias[$0 % to.channels] }
      each { l, s, w in
        if isTransposed {
          y[l] += x[sample * from.count + s] * weight[w]
        } else {
          y[s] += x[sample * from.count + l] * weight[w]
        }
      }
      return y.map { activation(f, $0) }
    }
  }
}

/// - image: the shape of the input; channels: the number of channels of the output.
private func convolutionCase(
  batch: Int, _ rows: Int, _ columns: Int, _ depth: Int, to channels: Int, _ window: ConvolutionWindow,
  transposed: Bool = false, outputPadding: Int = 0, _ f: Activation = .identity, role: OpCase.Role = .input
) -> OpCase {
  func extent(_ n: Int) -> Int { transposed ? window.enlarged(n) + outputPadding : window.reduced(n)! }
  let from = ImageShape(rows: rows, columns: columns, channels: depth)
  let to = ImageShape(rows: extent(rows), columns: extent(columns), channels: channels)
  let reference = Reference(large: transposed ? to : from, small: transposed ? from : to, window: window)
  let weight = [
    window.kernel, window.kernel, reference.large.channels / window.groups, reference.small.channels,
  ]
  return OpCase(
    name: (transposed ? "transposed " : "")
      + "convolution \(batch) x \(from) to \(to), \(window), \(f.rawValue), \(role)",
    batch: batch,
    leaves: [
      leaf(role, [batch, rows, columns, depth], salt: 1), leaf(.parameter, weight, salt: 2, scale: 0.3),
      leaf(.parameter, [channels], salt: 3),
    ],
    record: { graph, x in
      transposed
        ? graph.transposedConvolution(
          x[0], weight: x[1], bias: x[2], window: window, to: to, activation: f)
        : graph.convolution(x[0], weight: x[1], bias: x[2], window: window, activation: f)
    },
    reference: { reference.output($0[0], $0[1], $0[2], batch: batch, isTransposed: transposed, f) })
}

/// Odd sizes, strides, paddings and channels; batches and channels that do not fill a tile, and more than one.
let convolutionCases: [OpCase] =
  [
    convolutionCase(batch: 1, 1, 1, 1, to: 1, .init(kernel: 1)),
    convolutionCase(batch: 2, 5, 4, 3, to: 5, .init(kernel: 3, padding: 1), .tanh),
    convolutionCase(batch: 3, 6, 7, 1, to: 17, .init(kernel: 4, stride: 2, padding: 1), .softplus, role: .data),
    convolutionCase(batch: 9, 4, 4, 2, to: 3, .init(kernel: 4, stride: 2, padding: 1)),
    convolutionCase(batch: 11, 3, 3, 8, to: 2, .init(kernel: 2, stride: 2), .silu),
    convolutionCase(batch: 1, 5, 5, 9, to: 33, .init(kernel: 3, stride: 2, padding: 1)),
    convolutionCase(batch: 10, 4, 5, 3, to: 40, .init(kernel: 3, stride: 2, padding: 1), .relu),
    convolutionCase(batch: 2, 3, 5, 17, to: 16, .init(kernel: 3, padding: 2), .gelu),
    convolutionCase(batch: 2, 7, 6, 2, to: 4, .init(kernel: 3, stride: 3, padding: 2)),
    convolutionCase(batch: 1, 9, 8, 1, to: 2, .init(kernel: 5, stride: 2, padding: 4)),
    convolutionCase(batch: 2, 5, 6, 4, to: 6, .init(kernel: 3, stride: 2, padding: 1, groups: 2), .elu),
    convolutionCase(batch: 3, 4, 4, 3, to: 6, .init(kernel: 3, padding: 1, groups: 3)),
    convolutionCase(batch: 2, 6, 6, 2, to: 3, .init(kernel: 2, stride: 3)),
    convolutionCase(batch: 2, 2, 2, 2, to: 2, .init(kernel: 5, stride: 1, padding: 2), .sigmoid),
  ] + [
    convolutionCase(batch: 1, 1, 1, 1, to: 1, .init(kernel: 1), transposed: true),
    convolutionCase(batch: 2, 3, 4, 5, to: 3, .init(kernel: 4, stride: 2, padding: 1), transposed: true, .tanh),
    convolutionCase(batch: 3, 2, 3, 4, to: 17, .init(kernel: 4, stride: 2, padding: 1), transposed: true, .elu),
    convolutionCase(batch: 3, 2, 3, 4, to: 18, .init(kernel: 4, stride: 2, padding: 1), transposed: true, .relu),
    convolutionCase(batch: 3, 2, 2, 4, to: 3, .init(kernel: 4, stride: 2, padding: 1), transposed: true, .relu),
    convolutionCase(batch: 9, 3, 3, 3, to: 1, .init(kernel: 4, stride: 2, padding: 1), transposed: true),
    convolutionCase(
      batch: 2, 3, 2, 2, to: 16, .init(kernel: 3, stride: 2, padding: 1), transposed: true, outputPadding: 1),
    convolutionCase(
      batch: 2, 3, 2, 2, to: 5, .init(kernel: 3, stride: 3, padding: 1), transposed: true, outputPadding: 2),
    convolutionCase(batch: 1, 3, 3, 17, to: 20, .init(kernel: 3, padding: 1), transposed: true, .gelu, role: .data),
    convolutionCase(batch: 2, 3, 3, 4, to: 6, .init(kernel: 3, stride: 2, groups: 2), transposed: true, .silu),
    convolutionCase(batch: 2, 2, 2, 3, to: 4, .init(kernel: 2, stride: 3), transposed: true),
  ]
