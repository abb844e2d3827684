import Layers
import Persistence

extension SafetensorsFile {
  /// A tensor of this shape, converted to the order in memory if the file has another one.
  func values(_ name: String, _ shape: [Int], _ layout: TorchLayout? = nil) throws -> [Float] {
    var values = [Float](repeating: .nan, count: shape.reduce(1, *))
    try copy(name, shape: shape, into: &values)
    guard let layout else { return values }
    var turned = values
    layout.read(values, to: &turned)
    return turned
  }

  /// Images with the shape (batch, channels, rows, columns) in the file, as (batch, rows, columns, channels).
  func images(_ name: String, _ shape: [Int]) throws -> [Float] {
    try values(name, shape, TorchLayout(extents: channelsLast(shape), order: [0, 3, 1, 2], shape: shape))
  }
}

/// (batch, channels, rows, columns) -> (batch, rows, columns, channels)
func channelsLast(_ shape: [Int]) -> [Int] { [0, 2, 3, 1].map { shape[$0] } }
