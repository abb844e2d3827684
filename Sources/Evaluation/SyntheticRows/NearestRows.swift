import Kernels

/// Nearest neighbours in a set of rows by Euclidean distance. Candidates are found with matrix products in single
/// precision, and their distances are then computed in double precision.
package struct NearestRows {
  package struct Neighbour: Equatable, Sendable {
    package let index: Int
    package let distance: Double
  }

  /// The rows to search. (count, width)
  package let rows: [Float]
  package let width: Int
  package var count: Int { rows.count / width }
  /// Mean that is subtracted from all rows, to reduce cancellation when squared norms are subtracted.
  private let center: [Float]
  private let centered: [Float]
  private let squares: [Float]
  private static let block = 64
  /// Number of additional candidates measured exactly, in case rounding changed their order.
  private static let spare = 4

  package init(_ rows: [Float], width: Int) {
    precondition(!rows.isEmpty && rows.count % width == 0, "\(rows.count) values in rows of \(width)")
    self.rows = rows
    self.width = width
    let moments = CodeVariances(rows, dimensions: width)
    let center = moments.mean.map { Float($0) }
    self.center = center
    centered = NearestRows.moved(rows, center)
    squares = NearestRows.squares(centered, width)
  }

  private static func moved(_ rows: [Float], _ center: [Float]) -> [Float] {
    var moved = rows
    for i in moved.indices { moved[i] -= center[i % center.count] }
    return moved
  }

  private static func squares(_ rows: [Float], _ width: Int) -> [Float] {
    rows.withUnsafeBufferPointer { rows in
      stride(from: 0, to: rows.count, by: width).map { first in
        Float(vd_sum_of_squares(rows.baseAddress! + first, width))
      }
    }
  }

  /// Calls `body` with the index of each query, its squared distances to all rows, and a bound on their rounding error.
  package func eachQuery(_ queries: [Float], _ body: (Int, UnsafeBufferPointer<Float>, _ doubt: Float) -> Void) {
    let block = NearestRows.block, moved = NearestRows.moved(queries, center)
    let own = NearestRows.squares(moved, width), largest = squares.max() ?? 0
    let products = Buffer(count: block * count)
    moved.withUnsafeBufferPointer { moved in
      for first in stride(from: 0, to: own.count, by: block) {
        let filled = min(block, own.count - first)
        Products.multiply(
          filled, count, width, moved.baseAddress! + first * width, centered, transposedB: true, beta: 0,
          into: products.base)
        for query in first..<first + filled {
          let row = products.base + (query - first) * count
          for i in 0..<count { row[i] = max(0, own[query] + squares[i] - 2 * row[i]) }
          body(query, UnsafeBufferPointer(start: row, count: count), 4e-6 * (own[query] + largest))
        }
      }
    }
  }

  /// The k nearest rows of each query, nearest first.
  /// - own: Maps a query to the row that it is identical to. That row is not counted as its neighbour.
  package func nearest(_ k: Int, to queries: [Float], own: ((Int) -> Int)? = nil) -> [[Neighbour]] {
    var found: [[Neighbour]] = []
    let kept = min(count, k + NearestRows.spare)
    eachQuery(queries) { query, distances, _ in
      let without = own?(query)
      var best: [(distance: Float, index: Int)] = []
      for (index, distance) in distances.enumerated() where index != without {
        if best.count == kept, distance >= best[kept - 1].distance { continue }
        let place = best.firstIndex { distance < $0.distance } ?? best.count
        if best.count == kept { best.removeLast() }
        best.insert((distance, index), at: place)
      }
      let exact = best.map { Neighbour(index: $0.index, distance: distance(queries, query, to: $0.index)) }
      found.append(Array(exact.sorted { ($0.distance, $0.index) < ($1.distance, $1.index) }.prefix(k)))
    }
    return found
  }

  /// The distance between a query and a row, computed in double precision. queries (count, width)
  package func distance(_ queries: [Float], _ query: Int, to row: Int) -> Double {
    var sum = 0.0
    for j in 0..<width {
      let difference = Double(queries[query * width + j]) - Double(rows[row * width + j])
      sum += difference * difference
    }
    return sum.squareRoot()
  }

  /// Distance of each row to its k-th nearest neighbour among the other rows.
  package func radii(_ k: Int) -> [Double] {
    nearest(k, to: rows, own: { $0 }).map { $0.last?.distance ?? 0 }
  }
}
