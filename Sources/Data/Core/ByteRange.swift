import Kernels

extension Dataset {
  /// Returns the largest stored byte over a range of prepared samples. Data whose largest byte is 0 or 1 are binary.
  package func largestByte(of range: Range<Int>) throws(Failure) -> Int {
    let width = shape.elementCount
    var most: UInt8 = 0
    let scratch = Buffer(count: width)
    for index in range {
      if let bytes = storedBytes(of: index) {
        most = max(most, vd_u8_max(bytes, width))
      } else {
        try readStored(index, into: scratch.base)
        var low: Float = 0, high: Float = 0
        vd_range(scratch.base, width, &low, &high)
        most = max(most, UInt8(min(255, max(0, high))))
      }
      Activity.advance()
      if most > 1 { break }  // callers only need to know that the values are not binary
    }
    return Int(most)
  }
}
