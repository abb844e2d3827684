/// Running count, mean, sum of squared deviations, minimum and maximum of each element of a sample. NaN marks a missing
/// value, which is not counted.
///
/// Merging follows Chan, Golub and LeVeque (1983). The result depends in its last bits on how rows were grouped. Ranks
/// that need the same bits for every number of ranks must merge fixed blocks in a fixed order.
package struct Moments: Sendable, Equatable {
  package private(set) var count = 0
  /// Number of samples with a value, for each element.
  private var present: [Double]
  package private(set) var mean: [Double]
  /// Sum of squared deviations from the mean, for each element.
  private var squares: [Double]
  package private(set) var minimum: [Double]
  package private(set) var maximum: [Double]

  package init(width: Int) {
    mean = Array(repeating: 0, count: width)
    squares = mean
    present = mean
    minimum = Array(repeating: .infinity, count: width)
    maximum = Array(repeating: -.infinity, count: width)
  }

  package var width: Int { mean.count }

  /// Adds one sample, (width).
  package mutating func add(_ row: UnsafePointer<Float>) {
    count += 1
    let width = width
    present.withUnsafeMutableBufferPointer { present in
      mean.withUnsafeMutableBufferPointer { mean in
        squares.withUnsafeMutableBufferPointer { squares in
          for j in 0..<width where !row[j].isNaN {
            present[j] += 1
            let delta = Double(row[j]) - mean[j]
            mean[j] += delta * (1 / present[j])
            squares[j] += delta * (Double(row[j]) - mean[j])
          }
        }
      }
    }
    minimum.withUnsafeMutableBufferPointer { minimum in
      maximum.withUnsafeMutableBufferPointer { maximum in
        for j in 0..<width {
          let value = Double(row[j])
          minimum[j] = value < minimum[j] ? value : minimum[j]
          maximum[j] = value > maximum[j] ? value : maximum[j]
        }
      }
    }
  }

  /// Adds the samples that `other` holds.
  package mutating func merge(_ other: Moments) {
    precondition(other.width == width, "moments of \(other.width) elements merged into \(width)")
    guard other.count > 0 else { return }
    guard count > 0 else {
      self = other
      return
    }
    for j in 0..<width where other.present[j] > 0 {
      let (mine, others) = (present[j], other.present[j])
      let total = mine + others
      let delta = other.mean[j] - mean[j]
      mean[j] = mine > 0 ? mean[j] + delta * others / total : other.mean[j]
      squares[j] += other.squares[j] + (mine > 0 ? delta * delta * mine * others / total : 0)
      minimum[j] = Swift.min(minimum[j], other.minimum[j])
      maximum[j] = Swift.max(maximum[j], other.maximum[j])
      present[j] = total
    }
    count += other.count
  }

  /// Population variance of element `j`; 0 before the first value.
  package func variance(_ j: Int) -> Double {
    present[j] == 0 ? 0 : Swift.max(0, squares[j] / present[j])
  }

  /// The smallest value over all elements.
  package var smallest: Double { minimum.min() ?? .infinity }

  /// The largest value over all elements.
  package var largest: Double { maximum.max() ?? -.infinity }

  /// All fields as one array: the count, then the numbers of values, means, squares, minima and maxima of all elements.
  package var serialized: [Double] {
    [Double(count)] + present + mean + squares + minimum + maximum
  }

  package static func serializedCount(width: Int) -> Int { 1 + 5 * width }

  package init(serialized values: [Double]) {
    precondition(values.count % 5 == 1, "\(values.count) numbers are not serialized moments")
    let width = values.count / 5
    func part(_ k: Int) -> [Double] { Array(values[1 + k * width..<1 + (k + 1) * width]) }
    count = Int(values[0])
    (present, mean, squares, minimum, maximum) = (part(0), part(1), part(2), part(3), part(4))
  }
}
