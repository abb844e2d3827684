/// Spearman's rank correlation. Equal values share the mean of their ranks. Returns nil if one of the two is constant.
package func rankCorrelation(_ a: [Double], _ b: [Double]) -> Double? {
  precondition(a.count == b.count, "\(a.count) values ranked against \(b.count)")
  let x = ranks(a), y = ranks(b), mean = Double(a.count - 1) / 2
  var products = 0.0, squares = (0.0, 0.0)
  for (first, second) in zip(x, y) {
    products += (first - mean) * (second - mean)
    squares.0 += (first - mean) * (first - mean)
    squares.1 += (second - mean) * (second - mean)
  }
  let scale = (squares.0 * squares.1).squareRoot()
  return scale > 0 ? products / scale : nil
}

/// Ranks, counted from 0. Equal values share the mean of their ranks.
private func ranks(_ values: [Double]) -> [Double] {
  let order = values.indices.sorted { values[$0] < values[$1] }
  var ranks = [Double](repeating: 0, count: values.count), start = 0
  while start < order.count {
    var end = start
    while end + 1 < order.count, values[order[end + 1]] == values[order[start]] { end += 1 }
    for place in start...end { ranks[order[place]] = Double(start + end) / 2 }
    start = end + 1
  }
  return ranks
}
