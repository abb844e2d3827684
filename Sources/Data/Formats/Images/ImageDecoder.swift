import CPNG
import CTurboJPEG
import Kernels

/// Decodes image files with libpng's simplified API and TurboJPEG, which report errors without setjmp. No state is kept
/// between images, so any thread may decode.
enum ImageDecoder {
  /// Returns an upright image with `channels` channels: the central square resized to `size` pixels, or the whole image
  /// if `size` is 0.
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

  /// Decodes any PNG to 8 bits per channel. Transparent pixels are blended with white.
  private static func png(_ bytes: [UInt8], _ header: ImageHeader, _ name: String) throws(Failure) -> Pixels {
    var image = png_image()
    defer { png_image_free(&image) }
    image.version = UInt32(PNG_IMAGE_VERSION)
    // Swift does not import the macro PNG_IMAGE_FAILED. Warnings are ignored.
    func check(_ result: Int32) throws(Failure) {
      if result != 0, image.warning_or_error & 3 <= UInt32(PNG_IMAGE_WARNING) { return }
      let message = withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      throw .malformed(
        name, "cannot be decoded: \((message.isEmpty ? "unknown error" : message).printable)",
        hint: "copy or download it again, or move it out of the folder")
    }
    try check(png_image_begin_read_from_memory(&image, bytes, bytes.count))
    guard Int(image.width) == header.width, Int(image.height) == header.height else { throw changed(name) }
    image.format = header.channels == 3 ? UInt32(PNG_FORMAT_FLAG_COLOR) : 0
    // 16-bit values are assumed to have the same transfer function (sRGB) as 8-bit values.
    image.flags |= UInt32(PNG_IMAGE_FLAG_16BIT_sRGB)
    var white = png_color(red: 255, green: 255, blue: 255)
    var result: Int32 = 0
    let pixels = [UInt8](unsafeUninitializedCapacity: header.width * header.height * header.channels) { pixels, count in
      result = png_image_finish_read(&image, &white, pixels.baseAddress, 0, nil)
      // After a failure some rows are uninitialised, but `check` below then throws before they are used.
      count = pixels.count
    }
    try check(result)
    return Pixels(width: header.width, height: header.height, channels: header.channels, bytes: pixels)
  }

  /// - smallest: the least size that the shorter side must keep. The discrete cosine transform does most of the
  ///   shrinking.
  private static func jpeg(
    _ bytes: [UInt8], _ header: ImageHeader, smallest: Int, _ name: String
  ) throws(Failure) -> Pixels {
    guard let decoder = tjInitDecompress() else { throw Failure(.failure, "\(name): no memory to decode it") }
    defer { tjDestroy(decoder) }
    func failure() -> Failure {
      let message = tjGetErrorStr2(decoder).map { String(cString: $0) } ?? "unknown error"
      return .malformed(
        name, "cannot be decoded: \(message.printable)",
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
    // Warnings are treated as errors, because a decoder fills in missing bytes with invented data.
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

  /// Converts cyan, magenta, yellow and black to RGB without a colour profile: the product of the light that each ink
  /// lets through.
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
