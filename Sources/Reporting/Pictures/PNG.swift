import CPNG
import Kernels
import Persistence

/// Writes 8-bit PNG files with libpng's simplified API, which reports errors without setjmp (libpng-manual.txt, section
/// V).
package enum PNG {
  /// Returns the bytes of a PNG file.
  ///
  /// - pixels: (height, width, channels), in rows without padding. 1 channel is grey, 3 channels are RGB.
  package static func encode(
    pixels: [UInt8], width: Int, height: Int, channels: Int
  ) throws(Failure) -> [UInt8] {
    precondition(channels == 1 || channels == 3, "PNG.encode: \(channels) channels")
    let size = checkedProduct([height, width, channels])
    precondition(size == pixels.count, "PNG.encode: \(pixels.count) bytes for \(height) x \(width) x \(channels)")
    guard let columns = UInt32(exactly: width), let rows = UInt32(exactly: height), let stride = Int32(exactly: width)
    else { throw tooLarge(width, height) }

    var image = png_image()
    defer { png_image_free(&image) }
    image.version = UInt32(PNG_IMAGE_VERSION)
    image.width = columns
    image.height = rows
    image.format = channels == 3 ? UInt32(PNG_FORMAT_FLAG_COLOR) : 0
    // Row filters are turned off: they compress magnified pixels only a little and take most of the time.
    image.flags = UInt32(PNG_IMAGE_FLAG_FAST)
    // The stride is in components. It is positive, because rows are stored from the top.
    let rowStride = stride.multipliedReportingOverflow(by: Int32(channels))
    guard !rowStride.overflow else { throw tooLarge(width, height) }
    // Upper bound of the size of incompressible data (compressBound, and the frame of a chunk for every 8 KiB).
    var count = pixels.count + height + (pixels.count + height) / 512 + 1024
    var file = [UInt8](repeating: 0, count: count)
    try check(png_image_write_to_memory(&image, &file, &count, 0, pixels, rowStride.partialValue, nil), image)
    return Array(file.prefix(count))
  }

  /// Writes a PNG file atomically.
  package static func write(
    pixels: [UInt8], width: Int, height: Int, channels: Int, to path: String
  ) throws(Failure) {
    let file: [UInt8]
    do throws(Failure) {
      file = try encode(pixels: pixels, width: width, height: height, channels: channels)
    } catch {
      throw Failure(error.status, "cannot write \(path.printable): \(error.message)", hint: error.hint)
    }
    try DurableFile.write(file, to: path)
  }

  private static func check(_ result: Int32, _ image: png_image) throws(Failure) {
    // Equals the macro PNG_IMAGE_FAILED, which Swift does not import. Warnings are ignored.
    if result != 0 && image.warning_or_error & 3 <= UInt32(PNG_IMAGE_WARNING) { return }
    let message = withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    throw Failure(.inputOutput, "libpng: \(message.isEmpty ? "unknown error" : message)")
  }

  private static func tooLarge(_ width: Int, _ height: Int) -> Failure {
    Failure(.cannotCreate, "a picture of \(width) x \(height) pixels is too large for PNG", hint: "reduce -n")
  }
}
