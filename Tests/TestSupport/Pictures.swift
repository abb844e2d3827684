import CTurboJPEG
import CZlib

/// A PNG of any colour type and depth, with rows of packed samples and no filter. Its header may make false claims.
package struct PNGPicture {
  package var width, height: Int
  package var depth: UInt8 = 8
  /// 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
  package var colour: UInt8
  package var rows: [[UInt8]]
  package var palette: [UInt8] = []
  package var transparency: [UInt8] = []
  package var claimedWidth: UInt32?
  package var claimedHeight: UInt32?

  package init(width: Int, colour: UInt8, depth: UInt8 = 8, rows: [[UInt8]]) {
    (self.width, height) = (width, rows.count)
    (self.colour, self.depth, self.rows) = (colour, depth, rows)
  }

  /// An image with 8 bits and 1 or 3 channels. pixels: (height, width, channels)
  package init(width: Int, channels: Int, _ pixels: [UInt8]) {
    let row = width * channels
    self.init(
      width: width, colour: channels == 1 ? 0 : 2,
      rows: stride(from: 0, to: pixels.count, by: row).map { Array(pixels[$0..<$0 + row]) })
  }

  package var bytes: [UInt8] {
    let sizes = words([claimedWidth ?? UInt32(width), claimedHeight ?? UInt32(height)], bigEndian: true)
    var file: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
    file += Self.chunk("IHDR", sizes + [depth, colour, 0, 0, 0])
    if !palette.isEmpty { file += Self.chunk("PLTE", palette) }
    if !transparency.isEmpty { file += Self.chunk("tRNS", transparency) }
    let plain = rows.flatMap { row -> [UInt8] in [0] + row }
    var length = compressBound(uLong(plain.count))
    var packed = [UInt8](repeating: 0, count: Int(length))
    precondition(compress(&packed, &length, plain, uLong(plain.count)) == Z_OK)
    return file + Self.chunk("IDAT", Array(packed.prefix(Int(length)))) + Self.chunk("IEND", [])
  }

  private static func chunk(_ kind: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(kind.utf8) + data
    return words([UInt32(data.count)], bigEndian: true) + body + words([crc(body)], bigEndian: true)
  }
}

/// A JPEG of the best quality, with 1 channel (grey), 3 (RGB) or 4 (CMYK). pixels: (height, width, channels)
package func jpeg(width: Int, channels: Int, _ pixels: [UInt8], isProgressive: Bool = false) -> [UInt8] {
  let encoder = tjInitCompress()
  defer { tjDestroy(encoder) }
  var (file, size): (UnsafeMutablePointer<UInt8>?, UInt) = (nil, 0)
  defer { tjFree(file) }
  let height = pixels.count / width / channels
  let format = channels == 1 ? TJPF_GRAY : channels == 3 ? TJPF_RGB : TJPF_CMYK
  let sampling = channels == 1 ? TJSAMP_GRAY : TJSAMP_444
  let result = tjCompress2(
    encoder, pixels, Int32(width), 0, Int32(height), Int32(format.rawValue), &file, &size, Int32(sampling.rawValue),
    100, TJFLAG_ACCURATEDCT | (isProgressive ? TJFLAG_PROGRESSIVE : 0))
  precondition(result == 0, String(cString: tjGetErrorStr2(encoder)))
  return Array(UnsafeBufferPointer(start: file, count: Int(size)))
}

/// A JPEG with an EXIF segment that contains only an orientation.
package func withOrientation(_ orientation: UInt16, _ jpeg: [UInt8], bigEndian: Bool = false) -> [UInt8] {
  func number<Word: FixedWidthInteger>(_ value: Word) -> [UInt8] { words([value], bigEndian: bigEndian) }
  let tiff =
    Array((bigEndian ? "MM" : "II").utf8) + number(42 as UInt16) + number(8 as UInt32) + number(1 as UInt16)
    + number(0x0112 as UInt16) + number(3 as UInt16) + number(1 as UInt32) + number(orientation) + [0, 0]
    + number(0 as UInt32)
  let exif = Array("Exif\0\0".utf8) + tiff
  let length: [UInt8] = words([UInt16(exif.count + 2)], bigEndian: true)
  return Array(jpeg[..<2]) + [0xff, 0xe1] + length + exif + Array(jpeg[2...])
}
