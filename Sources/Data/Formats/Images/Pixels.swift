import Kernels

/// A decoded image, (height, width, channels), with 1 or 3 channels.
struct Pixels {
  var width, height, channels: Int
  var bytes: [UInt8]

  /// Returns the central square resized to `size` pixels. Each pixel is a weighted mean of the source pixels that it
  /// covers. The weights are a triangle that is two source pixels wide (bilinear) for enlarging, and two target pixels
  /// wide for shrinking.
  func square(_ size: Int) -> Pixels {
    let side = min(width, height)
    let corner = ((height - side) / 2 * width + (width - side) / 2) * channels
    if side == size, width == height { return self }
    let taps = Taps(from: side, to: size)
    let wide = side * channels
    let middle = [UInt8](unsafeUninitializedCapacity: size * wide) { middle, count in
      withUnsafeTemporaryAllocation(of: Int32.self, capacity: wide) { sums in
        bytes.withUnsafeBufferPointer { bytes in
          guard let x = bytes.baseAddress, let y = middle.baseAddress, let sums = sums.baseAddress else { return }
          taps.withKernel { vd_resize_rows(y, x + corner, width * channels, wide, size, $0, sums) }
        }
      }
      count = size * wide
    }
    let result = [UInt8](unsafeUninitializedCapacity: size * size * channels) { result, count in
      if let y = result.baseAddress {
        taps.withKernel { vd_resize_columns(y, middle, wide, size, size, channels, $0) }
      }
      count = size * size * channels
    }
    return Pixels(width: size, height: size, channels: channels, bytes: result)
  }

  /// Returns the image rotated and mirrored as its EXIF orientation demands.
  func upright(_ orientation: Int) -> Pixels {
    guard orientation > 1 else { return self }
    var turned = self
    if orientation > 4 { (turned.width, turned.height) = (height, width) }
    for y in 0..<turned.height {
      for x in 0..<turned.width {
        let (fromX, fromY) =
          switch orientation {
          case 2: (width - 1 - x, y)
          case 3: (width - 1 - x, height - 1 - y)
          case 4: (x, height - 1 - y)
          case 5: (y, x)
          case 6: (y, height - 1 - x)
          case 7: (width - 1 - y, height - 1 - x)
          default: (width - 1 - y, x)
          }
        for c in 0..<channels {
          turned.bytes[(y * turned.width + x) * channels + c] = bytes[(fromY * width + fromX) * channels + c]
        }
      }
    }
    return turned
  }

  /// Converts RGB to grey with the weights of ITU-R BT.601, or grey to three equal channels.
  func with(channels wanted: Int) -> Pixels {
    guard wanted != channels else { return self }
    let count = width * height
    var result = self
    result.channels = wanted
    if wanted == 1 {
      result.bytes = (0..<count).map { i in
        let sum = 299 * Int(bytes[3 * i]) + 587 * Int(bytes[3 * i + 1]) + 114 * Int(bytes[3 * i + 2])
        return UInt8((sum + 500) / 1000)
      }
    } else {
      result.bytes = (0..<3 * count).map { bytes[$0 / 3] }
    }
    return result
  }
}

/// The source pixels and weights of each pixel of a resized axis.
private struct Taps {
  private var first: [Int32] = []
  private var weights: [Int32] = []
  private let count: Int

  private static let whole = 1 << 22

  init(from: Int, to: Int) {
    let ratio = Double(from) / Double(to)
    let reach = max(ratio, 1)
    count = 2 * Int(reach.rounded(.up)) + 1
    for i in 0..<to {
      let centre = (Double(i) + 0.5) * ratio
      let low = max(0, Int((centre - reach + 0.5).rounded(.down)))
      let high = max(low + 1, min(from, Int((centre + reach + 0.5).rounded(.down))))
      let shares: [Double] = (low..<high).map { max(0, 1 - abs(Double($0) + 0.5 - centre) / reach) }
      let total = shares.reduce(0, +)
      var row: [Int32] = shares.map { Int32(($0 / total * Double(Self.whole)).rounded()) }
      // Weights add up to exactly one, so that a uniform grey is preserved: the heaviest takes the rounding error.
      let heaviest = row.indices.max { row[$0] < row[$1] } ?? 0
      row[heaviest] += Int32(Self.whole) - row.reduce(0, +)
      let skipped = row.prefix { $0 == 0 }.count
      row.removeFirst(skipped)
      if let gap = row.firstIndex(of: 0) { row.removeSubrange(gap...) }
      first.append(Int32(low + skipped))
      weights += row + Array(repeating: 0, count: count - row.count)
    }
  }

  func withKernel(_ body: (UnsafePointer<vd_taps>) -> Void) {
    first.withUnsafeBufferPointer { first in
      weights.withUnsafeBufferPointer { weights in
        var taps = vd_taps(first: first.baseAddress, weights: weights.baseAddress, count: count)
        body(&taps)
      }
    }
  }
}
