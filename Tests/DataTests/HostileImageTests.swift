import Foundation
import Kernels
import TestSupport
import Testing

@testable import Data

@Suite struct HostileImageTests {
  /// Opens a folder and decodes all of its images.
  private func use(_ folder: String, _ options: ImageOptions = ImageOptions()) throws(Failure) {
    let reader = try open(spec: folder, images: options).train.source.reader
    let values = Buffer(count: reader.shape.elementCount)
    for row in 0..<reader.count { try reader.read(row: row, into: values.base) }
  }

  private func expectRefused(
    _ name: String, _ file: String, _ bytes: [UInt8], saying words: String, status: Failure.Status = .badData
  ) throws {
    let scratch = try Scratch()
    let path = try scratch.write(file, bytes)
    #expect { try use(scratch.path) } throws: { error in
      guard let failure = error as? Failure else { return false }
      #expect(failure.message.contains(path), "\(name): \(failure)")
      #expect(failure.message.contains(words), "\(name): \(failure)")
      #expect(failure.hint != nil || words.contains("empty"), "\(name)")
      return failure.status == status
    }
  }

  @Test("Each kind of hostile image is refused by name, before memory for its claimed size is allocated")
  func refused() throws {
    let picture = PNGPicture(width: 30, channels: 3, gradient(30, 20, channels: 3))
    let png = picture.bytes, photo = jpeg(width: 30, channels: 3, gradient(30, 20, channels: 3))
    try expectRefused("no bytes", "a.png", [], saying: "empty")
    try expectRefused("text", "a.png", Array("<html>not found".utf8), saying: "neither PNG nor JPEG")
    try expectRefused("GIF", "a.jpg", Array("GIF89a------".utf8), saying: "neither PNG nor JPEG")
    try expectRefused("WebP", "a.webp", Array("RIFF".utf8), saying: "a kind that is not read")
    try expectRefused("PNG: magic alone", "a.png", Array(png.prefix(8)), saying: "without its header")
    try expectRefused("PNG: cut", "a.png", Array(png.prefix(png.count - 30)), saying: "cannot be decoded")
    try expectRefused("JPEG: magic alone", "a.jpg", Array(photo.prefix(3)), saying: "ends before its frame")
    try expectRefused("JPEG: cut", "a.jpg", Array(photo.prefix(photo.count - 200)), saying: "cannot be decoded")
    for (width, height, words) in [
      (50_000, 50_000, "than its"), (0x7fff_ffff, 0x7fff_ffff, "than its"), (0, 20, "size of 0 x 20"),
    ] as [(UInt32, UInt32, String)] {
      var claim = picture
      (claim.claimedWidth, claim.claimedHeight) = (width, height)
      try expectRefused("PNG: \(width) x \(height)", "a.png", claim.bytes, saying: words)
    }
    // An image with 9,000 x 9,000 zeros in 80 KB, which is within the allowed compression ratio.
    var bomb = PNGPicture(width: 9000, colour: 0, rows: [])
    bomb.rows = Array(repeating: [UInt8](repeating: 0, count: 9000), count: 9000)
    bomb.claimedHeight = 9000
    try expectRefused("PNG: too many pixels", "a.png", bomb.bytes, saying: "more than the 67108864")
    let frame = try #require(photo.indices.first { photo[$0] == 0xff && photo[$0 + 1] == 0xc0 })
    for (at, value, words) in [
      (5, [0xff, 0xff, 0xff, 0xff], "65535 x 65535"), (5, [0, 0, 0, 30], "size of 30 x 0"), (4, [12], "12 bits"),
      (9, [7], "7 colour components"), (1, [0xc3], "lossless"), (1, [0xda], "without a frame"),
    ] as [(Int, [UInt8], String)] {
      var claim = photo
      claim.replaceSubrange(frame + at..<frame + at + value.count, with: value)
      try expectRefused("JPEG: \(words)", "a.jpg", claim, saying: words)
    }
  }

  @Test("Unsuitable folders, and links that are circular or dangling, are refused")
  func folders() throws {
    let manager = FileManager.default
    func expect(_ words: String, _ status: Failure.Status = .badData, _ make: (Scratch) throws -> Void) throws {
      let scratch = try Scratch()
      try make(scratch)
      #expect { try use(scratch.path) } throws: { error in
        #expect("\(error)".contains(words) && "\(error)".contains(scratch.path), "\(error)")
        return (error as? Failure)?.status == status
      }
    }
    let small = PNGPicture(width: 2, channels: 1, [1, 2]).bytes
    try expect("without images", .missingInput) { _ = try $0.write("notes.txt", small) }
    try expect("cannot be opened", .missingInput) {
      try manager.createSymbolicLink(atPath: $0.path + "/a.png", withDestinationPath: "nowhere.png")
    }
    try expect("not a regular file", .missingInput) { #expect(mkfifo($0.path + "/a.png", 0o600) == 0) }
    try expect("up: lies deeper") {
      try manager.createDirectory(atPath: $0.path + "/a", withIntermediateDirectories: true)
      _ = try $0.write("a/a.png", small)
      try manager.createSymbolicLink(atPath: $0.path + "/a/up", withDestinationPath: $0.path)
    }
    try expect("and in its sub-folder loop") {
      _ = try $0.write("a.png", small)
      try manager.createSymbolicLink(atPath: $0.path + "/loop", withDestinationPath: $0.path)
    }
    try expect("and in its sub-folder b") {
      try manager.createDirectory(atPath: $0.path + "/b", withIntermediateDirectories: true)
      _ = try $0.write("b/a.png", small)
      _ = try $0.write("a.png", small)
    }
    try expect("is 1 x 1 pixels") {
      _ = try $0.write("a.png", small)
      _ = try $0.write("b.png", PNGPicture(width: 1, channels: 1, [1]).bytes)
    }
    try expect("is in colour") {
      _ = try $0.write("a.png", small)
      _ = try $0.write("b.png", PNGPicture(width: 2, channels: 3, [1, 2, 3, 4, 5, 6]).bytes)
    }
  }

  @Test("Options for image files are refused for other data")
  func options() throws {
    #expect { try openData("digits", validation: nil, images: ImageOptions(size: 32)) } throws: {
      ($0 as? Failure)?.status == .badConfiguration
    }
    _ = try openData("digits", validation: nil, images: ImageOptions(size: 8, channels: 1))
  }

  static let valid: [(file: String, bytes: [UInt8])] = {
    let colour = gradient(20, 14, channels: 3)
    var palette = PNGPicture(width: 8, colour: 3, depth: 4, rows: Array(repeating: [0x01, 0x10, 0x11, 0x00], count: 9))
    palette.palette = [1, 2, 3, 250, 240, 230]
    palette.transparency = [100]
    let alpha = PNGPicture(
      width: 6, colour: 6, depth: 16, rows: (0..<7).map { y in (0..<48).map { UInt8(($0 * 5 + y * 3) & 255) } })
    return [
      ("rgb.png", PNGPicture(width: 20, channels: 3, colour).bytes), ("palette.png", palette.bytes),
      ("alpha.png", alpha.bytes), ("rgb.jpg", withOrientation(6, jpeg(width: 20, channels: 3, colour))),
      ("progressive.jpg", jpeg(width: 20, channels: 3, colour, isProgressive: true)),
      ("grey.jpg", jpeg(width: 20, channels: 1, gradient(20, 14, channels: 1))),
      ("inks.jpg", jpeg(width: 20, channels: 4, gradient(20, 14, channels: 4))),
    ]
  }()

  @Test("A mutated image gives an image, or a failure that names it", arguments: 0..<7)
  func mutations(number: Int) throws {
    let scratch = try Scratch()
    let (file, original) = Self.valid[number]
    _ = try scratch.write(file, original)
    try use(scratch.path)
    var generator = SplitMix(state: UInt64(number))
    var (accepted, refused) = (0, 0)
    for _ in 0..<1500 {
      var bytes = mutated(original, &generator)
      // Half of the mutants keep the magic number, because otherwise most would be refused there.
      if Bool.random(using: &generator) { bytes.replaceSubrange(0..<min(8, bytes.count), with: original.prefix(8)) }
      let path = try scratch.write(file, bytes)
      do {
        try use(scratch.path, ImageOptions(size: Bool.random(using: &generator) ? 8 : 0))
        accepted += 1
      } catch let failure {
        #expect(failure.message.contains(path) && failure.status == .badData, "\(failure)")
        #expect(failure.description.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0a })
        refused += 1
      }
    }
    #expect(accepted + refused == 1500 && refused > 100 && accepted > 0, "\(accepted) accepted")
  }
}
