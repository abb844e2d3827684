/// The distance between consecutive indices along each axis of a row-major array.
@inlinable
package func rowMajorStrides(_ extents: [Int]) -> [Int] {
  var strides = [Int](repeating: 1, count: extents.count)
  for axis in extents.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * extents[axis + 1] }
  return strides
}

/// Visits the values of an array with its axes in another order, the last axis of that order fastest. `visit` receives
/// the number of values visited before and the position of the value.
@inlinable
package func walk(
  _ extents: [Int], strides: [Int], order: [Int], _ visit: (_ before: Int, _ place: Int) -> Void
) {
  var at = [Int](repeating: 0, count: extents.count), place = 0
  for i in 0..<extents.reduce(1, *) {
    visit(i, place)
    for axis in order.reversed() {
      at[axis] += 1
      place += strides[axis]
      if at[axis] < extents[axis] { break }
      place -= at[axis] * strides[axis]
      at[axis] = 0
    }
  }
}
