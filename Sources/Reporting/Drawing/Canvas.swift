import Foundation
import Kernels

package struct Colour: Equatable {
  let red, green, blue: UInt8

  package static func grey(_ level: UInt8) -> Colour { Colour(red: level, green: level, blue: level) }

  /// - hue: the angle as a fraction of the colour circle, 0 to 1.
  /// - saturation: 0 to 1.
  /// - value: 0 to 1.
  package init(hue: Double, saturation: Double, value: Double) {
    func channel(_ n: Double) -> UInt8 {
      let k = (n + 6 * hue).truncatingRemainder(dividingBy: 6)
      return UInt8((value - value * saturation * max(0, min(k, 4 - k, 1))) * 255)
    }
    self.init(red: channel(5), green: channel(3), blue: channel(1))
  }

  package init(red: UInt8, green: UInt8, blue: UInt8) { (self.red, self.green, self.blue) = (red, green, blue) }
}

/// A picture to draw on.
package struct Canvas {
  package let width: Int
  package let height: Int
  /// RGB values, (height, width, 3).
  private(set) var pixels: [UInt8]

  package init(width: Int, height: Int, background: Colour) {
    (self.width, self.height) = (width, height)
    pixels = [UInt8](repeating: background.red, count: 3 * width * height)
    fill(x: 0, y: 0, width: width, height: height, background)
  }

  private mutating func blend(_ x: Int, _ y: Int, _ colour: Colour, _ share: Double) {
    guard (0..<width).contains(x), (0..<height).contains(y), share > 0 else { return }
    let at = 3 * (y * width + x)
    for (channel, value) in [colour.red, colour.green, colour.blue].enumerated() {
      let old = Double(pixels[at + channel])
      pixels[at + channel] = UInt8(max(0, min(255, old + (Double(value) - old) * share + 0.5)))
    }
  }

  package mutating func fill(x: Int, y: Int, width: Int, height: Int, _ colour: Colour) {
    for row in max(0, y)..<max(0, y, min(self.height, y + height)) {
      for column in max(0, x)..<max(0, x, min(self.width, x + width)) {
        let at = 3 * (row * self.width + column)
        (pixels[at], pixels[at + 1], pixels[at + 2]) = (colour.red, colour.green, colour.blue)
      }
    }
  }

  /// Draws a disc with a smooth edge.
  package mutating func dot(x: Double, y: Double, radius: Double, _ colour: Colour, opacity: Double = 1) {
    guard x.isFinite, y.isFinite else { return }
    for row in Int(y - radius - 1)...Int(y + radius + 1) {
      for column in Int(x - radius - 1)...Int(x + radius + 1) {
        let distance = hypot(Double(column) + 0.5 - x, Double(row) + 0.5 - y)
        blend(column, row, colour, opacity * max(0, min(1, radius + 0.5 - distance)))
      }
    }
  }

  package mutating func text(_ text: String, x: Int, y: Int, scale: Int = 2, _ colour: Colour) {
    for (place, letter) in text.enumerated() {
      for (column, bits) in Font.glyph(letter).enumerated() {
        for row in 0..<Font.height where bits >> row & 1 == 1 {
          fill(
            x: x + (place * Font.advance + column) * scale, y: y + row * scale, width: scale, height: scale, colour)
        }
      }
    }
  }

  /// Copies an image of shape (height, width, channels) to the canvas. One channel is grey.
  package mutating func paste(_ source: [UInt8], width: Int, height: Int, channels: Int, x: Int, y: Int) {
    precondition(x >= 0 && y >= 0 && x + width <= self.width && y + height <= self.height, "paste beyond the canvas")
    for row in 0..<height {
      for column in 0..<width {
        let from = (row * width + column) * channels, to = 3 * ((y + row) * self.width + x + column)
        for channel in 0..<3 { pixels[to + channel] = source[from + (channels == 3 ? channel : 0)] }
      }
    }
  }

  package func write(to path: String) throws(Failure) {
    try PNG.write(pixels: pixels, width: width, height: height, channels: 3, to: path)
  }
}
