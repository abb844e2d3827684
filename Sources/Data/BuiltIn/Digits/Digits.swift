import CZlib
import Kernels

extension Format {
  /// The embedded UCI digits. Rows 1-1500 are for training and rows 1501-1797 for validation.
  static let digits = Format(
    summary: "digits (embedded, needs no file)",
    matches: { $0.spec == "digits" && $0.file == nil && !$0.isFolder },
    open: { _ throws(Failure) in
      let reader = DigitsReader()
      let source = Source(reader, labels: Labels { () throws(Failure) in reader.labels })
      var opened = Opened(source)
      opened.train.rows = 0..<1500
      opened.valid = (source, 1500..<DigitsReader.imageCount)
      return opened
    })
}

/// 1,797 images of 8x8 pixels and their labels. Grey levels 0-16 are stored as round(level * 255 / 16).
final class DigitsReader: SampleReader {
  static let imageCount = 1797
  private static let pixels = 64

  let name = "digits"
  let count = imageCount
  let shape = SampleShape.image(height: 8, width: 8, channels: 1)
  let element = ElementType.u8
  let fingerprint: String
  let labels: [Int]
  private let images: UnsafeMutableBufferPointer<UInt8>

  init() {
    let plain = DigitsReader.unpack()
    let (count, pixels) = (Self.imageCount, Self.pixels)
    images = .allocate(capacity: count * pixels)
    for pixel in 0..<pixels {
      for image in 0..<count {
        images[image * pixels + pixel] = UInt8((Int(plain[pixel * count + image]) * 255 + 8) / 16)
      }
    }
    labels = plain[(count * pixels)...].map(Int.init)
    let digest = SHA256()
    digest.update(UnsafeRawBufferPointer(images))
    fingerprint = digest.finish()
  }

  deinit { images.deallocate() }

  func prepare(_ ranges: [Range<Int>]) {}

  func read(row: Int, into target: UnsafeMutablePointer<Float>) {
    for pixel in 0..<Self.pixels { target[pixel] = Float(images[row * Self.pixels + pixel]) }
  }

  func bytes(ofRow row: Int) -> UnsafePointer<UInt8>? {
    UnsafePointer(images.baseAddress.map { $0 + row * Self.pixels })
  }

  /// Decompresses the data: the grey levels of all pixels, then the labels (see generate.py).
  private static func unpack() -> [UInt8] {
    let packed = packedDigits.withUTF8Buffer(base64Decoded)
    var plain = [UInt8](repeating: 0, count: imageCount * (pixels + 1))
    var length = uLong(plain.count)
    let status = uncompress(&plain, &length, packed, uLong(packed.count))
    precondition(status == Z_OK && length == plain.count, "the embedded digits are damaged")
    return plain
  }
}

/// Decodes base64 text. Line ends are skipped, and padding ends the text.
private func base64Decoded(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(text.count * 3 / 4)
  var (bits, width): (UInt32, Int) = (0, 0)
  for character in text {
    let value: UInt8
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): value = 62
    case UInt8(ascii: "/"): value = 63
    default: continue
    }
    bits = bits << 6 | UInt32(value)
    width += 6
    if width >= 8 {
      width -= 8
      bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(width)))
    }
  }
  return bytes
}
