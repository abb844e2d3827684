import Foundation
import Kernels
import TestSupport
import Testing

@testable import Data

/// A smooth picture, which JPEG changes little. (height, width, channels)
func gradient(_ width: Int, _ height: Int, channels: Int) -> [UInt8] {
  (0..<height).flatMap { y in
    (0..<width).flatMap { x in
      (0..<channels).map { c in UInt8(40 + 150 * x / width + [40, 0, 20, 10][c] * y / height) }
    }
  }
}

@Suite struct ImageTests {
  /// The only sample of a folder with one file.
  private func decoded(
    _ bytes: [UInt8], as name: String = "a.png", _ options: ImageOptions = ImageOptions()
  ) throws -> (shape: SampleShape, values: [Float]) {
    let scratch = try Scratch()
    _ = try scratch.write(name, bytes)
    let opened = try open(spec: scratch.path, images: options)
    let reader = opened.train.source.reader
    var values = [Float](repeating: -1, count: reader.shape.elementCount)
    try reader.read(row: 0, into: &values)
    return (reader.shape, values)
  }

  private func pixels(_ bytes: [UInt8]) -> [Float] { bytes.map(Float.init) }

  private func near(_ a: [Float], _ b: [Float], _ tolerance: Float) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance }
  }

  @Test("PNG files of every kind can be read: grey, RGB, 16 bits, 1 bit, palette, alpha, transparency")
  func png() throws {
    let grey = gradient(5, 4, channels: 1), colour = gradient(5, 4, channels: 3)
    #expect(try decoded(PNGPicture(width: 5, channels: 1, grey).bytes).values == pixels(grey))
    let plain = try decoded(PNGPicture(width: 5, channels: 3, colour).bytes)
    #expect(plain.values == pixels(colour) && plain.shape == .image(height: 4, width: 5, channels: 3))
    let deep = PNGPicture(width: 2, colour: 0, depth: 16, rows: [[0, 0, 0x80, 0x80], [0xff, 0xff, 0x40, 0x40]])
    #expect(try decoded(deep.bytes).values == [0, 128, 255, 64])
    let bits = PNGPicture(width: 4, colour: 0, depth: 1, rows: [[0b0101_0000], [0b1111_0000]])
    #expect(try decoded(bits.bytes).values == [0, 255, 0, 255, 255, 255, 255, 255])
    var palette = PNGPicture(width: 2, colour: 3, rows: [[0, 1]])
    palette.palette = [10, 20, 30, 200, 100, 50]
    #expect(try decoded(palette.bytes).values == [10, 20, 30, 200, 100, 50])
    palette.transparency = [0, 255]
    #expect(try decoded(palette.bytes).values == [255, 255, 255, 200, 100, 50], "what is transparent is white")
    let alpha = PNGPicture(width: 2, colour: 6, rows: [[1, 2, 3, 0, 90, 80, 70, 255]])
    #expect(try decoded(alpha.bytes).values == [255, 255, 255, 90, 80, 70])
    let greyAlpha = PNGPicture(width: 2, colour: 4, rows: [[7, 0, 7, 255]])
    #expect(try decoded(greyAlpha.bytes).values == [255, 7])
  }

  @Test("JPEG files of every kind can be read: colour, grey, progressive, CMYK")
  func jpegKinds() throws {
    for isProgressive in [false, true] {
      for channels in [1, 3] {
        let original = gradient(24, 17, channels: channels)
        let file = jpeg(width: 24, channels: channels, original, isProgressive: isProgressive)
        let found = try decoded(file, as: "a.jpg")
        #expect(found.shape == .image(height: 17, width: 24, channels: channels))
        #expect(near(found.values, pixels(original), 6))
      }
    }
    // Adobe's programs and libjpeg mark such files, in which 255 means no ink.
    let inks = [UInt8]((0..<64).flatMap { _ in [200, 150, 100, 255] })
    let found = try decoded(jpeg(width: 8, channels: 4, inks), as: "a.jpg")
    #expect(found.shape.channels == 3)
    #expect(near(found.values, (0..<64).flatMap { _ in [200, 150, 100] }, 3))
  }

  @Test("The type of a file does not depend on its name", arguments: ["a.jpg", "a.PNG", "b.jpeg"])
  func names(name: String) throws {
    let original = gradient(6, 6, channels: 3)
    #expect(try decoded(PNGPicture(width: 6, channels: 3, original).bytes, as: name).values == pixels(original))
    #expect(near(try decoded(jpeg(width: 6, channels: 3, original), as: name).values, pixels(original), 6))
  }

  @Test("EXIF orientations rotate and mirror images", arguments: 1...8, [false, true])
  func orientation(_ orientation: Int, bigEndian: Bool) throws {
    // The stored picture has 24 x 16 pixels. It is dark at the top left and bright at the bottom right.
    let stored = (0..<16).flatMap { y in (0..<24).map { x in UInt8(8 * y + 4 * x) } }
    let file = withOrientation(UInt16(orientation), jpeg(width: 24, channels: 1, stored), bigEndian: bigEndian)
    let found = try decoded(file, as: "a.jpg")
    let isTurned = orientation > 4
    #expect(found.shape == .image(height: isTurned ? 24 : 16, width: isTurned ? 16 : 24, channels: 1))
    // The sides at which row 0 and column 0 of the stored picture are shown, according to the standard.
    let (row0, column0) = [
      ("top", "left"), ("top", "right"), ("bottom", "right"), ("bottom", "left"), ("left", "top"), ("right", "top"),
      ("right", "bottom"), ("left", "bottom"),
    ][orientation - 1]
    let w = found.shape.width, h = found.shape.height
    func mean(_ side: String) -> Float {
      let line: [Int] =
        switch side {
        case "top": (0..<w).map { $0 }
        case "bottom": (0..<w).map { (h - 1) * w + $0 }
        case "left": (0..<h).map { $0 * w }
        default: (0..<h).map { $0 * w + w - 1 }
        }
      return line.reduce(0) { $0 + found.values[$1] } / Float(line.count)
    }
    #expect(abs(mean(row0) - 46) < 3 && abs(mean(column0) - 60) < 3, "\(row0) \(mean(row0)), \(column0)")
  }

  @Test("Resizing keeps constant images, gradients and the mean, and uses the middle square")
  func resizing() throws {
    for (width, height) in [(64, 64), (200, 100), (33, 70), (16, 16), (9, 300), (31, 47)] {
      let even = PNGPicture(width: width, channels: 3, [UInt8](repeating: 77, count: width * height * 3)).bytes
      #expect(try decoded(even, ImageOptions(size: 32)).values == [Float](repeating: 77, count: 32 * 32 * 3))
    }
    // Columns go from 0 to 255 within the middle square, and are black and white outside of it.
    let ramp = (0..<64).flatMap { _ in (0..<128).map { UInt8(clamping: ($0 - 32) * 4) } }
    let small = try decoded(PNGPicture(width: 128, channels: 1, ramp).bytes, ImageOptions(size: 16)).values
    for x in 1..<15 { #expect(abs(small[5 * 16 + x] - (Float(x) + 0.5) * 16 + 2) <= 1) }
    var generator = SplitMix(state: 3)
    let noise = (0..<96 * 96).map { _ in UInt8.random(in: 0...255, using: &generator) }
    let less = try decoded(PNGPicture(width: 96, channels: 1, noise).bytes, ImageOptions(size: 12)).values
    let mean = Float(noise.reduce(0) { $0 + Int($1) }) / Float(noise.count)
    #expect(abs(less.reduce(0, +) / 144 - mean) < 1 && (less.max() ?? 0) - (less.min() ?? 0) < 120, "no aliasing")
  }

  @Test("A large JPEG that is reduced during decoding is close to one that is reduced afterwards")
  func scaledDecoding() throws {
    let original = gradient(640, 480, channels: 3)
    let scaled = try decoded(jpeg(width: 640, channels: 3, original), as: "a.jpg", ImageOptions(size: 32)).values
    let exact = try decoded(PNGPicture(width: 640, channels: 3, original).bytes, ImageOptions(size: 32)).values
    #expect(near(scaled, exact, 3))
  }

  @Test("Colour becomes grey by BT.601, and grey becomes three equal channels")
  func channels() throws {
    let colour = PNGPicture(width: 3, channels: 3, [255, 0, 0, 0, 255, 0, 0, 0, 255]).bytes
    #expect(try decoded(colour, ImageOptions(channels: 1)).values == [76, 150, 29])
    let grey = PNGPicture(width: 2, channels: 1, [9, 8]).bytes
    #expect(try decoded(grey, ImageOptions(channels: 3)).values == [9, 9, 9, 8, 8, 8])
  }

  @Test("Sub-folders are classes in the order of their names, and hidden and other files are ignored")
  func classes() throws {
    let scratch = try Scratch()
    let manager = FileManager.default
    for (folder, grey) in [("zebra", 3), ("Ant", 1), ("bee", 2), (".git", 9), ("empty", 9)] {
      try manager.createDirectory(atPath: "\(scratch.path)/\(folder)", withIntermediateDirectories: true)
      guard folder != "empty" else { continue }
      for name in ["b.png", "a.png", "._a.png"] {
        let value = UInt8(grey * 10 + (name == "b.png" ? 1 : 0))
        _ = try scratch.write("\(folder)/\(name)", PNGPicture(width: 1, channels: 1, [value]).bytes)
      }
    }
    _ = try scratch.write("readme.txt", Array("not an image".utf8))
    try manager.createSymbolicLink(atPath: "\(scratch.path)/linked", withDestinationPath: "\(scratch.path)/Ant")
    let opened = try open(spec: scratch.path)
    let data = Dataset(opened.train.source, RowMap(rows: opened.train.rows, part: .all))
    #expect(data.classNames == ["Ant", "bee", "linked", "zebra"])
    #expect(try (0..<8).map { try filled(data, [$0])[0] } == [10, 11, 20, 21, 10, 11, 30, 31])
    #expect((0..<8).map { data.label(at: $0) } == [0, 0, 1, 1, 2, 2, 3, 3])
  }

  @Test("The sub-folders train and valid make a split")
  func split() throws {
    let scratch = try Scratch()
    for (number, folder) in ["train/a", "train/b", "val/a", "val/b"].enumerated() {
      try FileManager.default.createDirectory(atPath: "\(scratch.path)/\(folder)", withIntermediateDirectories: true)
      _ = try scratch.write("\(folder)/x.png", PNGPicture(width: 1, channels: 1, [UInt8(number)]).bytes)
    }
    let split = try openData(scratch.path, validation: nil)
    #expect(split.train.count == 2 && split.valid.count == 2)
    #expect(try filled(split.valid, [0, 1]) == [2, 3] && split.valid.label(at: 1) == 1)
    try FileManager.default.removeItem(atPath: scratch.path + "/val/a")
    #expect { try openData(scratch.path, validation: nil) } throws: { "\($0)".contains("classes") }
  }

  @Test("The digest depends on the names and contents of images and on the options")
  func fingerprints() throws {
    let scratch = try Scratch()
    func print(_ options: ImageOptions = ImageOptions()) throws -> String {
      try open(spec: scratch.path, images: options).train.source.reader.fingerprint
    }
    _ = try scratch.write("a.png", PNGPicture(width: 2, channels: 1, [1, 2]).bytes)
    let first = try print()
    #expect(try print() == first)
    #expect(try print(ImageOptions(size: 2)) != first && print(ImageOptions(channels: 3)) != first)
    _ = try scratch.write("a.png", PNGPicture(width: 2, channels: 1, [1, 3]).bytes)
    #expect(try print() != first)
  }

  @Test("A file that is changed or removed while in use is named, with status 74 or 66")
  func changes() throws {
    let scratch = try Scratch()
    let path = try scratch.write("a.png", PNGPicture(width: 2, channels: 1, [1, 2]).bytes)
    let reader = try open(spec: scratch.path).train.source.reader
    var values: [Float] = [0, 0]
    try reader.read(row: 0, into: &values)
    _ = try scratch.write("a.png", PNGPicture(width: 2, channels: 1, [200, 100]).bytes + [0])
    #expect { try reader.read(row: 0, into: &values) } throws: {
      ($0 as? Failure)?.status == .inputOutput && "\($0)".contains(path)
    }
    try FileManager.default.removeItem(atPath: path)
    #expect { try reader.read(row: 0, into: &values) } throws: {
      ($0 as? Failure)?.status == .missingInput && "\($0)".contains(path)
    }
  }
}
