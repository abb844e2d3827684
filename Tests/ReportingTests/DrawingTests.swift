import Testing

@testable import Reporting

@Suite struct DrawingTests {
  private func pixel(_ canvas: Canvas, _ x: Int, _ y: Int) -> [UInt8] {
    let at = 3 * (y * canvas.width + x)
    return Array(canvas.pixels[at..<at + 3])
  }

  @Test("A letter is drawn with its magnified pixels and stays on the canvas")
  func letters() {
    var canvas = Canvas(width: 20, height: 14, background: .grey(0))
    canvas.text("T1", x: 0, y: 0, scale: 1, .grey(255))
    let rows = (0..<7).map { y in (0..<12).map { pixel(canvas, $0, y)[0] == 255 ? "#" : "." }.joined() }
    #expect(
      rows == [
        "#####...#...", "..#....##...", "..#.....#...", "..#.....#...", "..#.....#...", "..#.....#...", "..#....###..",
      ])
    var large = Canvas(width: 4, height: 5, background: .grey(0))
    large.text("T", x: -1, y: 1, scale: 3, .grey(9))
    let expected = (0..<5).map { (1...3).contains($0) ? [9, 9, 9, 9] : $0 == 4 ? [0, 0, 0, 0] : [0, 0, 0, 0] }
    #expect((0..<5).map { y in (0..<4).map { Int(pixel(large, $0, y)[0]) } } == expected)
  }

  @Test("All printable characters have different pictures, and others are question marks")
  func font() {
    let letters = (0x21...0x7e).map { Character(Unicode.Scalar(UInt8($0))) }
    #expect(Set(letters.map { Array(Font.glyph($0)) }).count == letters.count)
    #expect(letters.allSatisfy { Font.glyph($0).contains { $0 != 0 } } && Font.glyph(" ").allSatisfy { $0 == 0 })
    #expect(Array(Font.glyph("\u{e9}")) == Array(Font.glyph("?")) && Array(Font.glyph("\n")) == Array(Font.glyph("?")))
  }

  @Test("A disc is opaque in the middle, smooth at the edge, and clipped at the border")
  func disc() {
    var canvas = Canvas(width: 9, height: 9, background: .grey(255))
    canvas.dot(x: 4.5, y: 4.5, radius: 2.7, Colour(red: 10, green: 20, blue: 30))
    #expect(pixel(canvas, 4, 4) == [10, 20, 30] && pixel(canvas, 0, 0) == [255, 255, 255])
    let edge = pixel(canvas, 4, 7)[0]
    #expect(edge > 10 && edge < 255)
    canvas.dot(x: -1, y: 40, radius: 3, .grey(0))
    canvas.dot(x: .nan, y: 2, radius: 3, .grey(0))
    #expect(pixel(canvas, 0, 0) == [255, 255, 255])
  }

  @Test("Points of a scatter plot have their places and the colours of the legend")
  func scatter() {
    // There is one class at each corner of a square, and the plot has a margin of 40 in 800 x 800.
    let plot = ScatterPlot(
      points: [-1, -1, 1, -1, -1, 1, 1, 1], labels: [7, 3, 3, 0], names: ["zero", "one", "two", "three"],
      caption: "four")
    let canvas = plot.render()
    let corners = [(40, 760), (760, 760), (40, 40), (760, 40)].map { pixel(canvas, $0.0, $0.1) }
    #expect(corners[1] == corners[2] && Set(corners).count == 3)
    // The legend shows classes 0, 3 and 7 with opaque colours.
    let legend = (0..<3).map { pixel(canvas, 808, 47 + 24 * $0) }
    #expect(legend == [[31, 119, 180], [255, 127, 14], [44, 160, 44]])
    for (corner, entry) in zip([corners[3], corners[1], corners[0]], legend) {
      #expect(zip(corner, entry).allSatisfy { $0 >= $1 }, "a little lighter: \(corner), \(entry)")
    }
    #expect(
      canvas.pixels
        != ScatterPlot(points: plot.points, labels: [7, 3, 3, 0], names: nil, caption: "four").render().pixels)
  }

  @Test("A scatter plot can have no point, one point, points that are not finite, and many classes")
  func odd() {
    #expect(ScatterPlot(points: [], labels: nil, names: nil, caption: "").render().width == 800)
    let one = ScatterPlot(points: [3, 4], labels: nil, names: nil, caption: "").render()
    #expect(pixel(one, 400, 400) != [255, 255, 255])
    _ = ScatterPlot(points: [.nan, 1, .infinity, 2, 0, 0], labels: nil, names: nil, caption: "").render()
    let labels = Array(0..<50)
    let many = ScatterPlot(points: labels.flatMap { [Float($0), 0] }, labels: labels, names: nil, caption: "")
    let colours = (0..<30).map { pixel(many.render(), 808, 47 + 24 * $0) }
    #expect(Set(colours).count == 30)
  }

  @Test("Labels beside the rows of a grid do not change its pixels")
  func labelledGrid() {
    let grid = PictureGrid(
      images: [0, 1, 0.5, 0.25], count: 4, height: 1, width: 1, channels: 1, columns: 2, scale: 20, gap: 1)
    let plain = grid.render(), labelled = grid.labelled(["z0 1.25", "z10"]).render()
    #expect(labelled.channels == 3 && labelled.height == plain.height)
    let margin = labelled.width - plain.width
    #expect(margin == 12 + 7 * 6 * 2)
    for y in 0..<plain.height {
      for x in 0..<plain.width {
        let at = 3 * (y * labelled.width + margin + x)
        #expect(labelled.pixels[at] == plain.pixels[y * plain.width + x])
      }
    }
    let words = (0..<labelled.height).map { y in
      (0..<margin).contains { labelled.pixels[3 * (y * labelled.width + $0)] == 220 }
    }
    // There are two rows of words, in the middle of cells of 20 pixels.
    #expect((0..<labelled.height).filter { words[$0] } == Array(4..<18) + Array(25..<39))
  }
}
