import CPNG
import Data
import Foundation
import Kernels
import Testing

@testable import Reporting
@testable import Results
@testable import Training

private let scratch = FileManager.default.temporaryDirectory.path + "/vae-dist-picture-\(UUID().uuidString)"

/// Decodes a PNG file with libpng. pixels: (height, width, channels).
private func decode(_ path: String, channels: Int) -> (pixels: [UInt8], width: Int, height: Int, grey: Bool)? {
  var image = png_image()
  defer { png_image_free(&image) }
  image.version = UInt32(PNG_IMAGE_VERSION)
  guard png_image_begin_read_from_file(&image, path) != 0 else { return nil }
  let grey = image.format & UInt32(PNG_FORMAT_FLAG_COLOR) == 0
  image.format = channels == 3 ? UInt32(PNG_FORMAT_FLAG_COLOR) : 0
  var pixels = [UInt8](repeating: 0, count: Int(image.width) * Int(image.height) * channels)
  guard png_image_finish_read(&image, nil, &pixels, 0, nil) != 0 else { return nil }
  return (pixels, Int(image.width), Int(image.height), grey)
}

private func names(_ directory: String) -> [String] {
  (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? ["unreadable"]
}

@Suite struct PictureTests {
  private func inScratch(_ body: (String) throws -> Void) throws {
    let directory = scratch + UUID().uuidString
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try body(directory)
  }

  @Test("A kind of picture that cannot be written is reported, and the others are written")
  func eachByItself() throws {
    try inScratch { directory in
      try #require(FileManager.default.createFile(atPath: directory + "/samples", contents: nil))
      let codes = LatentCodes(latent: 2, mu: [0, 1, 2, 3])
      let report = PictureReport(
        epoch: 3, step: 30, shape: .image(height: 2, width: 2, channels: 1), samples: [Float](repeating: 0.5, count: 8),
        originals: [0, 0, 1, 1], reconstructions: [0, 0, 1, 1],
        space: LatentSpaceReport(
          interpolations: [], units: [1], klPerUnit: [0.5], traversals: [Float](repeating: 1, count: 12), manifold: [],
          codes: codes))
      #expect(throws: Failure.self) { try PictureWriter(runDirectory: directory).observe(.pictures(report)) }
      // This report has no interpolations and no manifold, so there are no such pictures.
      #expect(Set(names(directory)) == ["samples", "reconstructions", "traversals", "latent"])
      #expect(names(directory + "/traversals") == ["epoch-00003.png"])
      #expect(Set(names(directory + "/latent")) == ["epoch-00003.png", "map.csv"])
    }
  }

  @Test(arguments: [(1, 1, 1), (1, 1, 3), (3, 5, 1), (5, 3, 3), (200, 1, 3), (1, 300, 1)])
  func comesBackFromPNG(width: Int, height: Int, channels: Int) throws {
    let pixels = (0..<width * height * channels).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
    try inScratch { directory in
      let path = directory + "/picture.png"
      try PNG.write(pixels: pixels, width: width, height: height, channels: channels, to: path)
      let read = try #require(decode(path, channels: channels))
      #expect(read.pixels == pixels && read.width == width && read.height == height && read.grey == (channels == 1))
      #expect(names(directory) == ["picture.png"])
    }
  }

  @Test func holdsWhatDoesNotCompress() throws {
    var state: UInt64 = 1
    let pixels = (0..<300 * 400 * 3).map { _ -> UInt8 in
      state = state &* 6_364_136_223_846_793_005 &+ 1
      return UInt8(truncatingIfNeeded: state >> 56)
    }
    let file = try PNG.encode(pixels: pixels, width: 400, height: 300, channels: 3)
    #expect(file.count > pixels.count)
  }

  /// The message of libpng must be reported with the name of the file.
  @Test(arguments: [(1_000_001, 1, "IHDR"), (0, 0, "IHDR"), (Int(Int32.max) + 1, 0, "too large")])
  func reportsWhatLibpngRefuses(width: Int, height: Int, words: String) throws {
    try inScratch { directory in
      let path = directory + "/picture.png"
      let pixels = [UInt8](repeating: 0, count: width * height)
      do throws(Failure) {
        try PNG.write(pixels: pixels, width: width, height: height, channels: 1, to: path)
        Issue.record("nothing was thrown")
      } catch {
        #expect(error.message.contains(words) && error.message.contains(path), "\(error)")
      }
      #expect(names(directory).isEmpty)
    }
  }

  @Test(arguments: [
    ("absent/picture.png", Failure.Status.cannotCreate), ("", .cannotCreate), ("/dev/full", .cannotCreate),
  ])
  func reportsTheFile(name: String, status: Failure.Status) throws {
    try inScratch { directory in
      let path = name.hasPrefix("/") ? name : directory + "/" + name
      do throws(Failure) {
        try PictureGrid(images: [0.5], count: 1, height: 1, width: 1, channels: 1, columns: 1).write(to: path)
        Issue.record("nothing was thrown")
      } catch {
        #expect(error.status == status && error.message.contains(path))
      }
    }
  }

  @Test func placesMagnifiesAndClamps() {
    // There are three images of 1 x 2 in two columns, magnified twice, with gaps of 1.
    let grid = PictureGrid(
      images: [0, 1, -5, 7, 0.5, .infinity], count: 3, height: 1, width: 2, channels: 1, columns: 2, scale: 2, gap: 1,
      background: 9)
    let picture = grid.render()
    #expect(picture.width == 11 && picture.height == 7 && picture.channels == 1)
    let blank = [UInt8](repeating: 9, count: 11)
    let first: [UInt8] = [9, 0, 0, 255, 255, 9, 0, 0, 255, 255, 9]
    let second: [UInt8] = [9, 128, 128, 255, 255, 9, 9, 9, 9, 9, 9]
    #expect(picture.pixels == blank + first + first + blank + second + second + blank)
  }

  @Test func keepsColours() {
    let grid = PictureGrid(
      images: [1, 0, 0, 0, 0.2, 1], count: 1, height: 2, width: 1, channels: 3, columns: 4, scale: 1, gap: 0)
    #expect(grid.render().pixels == [255, 0, 0, 0, 51, 255])
  }

  @Test(arguments: [1, 3]) func showsWhatIsNotANumber(channels: Int) {
    var images = [Float](repeating: 0.25, count: 2 * channels)
    images[channels] = .nan
    let picture = PictureGrid(
      images: images, count: 1, height: 1, width: 2, channels: channels, columns: 1, scale: 1, gap: 0
    ).render()
    #expect(picture.channels == 3 && picture.pixels == [64, 64, 64, 255, 0, 255])
  }

  @Test(arguments: [
    (8, 8, 56), (28, 28, 56), (27, 20, 81), (56, 56, 56), (57, 57, 57), (1, 1, 56), (1, 784, 1), (1, 30, 14),
  ])
  func choosesAScale(height: Int, width: Int, cell: Int) {
    let grid = PictureGrid(
      images: [Float](repeating: 0, count: height * width), count: 1, height: height, width: width, channels: 1,
      columns: 1, gap: 0)
    #expect(grid.render().height == cell)
  }

  @Test func putsInputsAboveReconstructions() {
    // Three pairs of one pixel in two columns make two bands, of which the second is half empty.
    let grid = PictureGrid.reconstructions(
      inputs: [0.2, 0.4, 0.6], reconstructions: [0.21, 0.41, 0.61], count: 3, height: 1, width: 1, channels: 1,
      columns: 2, scale: 1, gap: 1, background: 9)
    let picture = grid.render()
    #expect(picture.width == 5)
    let lines = stride(from: 0, to: picture.pixels.count, by: 5).map { Array(picture.pixels[$0..<$0 + 5]) }
    let blank: [UInt8] = [9, 9, 9, 9, 9]
    #expect(
      lines == [
        blank, [9, 51, 9, 102, 9], blank, [9, 54, 9, 105, 9], blank, blank, blank, blank, [9, 153, 9, 9, 9], blank,
        [9, 156, 9, 9, 9], blank,
      ])
  }

  @Test(arguments: [0, -3, 1, 1000]) func takesAnyNumberOfColumns(columns: Int) {
    let two = PictureGrid(images: [0, 1], count: 2, height: 1, width: 1, channels: 1, columns: columns).render()
    #expect(two.width == (columns == 1000 ? 118 : 60))
    let none = PictureGrid(images: [], count: 0, height: 4, width: 4, channels: 1, columns: columns).render()
    #expect(none.width > 0 && none.height > 0)
  }

  @Test(arguments: [(1, Int.max), (1, 1 << 32), (20_000, 1)]) func refusesPosters(count: Int, scale: Int) throws {
    let grid = PictureGrid(
      images: [Float](repeating: 0, count: count * 64), count: count, height: 8, width: 8, channels: 1, columns: 100,
      scale: scale == 1 ? 9 : scale)
    do throws(Failure) {
      try grid.write(to: scratch + "-poster.png")
      Issue.record("nothing was thrown")
    } catch {
      #expect(error.status == .cannotCreate && error.hint == "reduce -n")
    }
  }
}
