import Kernels
import Persistence

/// A picture made of a grid of images.
package struct PictureGrid {
  /// The colour of pixels that are NaN: magenta, which does not occur in grey images and is rare in others.
  private static let notANumber: [UInt8] = [255, 0, 255]
  /// Cells are magnified to about this height in pixels.
  private static let cellHeight = 56
  /// Largest number of pixels of a picture: more than any screen shows, and little enough for any machine's memory.
  private static let mostPixels = 100_000_000

  private let images: [Float]
  private let height: Int
  private let width: Int
  private let channels: Int
  /// The index of the image in each cell, in reading order; nil for an empty cell.
  private let cells: [Int?]
  private let columns: Int
  private let scale: Int
  private let gap: Int
  /// Number of rows that form a group. The gap between groups is wider.
  private let band: Int
  private let background: UInt8
  /// Labels of the rows, from top to bottom.
  private var rowLabels: [String] = []

  /// Creates a grid.
  ///
  /// - images: (count, height, width, channels), clamped to [0, 1]. 1 channel is grey, 3 channels are RGB.
  /// - scale: integer magnification; by default, cells are at least about 56 pixels high.
  package init(
    images: [Float], count: Int, height: Int, width: Int, channels: Int, columns: Int, scale: Int? = nil,
    gap: Int = 2, background: UInt8 = 64
  ) {
    self.init(
      images: images, count: count, height: height, width: width, channels: channels, cells: Array(0..<count),
      columns: columns, scale: scale, gap: gap, band: 1, background: background)
  }

  /// Returns a grid of row pairs: `columns` inputs, and their reconstructions below them. Both are of shape (count,
  /// height, width, channels).
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
    let elements = checkedProduct([count, height, width, channels])
    precondition(elements == images.count, "PictureGrid: \(images.count) values for \(count) images")
    self.images = images
    self.height = height
    self.width = width
    self.channels = channels
    self.cells = cells
    self.columns = min(max(1, columns), max(1, cells.count))
    // Very wide images are magnified less, because the picture would be too wide.
    let fitting = min((Self.cellHeight + height - 1) / height, max(1, 8 * Self.cellHeight / width))
    self.scale = max(1, scale ?? fitting)
    self.gap = max(0, gap)
    self.band = band
    self.background = background
  }

  /// Returns the grid with a label to the left of each row.
  package func labelled(_ rowLabels: [String]) -> PictureGrid {
    var grid = self
    grid.rowLabels = rowLabels
    return grid
  }

  package var isEmpty: Bool { cells.isEmpty }

  private var rows: Int { max(1, (cells.count + columns - 1) / columns) }

  /// Returns the top of a row. Every row has a gap above it, and the first row of each later group has three more.
  private func top(_ row: Int) -> Int {
    gap + row * (height * scale + gap) + (band > 1 ? row / band * 3 * gap : 0)
  }

  /// The picture's size in pixels; nil if it exceeds the limit.
  private var size: (width: Int, height: Int)? {
    func extent(_ cells: Int, _ length: Int) -> Int? {
      guard let cell = checkedProduct([length, scale]), cell <= Self.mostPixels, gap <= Self.mostPixels,
        let all = checkedProduct([cells, cell + gap])
      else { return nil }
      return all
    }
    guard extent(columns, width) != nil, extent(rows, height) != nil else { return nil }
    let (wide, high) = (gap + columns * (width * scale + gap), top(rows - 1) + height * scale + gap)
    guard let pixels = checkedProduct([wide, high]), pixels <= Self.mostPixels else { return nil }
    return (wide, high)
  }

  /// Returns the picture in rows from the top. It has 3 channels if the images do or a value is NaN, and 1 otherwise.
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

  /// Returns the grid with the labels to its left.
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

  /// Draws one row of an image, magnified horizontally.
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

  /// Returns the picture as a PNG file in memory.
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

  /// Writes the picture as a PNG file, atomically.
  package func write(to path: String) throws(Failure) {
    let picture: EncodedPicture
    do throws(Failure) { picture = try encoded() } catch {
      throw Failure(error.status, "cannot write \(path.printable): \(error.message)", hint: error.hint)
    }
    try DurableFile.write(picture.png, to: path)
  }
}

/// A PNG file in memory and its extents.
package struct EncodedPicture {
  package let png: [UInt8]
  package let width: Int
  package let height: Int
  package let channels: Int
}
