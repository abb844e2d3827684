import Autograd
import Foundation
import Kernels

/// Columns of tables with numbers, categories and missing values.
let tableCases: [OpCase] = [
  [1], [1, 1, 1], [3], [2, 1, 4, 1, 1, 3], [1] + [Int](repeating: 5, count: 7),
].flatMap { sizes -> [OpCase] in
  let layout = TableLayout(sizes: sizes), batch = 4, n = layout.columns, numbers = max(1, layout.numbers)
  let x = table(layout, batch: batch)
  let name = "of columns \(sizes)"
  let location = leaf(.input, [batch, n], salt: 3, scale: 1.5)
  func likelihood(_ role: OpCase.Role, _ sigma: OpCase.Role) -> OpCase {
    OpCase(
      name: "likelihood of a table \(name), location is \(role), sigma is \(sigma)", batch: batch,
      leaves: [
        leaf(.data, [batch, n], x), leaf(role, [batch, n], salt: 3, scale: 1.5), leaf(sigma, [numbers], salt: 4),
      ],
      record: { $0.table($1[0], location: $1[1], raw: $1[2], floor: -1.5, layout) },
      reference: { loss($0[0], $0[1], $0[2], layout, batch: batch) })
  }
  let mean = OpCase(
    name: "mean of a table \(name)", batch: batch, leaves: [location], record: { $0.tableMean($1[0], layout) },
    reference: { means($0[0], layout, batch: batch) })
  let fixed = OpCase(
    name: "likelihood of a table \(name), one sigma, no floor", batch: batch,
    leaves: [leaf(.data, [batch, n], x), location],
    record: { graph, x in graph.table(x[0], location: x[1], raw: graph.constant(-0.75), layout) },
    reference: { loss($0[0], $0[1], [Double](repeating: -0.75, count: n), layout, batch: batch, floor: nil) })
  let sample = OpCase(
    name: "sample of a table \(name)", batch: batch, leaves: [leaf(.data, [batch, n], salt: 3)],
    record: { graph, x in
      graph.tableSample(x[0], raw: graph.constant(-0.75), floor: -.infinity, layout, stream: "table")
    },
    reference: { draws($0[0], layout, batch: batch) })
  let masked = OpCase(
    name: "observed values \(name)", batch: batch, leaves: [leaf(.data, [batch, n], x)],
    record: { $0.observed($1[0], masked: true) },
    reference: { x in
      (0..<batch).flatMap { row in
        let values = x[0][row * n..<(row + 1) * n]
        return values.map { $0.isNaN ? 0 : $0 } + values.map { $0.isNaN ? 0 : 1 }
      }
    })
  return [
    fixed, sample, masked, likelihood(.input, .parameter), likelihood(.data, .parameter), likelihood(.input, .data),
    mean,
  ]
}

/// Rows in which each column is missing once.
private func table(_ layout: TableLayout, batch: Int) -> [Float] {
  (0..<batch).flatMap { row in
    layout.sizes.enumerated().flatMap { column, size -> [Float] in
      if (row + column) % 4 == 3 { return [Float](repeating: .nan, count: Int(size)) }
      if size == 1 { return values(1, salt: 10 * row + column) }
      return (0..<Int(size)).map { $0 == (row + 2 * column) % Int(size) ? 1 : 0 }
    }
  }
}

private func logSumExp(_ x: ArraySlice<Double>) -> Double {
  let highest = x.max() ?? 0
  return highest + log(x.reduce(0) { $0 + exp($1 - highest) })
}

private func loss(
  _ x: [Double], _ location: [Double], _ raw: [Double], _ layout: TableLayout, batch: Int, floor: Double? = -1.5
) -> [Double] {
  (0..<batch).map { row in
    var at = row * layout.columns, number = 0, sum = 0.0
    for size in layout.sizes.map(Int.init) {
      defer { at += size }
      if size == 1 {
        let sigma = floor.map { $0 + log1p(exp(raw[number] - $0)) } ?? raw[number], d = location[at] - x[at]
        number += 1
        if !x[at].isNaN { sum += d * d / (2 * exp(2 * sigma)) + sigma + log(2 * Double.pi) / 2 }
      } else if !x[at].isNaN {
        let chosen = (0..<size).reduce(0) { $0 + x[at + $1] * location[at + $1] }
        sum += logSumExp(location[at..<at + size]) - chosen
      }
    }
    return sum
  }
}

private func means(_ location: [Double], _ layout: TableLayout, batch: Int) -> [Double] {
  (0..<batch).flatMap { row -> [Double] in
    var at = row * layout.columns
    return layout.sizes.map(Int.init).flatMap { size -> [Double] in
      defer { at += size }
      let part = location[at..<at + size]
      return size == 1 ? Array(part) : part.map { exp($0 - logSumExp(part)) }
    }
  }
}

/// With sigma exp(-0.75).
private func draws(_ location: [Double], _ layout: TableLayout, batch: Int) -> [Double] {
  let n = layout.columns, groups = layout.sizes.count
  let normals = OpCase.drawn("table", batch: batch, columns: n, normal: true)
  let uniforms = OpCase.drawn("table of categories", batch: batch, columns: groups, normal: false)
  return (0..<batch).flatMap { row -> [Double] in
    var at = row * n
    return layout.sizes.enumerated().flatMap { column, size -> [Double] in
      defer { at += Int(size) }
      if size == 1 { return [location[at] + exp(-0.75) * Double(normals[at])] }
      let part = location[at..<at + Int(size)], total = logSumExp(part)
      var below = 0.0, chosen = 0
      for logit in part.dropLast() {
        below += exp(logit - total)
        if below > Double(uniforms[row * groups + column]) { break }
        chosen += 1
      }
      return (0..<Int(size)).map { $0 == chosen ? 1 : 0 }
    }
  }
}
