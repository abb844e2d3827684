import Kernels
import Persistence

/// Images side by side in one picture.
package struct PictureGrid {
  /// Magenta, which no grey picture contains and few others do: a value that is not a number must be seen.
  private static let notANumber: [UInt8] = [255, 0, 255]
  /// Cells are magnified until they are about so high. pixels
  private static let cellHeight = 56
  /// More than any screen shows, and less than any memory lacks. pixels
  private static let mostPixels = 100_000_000

  private let images: [Float]
  private let height: Int
  private let width: Int
  private let channels: Int
  /// The images in reading order; nil leaves a cell empty.
  private let cells: [Int?]
  private let columns: Int
  private let scale: Int
  private let gap: Int
  /// So many rows belong together; the gap after them is wider.
  private let band: Int
  private let background: UInt8
  /// Beside the rows, in reading order.
  private var rowLabels: [String] = []

  /// images: (count, height, width, channels) in [0, 1], others are clamped; 1 channel is grey, 3 are RGB.
  /// `scale`: whole magnification, by default such that a cell is at least about 56 pixels high.
  package init(
    images: [Float], count: Int, height: Int, width: Int, channels: Int, columns: Int, scale: Int? = nil,
    gap: Int = 2, background: UInt8 = 64
  ) {
    self.init(
      images: images, count: count, height: height, width: width, channels: channels, cells: Array(0..<count),
      columns: columns, scale: scale, gap: gap, band: 1, background: background)
  }

  /// Pairs of rows: `columns` inputs and below them their reconstructions, both (count, height, width, channels).
  package static func reconstructions(
    inputs: [Float], reconstructions: [Float], count: Int, height: Int, width: Int, channels: Int, columns: Int,
    scale: Int? = nil, gap: Int = 2, background: UInt8 = 64
  ) -> PictureGrid {
    precondition(inputs.count == reconstructions.count, "PictureGrid: as many reconstructions as inputs")
    let columns = min(max(1, columns), max(1, count))
    let cells = stride(from: 0, to: count, by: columns).flatMap { first in
      let row = (first..<first + columns).map { $0 < count ? $0 : nil }
      return row + row.map { $0.map { $0 + count } }
    }
    return PictureGrid(
      images: inputs + reconstructions, count: 2 * count, height: height, width: width, channels: channels,
      cells: cells, columns: columns, scale: scale, gap: gap, band: 2, background: background)
  }

  private init(
    images: [Float], count: Int, height: Int, width: Int, channels: Int, cells: [Int?], columns: Int, scale: Int?,
    gap: Int, band: Int, background: UInt8
  ) {
    precondition(channels == 1 || channels == 3, "PictureGrid: \(channels) channels")
    precondition(height > 0 && width > 0, "PictureGrid: images of \(height) x \(width)")
    let elements = Picture.elements([count, height, width, channels])
    precondition(elements == images.count, "PictureGrid: \(images.count) values for \(count) images")
    self.images = images
    self.height = height
    self.width = width
    self.channels = channels
    self.cells = cells
    self.columns = min(max(1, columns), max(1, cells.count))
    // A very wide image is not magnified to a poster for being low.
    let fitting = min((Self.cellHeight + height - 1) / height, max(1, 8 * Self.cellHeight / width))
    self.scale = max(1, scale ?? fitting)
    self.gap = max(0, gap)
    self.band = band
    self.background = background
  }

  /// With a word to the left of each row.
  package func labelled(_ rowLabels: [String]) -> PictureGrid {
    var grid = self
    grid.rowLabels = rowLabels
    return grid
  }

  package var isEmpty: Bool { cells.isEmpty }

  private var rows: Int { max(1, (cells.count + columns - 1) / columns) }

  /// Where a row begins: every row has a gap above it, the first of a later band three more.
  private func top(_ row: Int) -> Int {
    gap + row * (height * scale + gap) + (band > 1 ? row / band * 3 * gap : 0)
  }

  /// The picture's size in pixels; nil where it is beyond reason.
  private var size: (width: Int, height: Int)? {
    func extent(_ cells: Int, _ length: Int) -> Int? {
      guard let cell = Picture.elements([length, scale]), cell <= Self.mostPixels, gap <= Self.mostPixels,
        let all = Picture.elements([cells, cell + gap])
      else { return nil }
      return all
    }
    guard extent(columns, width) != nil, extent(rows, height) != nil else { return nil }
    let (wide, high) = (gap + columns * (width * scale + gap), top(rows - 1) + height * scale + gap)
    guard let pixels = Picture.elements([wide, high]), pixels <= Self.mostPixels else { return nil }
    return (wide, high)
  }

  /// The picture, rows from the top; 3 channels where the images have them or a value is not a number, else 1.
  package func render() -> (pixels: [UInt8], width: Int, height: Int, channels: Int) {
    guard let size else { preconditionFailure("PictureGrid: \(cells.count) images make too large a picture") }
    let depth = channels == 3 || images.contains { $0.isNaN } ? 3 : 1
    var pixels = [UInt8](repeating: background, count: size.width * size.height * depth)
    for (place, image) in cells.enumerated() {
      guard let image else { continue }
      let left = gap + place % columns * (width * scale + gap)
      for y in 0..<height {
        let start = ((top(place / columns) + y * scale) * size.width + left) * depth
        draw(row: (image * height + y) * width * channels, at: start, depth: depth, into: &pixels)
        let line = start..<start + width * scale * depth
        for copy in 1..<scale {
          let below = copy * size.width * depth
          for index in line { pixels[index + below] = pixels[index] }
        }
      }
    }
    return rowLabels.isEmpty
      ? (pixels, size.width, size.height, depth) : beside(pixels, size.width, size.height, depth)
  }

  /// The grid with its labels to the left of it.
  private func beside(
    _ grid: [UInt8], _ width: Int, _ height: Int, _ depth: Int
  ) -> (pixels: [UInt8], width: Int, height: Int, channels: Int) {
    let margin = 12 + (rowLabels.map { Font.width($0, scale: 2) }.max() ?? 0)
    var canvas = Canvas(width: margin + width, height: height, background: .grey(background))
    canvas.paste(grid, width: width, height: height, channels: depth, x: margin, y: 0)
    for (row, label) in rowLabels.prefix(rows).enumerated() {
      let middle = top(row) + (self.height * scale - 2 * Font.height) / 2
      canvas.text(label, x: 8, y: max(0, middle), .grey(220))
    }
    return (canvas.pixels, canvas.width, canvas.height, 3)
  }

  /// One row of an image, magnified along it.
  private func draw(row: Int, at start: Int, depth: Int, into pixels: inout [UInt8]) {
    var target = start
    for x in 0..<width {
      let values = images[(row + x * channels)..<(row + (x + 1) * channels)]
      let isNumber = !values.contains { $0.isNaN }
      for _ in 0..<scale {
        for channel in 0..<depth {
          let value = values[values.startIndex + min(channel, channels - 1)]
          pixels[target] = isNumber ? UInt8(max(0, min(1, value)) * 255 + 0.5) : Self.notANumber[channel]
          target += 1
        }
      }
    }
  }

  /// The picture as a PNG file's bytes.
  package func encoded() throws(Failure) -> EncodedPicture {
    guard size != nil else {
      throw Failure(
        .cannotCreate,
        "\(cells.count) images of \(width) x \(height) make a picture of more than \(Self.mostPixels) pixels",
        hint: "reduce -n")
    }
    let picture = render()
    let png = try PNG.encode(
      pixels: picture.pixels, width: picture.width, height: picture.height, channels: picture.channels)
    return EncodedPicture(png: png, width: picture.width, height: picture.height, channels: picture.channels)
  }

  /// Writes the picture as PNG, whole or not at all.
  package func write(to path: String) throws(Failure) {
    let picture: EncodedPicture
    do throws(Failure) { picture = try encoded() } catch {
      throw Failure(error.status, "cannot write \(path.printable): \(error.message)", hint: error.hint)
    }
    try DurableFile.write(picture.png, to: path)
  }
}

/// A PNG file and what is in it.
package struct EncodedPicture {
  package let png: [UInt8]
  package let width: Int
  package let height: Int
  package let channels: Int
}

enum Picture {
  /// The product of extents; nil where one is negative or the product overflows.
  static func elements(_ extents: [Int]) -> Int? {
    extents.reduce(1) { product, extent in
      guard let product, extent >= 0 else { return nil }
      let (result, overflow) = product.multipliedReportingOverflow(by: extent)
      return overflow ? nil : result
    }
  }
}
