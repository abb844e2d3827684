import Kernels
import TestSupport
import Testing

@Suite struct PictureKernelTests {
  @Test("Pictures are moved and mirrored exactly, and edges repeat", arguments: [1, 3])
  func moving(channels: Int) {
    let (rows, columns) = (5, 7)
    let x = (0..<rows * columns * channels).map(Float.init)
    for down in -6...6 {
      for right in -8...8 {
        for mirrored in [false, true] {
          var y = [Float](repeating: -1, count: x.count)
          vd_move_picture(&y, x, rows, columns, channels, down, right, mirrored ? 1 : 0)
          for i in 0..<rows {
            for j in 0..<columns {
              let fromRow = min(max(i - down, 0), rows - 1), fromColumn = min(max(j - right, 0), columns - 1)
              let column = mirrored ? columns - 1 - fromColumn : fromColumn
              for c in 0..<channels {
                #expect(
                  y[(i * columns + j) * channels + c] == x[(fromRow * columns + column) * channels + c])
              }
            }
          }
        }
      }
    }
  }

  @Test("Planes are converted to pixels")
  func planes() {
    let x = [UInt8](0..<21)
    var y = [Float](repeating: -1, count: 21)
    vd_interleave(&y, x, 7, 3)
    #expect(y == (0..<7).flatMap { i in (0..<3).map { Float($0 * 7 + i) } })
  }
}
