import Kernels
import TestSupport
import Testing

@testable import Data

@Suite struct ShapesTests {
  /// All samples of a set of shapes, in the order of the source.
  private func shapes(_ spec: String) throws -> Dataset {
    let opened = try open(spec: spec)
    return Dataset(opened.train.source, RowMap(rows: opened.train.rows, part: .all))
  }

  @Test("Every combination of factors occurs once, and shapes:N has the first N of them")
  func combinations() throws {
    let all = try shapes("shapes:all"), few = try shapes("shapes")
    #expect(all.count == 737_280 && few.count == 8192)
    #expect(all.factorNames == ["shape", "scale", "orientation", "x", "y"])
    let sizes = [3, 6, 40, 32, 32]
    var seen = [Bool](repeating: false, count: all.count)
    for index in 0..<all.count {
      let factors = all.factors(of: index..<index + 1)
      #expect(zip(factors, sizes).allSatisfy { (0..<$1).contains($0) })
      seen[zip(factors, sizes).reduce(0) { $0 * $1.1 + $1.0 }] = true
    }
    #expect(!seen.contains(false))
    #expect(few.factors(of: 0..<8192) == all.factors(of: 0..<8192))
    #expect(try filled(few, [5, 8191]) == filled(all, [5, 8191]))
    #expect(all.label(at: 77) == all.factors(of: 77..<78)[0] && all.classNames?.count == 3)
    // Among the first samples, all values of a factor are about equally frequent.
    for (factor, size) in sizes.enumerated() {
      var counts = [Int](repeating: 0, count: size)
      for index in 0..<8192 { counts[few.factors(of: index..<index + 1)[factor]] += 1 }
      let expected = 8192 / Double(size)
      #expect(counts.allSatisfy { abs(Double($0) - expected) < 5 * expected.squareRoot() }, "factor \(factor)")
    }
  }

  @Test("The area of a sprite follows its scale, and its centre of mass follows its position")
  func pictures() throws {
    let data = try shapes("shapes:4000")
    var areas = [[Double]](repeating: Array(repeating: 0, count: 6), count: 3)
    var counts = areas
    for index in 0..<data.count {
      let picture = try filled(data, [index])
      let factors = data.factors(of: index..<index + 1)
      #expect(picture.allSatisfy { $0 == 0 || $0 == 1 })
      var (area, x, y) = (0.0, 0.0, 0.0)
      for i in 0..<64 {
        for j in 0..<64 where picture[i * 64 + j] == 1 {
          area += 1
          x += Double(j)
          y += Double(i)
          #expect((1..<63).contains(i) && (1..<63).contains(j), "a shape meets an edge")
        }
      }
      #expect(abs(x / area - Double(16 + factors[3])) < 0.6 && abs(y / area - Double(16 + factors[4])) < 0.6)
      areas[factors[0]][factors[1]] += area
      counts[factors[0]][factors[1]] += 1
    }
    for shape in 0..<3 {
      for scale in 0..<6 {
        let size = 0.5 + 0.1 * Double(scale), mean = areas[shape][scale] / counts[shape][scale]
        #expect(abs(mean / (345 * size * size) - 1) < 0.03, "shape \(shape), scale \(scale): \(mean)")
      }
    }
  }

  @Test("A square repeats after a quarter turn, an ellipse after half a turn, and a heart after a whole turn")
  func turns() throws {
    let reader = SpriteReader("shapes:all", count: SpriteReader.combinations)
    var byFactors: [[Int]: Int] = [:]
    for row in 0..<reader.count {
      let factors = reader.factors(ofRow: row)
      if factors[1] == 5, factors[3] == 16, factors[4] == 16 { byFactors[[factors[0], factors[2]]] = row }
    }
    func picture(_ shape: Int, _ turn: Int) throws -> [Float] {
      var values = [Float](repeating: -1, count: 64 * 64)
      reader.read(row: try #require(byFactors[[shape, turn]]), into: &values)
      return values
    }
    #expect(try picture(0, 3) == picture(0, 13) && picture(0, 3) == picture(0, 23))
    #expect(try picture(1, 3) != picture(1, 13) && picture(1, 3) == picture(1, 23))
    #expect(try Set((0..<40).map { try picture(2, $0) }).count == 40)
  }

  @Test(
    "Invalid numbers of shapes are refused",
    arguments: ["shapes:0", "shapes:-1", "shapes:737281", "shapes:x", "shapes:"])
  func refused(spec: String) {
    #expect { try openData(spec, validation: nil) } throws: { ($0 as? Failure)?.status == .missingInput }
  }
}
