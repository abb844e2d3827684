@testable import Data

/// The scaled values of samples, one after the other.
func filled(_ data: Dataset, _ indices: [Int]) throws -> [Float] {
  var values = [Float](repeating: .nan, count: indices.count * data.shape.elementCount)
  try values.withUnsafeMutableBufferPointer { target in
    try indices.withUnsafeBufferPointer { try data.fill($0, into: target.baseAddress!) }
  }
  return values
}

/// All rows of a source that is opened with a split, in the order of the source.
func allRows(_ path: String) throws -> (shape: SampleShape, element: ElementType, rows: [[Float]]) {
  let opened = try open(spec: path)
  let data = Dataset(opened.train.source, RowMap(rows: opened.train.rows, part: .all))
  try data.prepare(0..<data.count)
  return (data.shape, data.element, try (0..<data.count).map { try filled(data, [$0]) })
}
