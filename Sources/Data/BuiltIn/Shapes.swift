import Glibc
import Kernels

extension Format {
  /// Sprites with known generative factors, as in dSprites (Matthey et al., 2017). They are drawn when they are read.
  static let shapes = Format(
    summary: "shapes[:N] or shapes:all (sprites of known factors)",
    matches: { ($0.spec == "shapes" || $0.spec.hasPrefix("shapes:")) && $0.file == nil && !$0.isFolder },
    open: { candidate throws(Failure) in
      let text = candidate.spec.dropFirst("shapes:".count)
      let all = SpriteReader.combinations
      let count = text.isEmpty && candidate.spec == "shapes" ? 8192 : text == "all" ? all : Int(text)
      guard let count, (1...all).contains(count) else {
        throw Failure(
          .missingInput, "\(candidate.spec.printable): not a number of shapes",
          hint: "write shapes, shapes:10000 (at most \(all)) or shapes:all")
      }
      let reader = SpriteReader(candidate.spec, count: count)
      return Opened(
        Source(
          reader, labels: Labels { () throws(Failure) in (0..<count).map { reader.factors(ofRow: $0)[0] } },
          attributes: Attributes(reader.factorNames ?? []) { () throws(Failure) in
            (0..<count).flatMap { reader.factors(ofRow: $0).map(Float.init) }
          }))
    })
}

/// Binary 64x64 images of one shape each: 3 shapes x 6 scales x 40 orientations x 32 x 32 positions. Every combination
/// occurs once, in the order of a keyed permutation, so that the first N are a random sample of all.
///
/// As in dSprites, a pixel is 1 where its centre is inside the shape. Positions are one pixel apart, and no shape
/// touches the border. Orientations are multiples of 1/40 of a full turn, whereas the first and last of dSprites are
/// equal.
final class SpriteReader: SampleReader {
  static let sizes = [3, 6, 40, 32, 32]
  static let combinations = sizes.reduce(1, *)
  private static let side = 64

  let name: String
  let count: Int
  let shape = SampleShape.image(height: side, width: side, channels: 1)
  let element = ElementType.u8
  let fingerprint: String
  let factorNames: [String]? = ["shape", "scale", "orientation", "x", "y"]
  let classNames: [String]? = ["square", "ellipse", "heart"]
  private let order: KeyedPermutation
  private let turns: [(cosine: Float, sine: Float)]

  init(_ name: String, count: Int) {
    self.name = name
    self.count = count
    let digest = SHA256()
    digest.update("shapes \(count)")
    fingerprint = digest.finish()
    order = KeyedPermutation(
      count: Self.combinations, generator: KeyedGenerator(seed: 0, stream: "shapes"), epoch: 0, part: 0)
    // Rounded, so that the image does not depend on the last bit of the C library's sine and cosine.
    func rounded(_ value: Double) -> Float { Float((value * 0x1p20).rounded() / 0x1p20) }
    turns = (0..<Self.sizes[2]).map { step in
      let angle = 2 * Double.pi * Double(step) / Double(Self.sizes[2])
      return (rounded(cos(angle)), rounded(sin(angle)))
    }
  }

  func prepare(_ ranges: [Range<Int>]) {}

  /// Returns shape (square, ellipse, heart), scale, orientation, x and y, each as an integer from 0.
  func factors(ofRow row: Int) -> [Int] {
    var rest = order[row]
    return Self.sizes.reversed().map { size in
      defer { rest /= size }
      return rest % size
    }.reversed()
  }

  func read(row: Int, into target: UnsafeMutablePointer<Float>) {
    target.zero(Self.side * Self.side)
    let factors = factors(ofRow: row)
    let size = 0.5 + 0.1 * Float(factors[1])
    let turn = turns[factors[2]]
    // The shape's centre is in the middle 32 x 32 pixels, and no shape extends further than 15 pixels.
    let (column, line) = (16 + factors[3], 16 + factors[4])
    for i in line - 15...line + 15 {
      for j in column - 15...column + 15 {
        let x = Float(j - column) / size, y = Float(line - i) / size
        let u = turn.cosine * x + turn.sine * y, v = turn.cosine * y - turn.sine * x
        if Self.isInside(factors[0], u, v) { target[i * Self.side + j] = 1 }
      }
    }
  }

  /// Whether a point is inside a shape of scale 1. Coordinates are in pixels from its centre, with y pointing upwards.
  /// All shapes have the same area.
  private static func isInside(_ shape: Int, _ x: Float, _ y: Float) -> Bool {
    switch shape {
    case 0: return abs(x) <= 9.3 && abs(y) <= 9.3
    case 1: return (x / 7.4) * (x / 7.4) + (y / 14.8) * (y / 14.8) <= 1
    default:
      // The curve (a^2 + b^2 - 1)^3 = a^2 b^3, shifted so that its centre of mass is at the origin.
      let a = x / heartUnit, b = y / heartUnit + heartCentre
      let r = a * a + b * b - 1
      return r * r * r <= a * a * b * b * b
    }
  }

  private static let heartUnit: Float = 9.7
  private static let heartCentre: Float = 0.2935
}
