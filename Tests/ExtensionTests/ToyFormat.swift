@testable import Data
import Kernels

/// A data format in one file: a magic number, and rows of three digits each.
extension Format {
  static let toy = Format(
    summary: "toy .toy", suffixes: [".toy"], matches: { $0.begins(with: toyMagic) },
    open: { candidate throws(Failure) in
      guard let file = candidate.file else { throw Failure.unopened(candidate.spec, 0) }
      return Opened(Source(try ToyReader(file)))
    })
}

let toyMagic: [UInt8] = [1, 0, 2]

private final class ToyReader: SampleReader {
  let name: String
  let shape = SampleShape.vector(3)
  let element = ElementType.u8
  let fingerprint: String
  private let digits: [UInt8]
  var count: Int { digits.count / 3 }

  init(_ file: InputFile) throws(Failure) {
    name = file.name
    fingerprint = try file.fingerprint()
    digits = try file.bytes(at: toyMagic.count, count: file.size - toyMagic.count).filter { $0 != UInt8(ascii: "\n") }
    guard !digits.isEmpty, digits.count % 3 == 0, digits.allSatisfy({ (0x30...0x39).contains($0) }) else {
      throw .malformed(name, "not rows of three digits")
    }
  }

  func prepare(_ ranges: [Range<Int>]) throws(Failure) {}

  func read(row: Int, into target: UnsafeMutablePointer<Float>) throws(Failure) {
    for column in 0..<3 { target[column] = Float(digits[3 * row + column] - 0x30) }
  }
}
