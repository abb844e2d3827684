import CPNG
import CTurboJPEG
import Kernels

/// Decoders of image files: libpng's simplified API and TurboJPEG's, which report errors without setjmp. Nothing is
/// kept between two images, so threads need not know of each other.
enum ImageDecoder {
  /// An upright sample of `channels` channels: the middle square of `size` pixels, or all of it where that is 0.
  static func decode(
    _ bytes: [UInt8], _ header: ImageHeader, size: Int, channels: Int, name: String
  ) throws(Failure) -> Pixels {
    let decoded =
      switch header.kind {
      case .png: try png(bytes, header, name)
      case .jpeg: try jpeg(bytes, header, smallest: 2 * size, name)
      }
    let sized = size == 0 ? decoded : decoded.square(size)
    return sized.upright(header.orientation).with(channels: channels)
  }

  /// Any PNG as 8 bits a channel; what is transparent shows white.
  private static func png(_ bytes: [UInt8], _ header: ImageHeader, _ name: String) throws(Failure) -> Pixels {
    var image = png_image()
    defer { png_image_free(&image) }
    image.version = UInt32(PNG_IMAGE_VERSION)
    // Swift does not see the macro PNG_IMAGE_FAILED; what is only a warning is none of ours.
    func check(_ result: Int32) throws(Failure) {
      if result != 0, image.warning_or_error & 3 <= UInt32(PNG_IMAGE_WARNING) { return }
      let message = withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      throw .malformed(
        name, "cannot be decoded: \(printable((message.isEmpty ? "unknown error" : message).utf8, limit: 64))",
        hint: "copy or download it again, or move it out of the folder")
    }
    try check(png_image_begin_read_from_memory(&image, bytes, bytes.count))
    guard Int(image.width) == header.width, Int(image.height) == header.height else { throw changed(name) }
    image.format = header.channels == 3 ? UInt32(PNG_FORMAT_FLAG_COLOR) : 0
    // 16 bits are taken to be what 8 would be, only finer.
    image.flags |= UInt32(PNG_IMAGE_FLAG_16BIT_sRGB)
    var white = png_color(red: 255, green: 255, blue: 255)
    var result: Int32 = 0
    let pixels = [UInt8](unsafeUninitializedCapacity: header.width * header.height * header.channels) { pixels, count in
      result = png_image_finish_read(&image, &white, pixels.baseAddress, 0, nil)
      // A failure leaves rows unwritten, and nobody sees them.
      count = pixels.count
    }
    try check(result)
    return Pixels(width: header.width, height: header.height, channels: header.channels, bytes: pixels)
  }

  /// - smallest: what the shorter side must keep; the discrete cosine transform does most of the shrinking.
  private static func jpeg(
    _ bytes: [UInt8], _ header: ImageHeader, smallest: Int, _ name: String
  ) throws(Failure) -> Pixels {
    guard let decoder = tjInitDecompress() else { throw Failure(.failure, "\(name): no memory to decode it") }
    defer { tjDestroy(decoder) }
    func failure() -> Failure {
      let message = tjGetErrorStr2(decoder).map { String(cString: $0) } ?? "unknown error"
      return .malformed(
        name, "cannot be decoded: \(printable(message.utf8, limit: 64))",
        hint: "copy or download it again, or move it out of the folder")
    }
    var (width, height, sampling, colours): (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
    guard
      tjDecompressHeader3(decoder, bytes, UInt(bytes.count), &width, &height, &sampling, &colours) == 0
    else { throw failure() }
    guard Int(width) == header.width, Int(height) == header.height else { throw changed(name) }
    let short = min(header.width, header.height)
    let divisor = smallest == 0 ? 1 : [8, 4, 2].first { (short + $0 - 1) / $0 >= smallest } ?? 1
    let (columns, rows) = ((header.width + divisor - 1) / divisor, (header.height + divisor - 1) / divisor)
    let (format, stored) = header.isCMYK ? (TJPF_CMYK, 4) : header.channels == 1 ? (TJPF_GRAY, 1) : (TJPF_RGB, 3)
    // A warning is an error: what a decoder makes up for bytes that are missing is not data.
    let flags = TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS
    var result: Int32 = 0
    var pixels = [UInt8](unsafeUninitializedCapacity: columns * rows * stored) { pixels, count in
      result = tjDecompress2(
        decoder, bytes, UInt(bytes.count), pixels.baseAddress, Int32(columns), 0, Int32(rows),
        Int32(format.rawValue), flags)
      count = pixels.count
    }
    guard result == 0 else { throw failure() }
    if header.isCMYK { pixels = coloured(pixels, isInverted: header.isInverted) }
    return Pixels(width: columns, height: rows, channels: header.channels, bytes: pixels)
  }

  /// RGB of cyan, magenta, yellow and black, without a colour profile: light that each ink lets through.
  private static func coloured(_ inks: [UInt8], isInverted: Bool) -> [UInt8] {
    func light(_ ink: UInt8) -> Int { isInverted ? Int(ink) : 255 - Int(ink) }
    return [UInt8](unsafeUninitializedCapacity: inks.count / 4 * 3) { colours, count in
      count = colours.count
      for i in 0..<inks.count / 4 {
        let black = light(inks[4 * i + 3])
        for c in 0..<3 { colours[3 * i + c] = UInt8((light(inks[4 * i + c]) * black + 127) / 255) }
      }
    }
  }

  private static func changed(_ name: String) -> Failure {
    Failure(
      .inputOutput, "\(name): the file has changed since it was opened", hint: "leave the data alone while it is used")
  }
}
