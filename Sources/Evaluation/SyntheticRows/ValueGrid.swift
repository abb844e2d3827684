import Data

/// The values that can occur in the data. An element takes only integers within the training range if all its training
/// values are integers, a categorical column takes exactly one category, and images stay within the range of the
/// training images. Draws from a likelihood do not satisfy these constraints by themselves.
package struct ValueGrid {
  private let scaling: Scaling
  private let width: Int
  /// Whether all training values of an element are integers in the units of the data.
  private let isWhole: [Bool]
  private let limits: [ClosedRange<Float>?]
  /// Index of the first element of each categorical column, and the number of its elements.
  private let categories: [(first: Int, size: Int)]

  /// Determines the possible values.
  /// - training: The training rows in the model's scale; NaN means a missing value. (count, width)
  package init(_ training: [Float], shape: SampleShape, schema: TableSchema?, scaling: Scaling) {
    let width = shape.elementCount
    self.scaling = scaling
    self.width = width
    var low = [Float](repeating: .infinity, count: width), high = [Float](repeating: -.infinity, count: width)
    var whole = [Bool](repeating: true, count: width)
    for (place, x) in training.enumerated() where !x.isNaN {
      let j = place % width, value = Self.stored(x, j, scaling)
      low[j] = min(low[j], value)
      high[j] = max(high[j], value)
      // Scaling and unscaling leaves rounding errors.
      if whole[j], abs(value - value.rounded()) > 1e-3 || abs(value) > 0x1p20 { whole[j] = false }
    }
    if shape.isImage {
      let least = low.min() ?? 0, range = least...max(least, high.max() ?? 0), isWhole = !whole.contains(false)
      self.isWhole = [Bool](repeating: isWhole, count: width)
      limits = [ClosedRange<Float>?](repeating: range, count: width)
    } else {
      isWhole = whole
      limits = (0..<width).map { j -> ClosedRange<Float>? in
        whole[j] && low[j] <= high[j] ? low[j].rounded()...high[j].rounded() : nil
      }
    }
    var first = 0, found: [(Int, Int)] = []
    for column in schema?.sampleColumns ?? [] {
      if column.categories != nil { found.append((first, column.size)) }
      first += column.size
    }
    categories = found.map { (first: $0.0, size: $0.1) }
  }

  private static func stored(_ x: Float, _ element: Int, _ scaling: Scaling) -> Float {
    let j = element % scaling.offset.count
    return x / scaling.scale[j] + scaling.offset[j]
  }

  /// Converts projected rows to the units of the data. x (count, width)
  package func stored(_ x: [Float]) -> [Float] {
    x.enumerated().map { place, x in
      let value = Self.stored(x, place % width, scaling)
      return isWhole[place % width] ? value.rounded() : value
    }
  }

  /// Projects rows onto the nearest possible values. x (count, width)
  package func project(_ x: [Float]) -> [Float] {
    var y = x
    for place in x.indices where !x[place].isNaN {
      let j = place % width
      guard isWhole[j] || limits[j] != nil else { continue }
      var value = Self.stored(x[place], j, scaling)
      if isWhole[j] { value.round() }
      if let limit = limits[j] { value = max(limit.lowerBound, min(limit.upperBound, value)) }
      let k = j % scaling.offset.count
      y[place] = (value - scaling.offset[k]) * scaling.scale[k]
    }
    for row in stride(from: 0, to: x.count, by: width) {
      for (first, size) in categories where !x[row + first].isNaN {
        let range = row + first..<row + first + size
        let best = range.max { x[$0] < x[$1] } ?? range.lowerBound
        for place in range { y[place] = place == best ? 1 : 0 }
      }
    }
    return y
  }

  /// Whether a row has a category that does not occur in training. row (width), projected
  package func isForeign(_ row: ArraySlice<Float>) -> Bool {
    categories.contains { first, size in row[row.startIndex + first + size - 1] == 1 }
  }
}
