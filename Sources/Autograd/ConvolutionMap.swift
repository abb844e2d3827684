import Kernels

/// Shape of an image in memory: (rows, columns, channels) in row-major order.
package struct ImageShape: Equatable, Sendable, CustomStringConvertible {
  package let rows, columns, channels: Int
  package var count: Int { rows * columns * channels }
  package var description: String { "\(rows)x\(columns)x\(channels)" }

  package init(rows: Int, columns: Int, channels: Int) {
    (self.rows, self.columns, self.channels) = (rows, columns, channels)
  }
}

/// Kernel size, stride, padding and groups of a convolution. They are the same for rows and columns.
package struct ConvolutionWindow: Equatable, Sendable {
  package var kernel, stride, padding, groups: Int

  package init(kernel: Int, stride: Int = 1, padding: Int = 0, groups: Int = 1) {
    (self.kernel, self.stride, self.padding, self.groups) = (kernel, stride, padding, groups)
  }

  /// Size of the small image: floor((large + 2 padding - kernel) / stride) + 1. Returns nil if the window does not fit.
  package func reduced(_ large: Int) -> Int? {
    let room = large + 2 * padding - kernel
    return room < 0 ? nil : room / stride + 1
  }

  /// Whether the numbers of values, of weights and of table entries fit into 32 bits.
  package func isCountable(large: ImageShape, small: ImageShape) -> Bool {
    let taps = kernel * kernel, most = Int(Int32.max)
    return [large, small].allSatisfy { $0.count <= most && $0.rows * $0.columns * taps <= most }
      && taps * large.channels * small.channels <= most
  }

  /// The smallest size that is reduced to `small`: (small - 1) stride - 2 padding + kernel, as in
  /// torch.nn.ConvTranspose2d.
  package func enlarged(_ small: Int) -> Int { (small - 1) * stride - 2 * padding + kernel }
}

/// The tables of a convolution: for each pixel of the small image, which values of the large image are multiplied by
/// which weights.
///
/// A convolution maps the large image to the small one, and a transposed convolution maps the small image to the large
/// one. Each is the input gradient of the other. Weights have shape (kernel, kernel, large channels / groups, small
/// channels).
final class ConvolutionMap {
  let large, small: ImageShape
  let window: ConvolutionWindow
  var taps: Int { window.kernel * window.kernel }
  /// Number of channels in one group.
  var largeDepth: Int { large.channels / window.groups }
  var smallDepth: Int { small.channels / window.groups }
  /// Whether products that write the large image are computed patch by patch instead of pixel by pixel. This is faster
  /// for images with few channels.
  let scatters: Bool

  /// Number of floats of the transposed weights, which products that write the large image use.
  var packedCount: Int { taps * large.channels * smallDepth }
  var patchCount: Int { 8 * taps * large.channels }

  /// Multiply-adds of one sample. Products with the padding are not computed.
  var multiplyAdds: Int {
    met(small.rows, large.rows) * met(small.columns, large.columns) * largeDepth * small.channels
  }

  /// Memory of the tables that `prepare` makes, in bytes. The few boxes are not counted.
  var tableBytes: Int {
    // Without groups, adjacent taps in a row of the window form one segment.
    func bytes(_ image: ImageShape) -> Int {
      let columns = window.groups == 1 ? image.columns : met(small.columns, large.columns)
      return met(small.rows, large.rows) * columns * MemoryLayout<vd_segment>.stride + image.rows * image.columns * 4
    }
    return bytes(small) + (scatters ? 0 : bytes(large))
  }

  private var gather = Table()
  private var adjoint = Table()
  private var boxes: [vd_box] = []
  private var strides: vd_box_strides
  /// Position of each window column in the transposed weights. Columns that meet neighbouring pixels are adjacent.
  private let order: [Int]
  /// Number of samples in one pass over the weight gradient. A pass has enough pixels to hide the cost of loading and
  /// storing the sums.
  private let block: Int

  init(large: ImageShape, small: ImageShape, window: ConvolutionWindow) {
    precondition(window.isCountable(large: large, small: small), "a convolution of \(large) and \(small) is too large")
    (self.large, self.small, self.window) = (large, small, window)
    scatters = window.groups == 1 && large.channels < 16
    let byPhase = (0..<window.stride).flatMap { phase in
      (0..<window.kernel).reversed().filter { $0 % window.stride == phase }
    }
    order = (0..<window.kernel).map { byPhase.firstIndex(of: $0)! }
    strides = vd_box_strides(
      x_sample: large.count, x_row: window.stride * large.columns * large.channels,
      x_column: window.stride * large.channels, g_sample: small.count, g_row: small.columns * small.channels,
      g_column: small.channels)
    block = max(1, 128 / (small.rows * small.columns))
  }

  deinit {
    gather.free()
    adjoint.free()
  }

  /// Makes the tables. It must be called once, before the first product.
  func prepare() {
    precondition(gather.c.positions == 0, "tables of a convolution made twice")
    gather = gatherTable
    if !scatters { adjoint = adjointTable }
    boxes = weightBoxes
  }

  /// Number of pairs of a small pixel and a tap that lies inside the large image, along one axis.
  private func met(_ small: Int, _ large: Int) -> Int {
    (0..<window.kernel).reduce(0) { $0 + seeing($1, small, large).count }
  }

  // MARK: Products

  /// How a product is written: overwrite the output, add to it, or overwrite it and apply relu after the bias. Products
  /// that are assembled from patches do not support relu.
  struct Mode: Equatable {
    let rawValue: Int32
    static let set = Mode(rawValue: Int32(VD_CONV_SET))
    static let add = Mode(rawValue: Int32(VD_CONV_ADD))
    static let relu = Mode(rawValue: Int32(VD_CONV_RELU))
  }

  /// small (+)= large * weight (+ bias)
  func toSmall(
    _ small: UnsafeMutablePointer<Float>, from large: UnsafePointer<Float>, weight: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, _ mode: Mode, samples: Int
  ) {
    for group in 0..<window.groups {
      let to = group * smallDepth
      vd_conv_gather(
        small + to, self.small.count, self.small.channels, large + group * largeDepth, self.large.count, weight + to,
        self.small.channels, bias.map { $0 + to }, mode.rawValue, smallDepth, samples, &gather.c)
    }
  }

  /// large (+)= small *^T weight (+ bias). `packed` (packedCount) receives the transposed weights, and `patches`
  /// (patchCount) is workspace.
  func toLarge(
    _ large: UnsafeMutablePointer<Float>, from small: UnsafePointer<Float>, weight: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, _ mode: Mode, packed: UnsafeMutablePointer<Float>,
    patches: UnsafeMutablePointer<Float>, samples: Int
  ) {
    let count = self.large.count, depth = self.small.channels
    if scatters {
      vd_transpose(packed, taps * largeDepth, weight, depth, taps * largeDepth, depth)
      if let bias {
        precondition(mode == .set, "patches have no activation")
        vd_fill_rows(large, bias, samples * self.large.rows * self.large.columns, self.large.channels)
      } else if mode != .add {
        large.zero(samples * count)
      }
      vd_conv_scatter(
        large, count, small, self.small.count, depth, depth, packed, taps * largeDepth, patches, samples, &gather.c)
      return
    }
    for group in 0..<window.groups {
      let turned = packed + group * taps * smallDepth * largeDepth
      for y in 0..<window.kernel {
        for x in 0..<window.kernel {
          let to = y * window.kernel + order[x]
          let tap = y * window.kernel + x
          vd_transpose(
            turned + to * smallDepth * largeDepth, largeDepth, weight + tap * largeDepth * depth + group * smallDepth,
            depth, largeDepth, smallDepth)
        }
      }
      let to = group * largeDepth
      vd_conv_gather(
        large + to, count, self.large.channels, small + group * smallDepth, self.small.count, turned, largeDepth,
        bias.map { $0 + to }, mode.rawValue, largeDepth, samples, &adjoint.c)
    }
  }

  /// gradient += gradient of the weights, for large images as input and small images as output gradient.
  func weightGradient(
    _ gradient: UnsafeMutablePointer<Float>, large: UnsafePointer<Float>, small: UnsafePointer<Float>, samples: Int
  ) {
    for group in 0..<window.groups {
      let to = group * smallDepth
      vd_conv_outer(
        gradient + to, self.small.channels, large + group * largeDepth, small + to, smallDepth, samples, block, boxes,
        boxes.count, &strides)
    }
  }

  // MARK: Tables

  /// The segments of all pixels, in memory that C code reads.
  private struct Table {
    var c = vd_conv_table()

    init() {}

    /// `visit` reports the segments of a pixel in order. It is called twice for each pixel: to count the segments and
    /// to store them.
    init(_ image: ImageShape, _ visit: (_ row: Int, _ column: Int, _ found: (vd_segment) -> Void) -> Void) {
      let start = Buffer.allocate(Int32.self, count: image.rows * image.columns + 1)
      func pass(_ kept: UnsafeMutablePointer<vd_segment>?) -> Int {
        var count = 0
        for pixel in 0..<image.rows * image.columns {
          var last = vd_segment(at: -1, row: 0, count: 0)
          visit(pixel / image.columns, pixel % image.columns) { segment in
            // Segments that are adjacent both in memory and in the weights are merged.
            if last.at + last.count == segment.at, last.row + last.count == segment.row {
              last.count += segment.count
            } else {
              last = segment
              count += 1
            }
            kept?[count - 1] = last
          }
          start[pixel + 1] = Int32(count)
        }
        return count
      }
      let segments = Buffer.allocate(vd_segment.self, count: pass(nil))
      _ = pass(segments)
      c = vd_conv_table(start: start, segments: segments, positions: image.rows * image.columns)
    }

    func free() {
      c.start?.deallocate()
      c.segments?.deallocate()
    }
  }

  /// For every pixel of the small image: the segments of the large image under its window.
  private var gatherTable: Table {
    Table(small) { row, column, found in
      for ky in 0..<window.kernel {
        let y = row * window.stride - window.padding + ky
        guard 0..<large.rows ~= y else { continue }
        for kx in 0..<window.kernel {
          let x = column * window.stride - window.padding + kx
          guard 0..<large.columns ~= x else { continue }
          found(
            vd_segment(
              at: Int32((y * large.columns + x) * large.channels), row: Int32((ky * window.kernel + kx) * largeDepth),
              count: Int32(largeDepth)))
        }
      }
    }
  }

  /// For every pixel of the large image: the segments of small pixels with a window that contains it.
  private var adjointTable: Table {
    Table(large) { row, column, found in
      for ky in (0..<window.kernel).reversed() {
        let up = row + window.padding - ky
        guard up >= 0, up % window.stride == 0, up / window.stride < small.rows else { continue }
        for kx in (0..<window.kernel).reversed() {
          let left = column + window.padding - kx
          guard left >= 0, left % window.stride == 0, left / window.stride < small.columns else { continue }
          found(
            vd_segment(
              at: Int32((up / window.stride * small.columns + left / window.stride) * small.channels),
              row: Int32((ky * window.kernel + order[kx]) * smallDepth), count: Int32(smallDepth)))
        }
      }
    }
  }

  /// The range of small pixels, along one axis, with tap k inside the large image.
  private func seeing(_ k: Int, _ small: Int, _ large: Int) -> Range<Int> {
    let first = max(0, (window.padding - k + window.stride - 1) / window.stride)
    let room = large - 1 + window.padding - k
    let last = room < 0 ? -1 : min(small - 1, room / window.stride)
    return first..<max(first, last + 1)
  }

  /// Blocks of rows of the weights, each with the range of small pixels that have these taps inside the large image.
  ///
  /// A box contains one tap. With few channels, it contains several taps of a window row that lie inside the large
  /// image for the same range of columns.
  private var weightBoxes: [vd_box] {
    let depth = largeDepth
    func box(_ ky: Int, _ taps: Range<Int>, _ rows: Range<Int>, _ columns: Range<Int>) -> vd_box {
      let y = rows.lowerBound * window.stride - window.padding + ky
      let x = columns.lowerBound * window.stride - window.padding + taps.lowerBound
      return vd_box(
        row: Int32((ky * window.kernel + taps.lowerBound) * depth), count: Int32(taps.count * depth),
        x: Int32((y * large.columns + x) * large.channels),
        g: Int32((rows.lowerBound * small.columns + columns.lowerBound) * small.channels), rows: Int32(rows.count),
        columns: Int32(columns.count))
    }
    var boxes: [vd_box] = []
    for ky in 0..<window.kernel {
      let rows = seeing(ky, small.rows, large.rows)
      if rows.isEmpty { continue }
      if depth >= 8 || window.groups > 1 {
        for kx in 0..<window.kernel {
          let columns = seeing(kx, small.columns, large.columns)
          if !columns.isEmpty { boxes.append(box(ky, kx..<kx + 1, rows, columns)) }
        }
        continue
      }
      var column = 0
      while column < small.columns {
        func taps(_ column: Int) -> Range<Int> {
          let left = column * window.stride - window.padding
          let first = max(0, -left)
          return first..<max(first, min(window.kernel, large.columns - left))
        }
        let seen = taps(column)
        var end = column + 1
        while end < small.columns, taps(end) == seen { end += 1 }
        if !seen.isEmpty { boxes.append(box(ky, seen, rows, column..<end)) }
        column = end
      }
    }
    return boxes
  }
}
