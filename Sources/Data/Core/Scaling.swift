/// The map y = (x - offset[j]) * scale[j] of element j. A single offset and scale apply to all elements.
package struct Scaling: Sendable, Equatable, Codable {
  package var offset: [Float]
  package var scale: [Float]

  package static let identity = Scaling(offset: [0], scale: [1])

  package init(offset: [Float], scale: [Float]) {
    precondition(offset.count == scale.count && !offset.isEmpty, "\(offset.count) offsets, \(scale.count) scales")
    self.offset = offset
    self.scale = scale
  }

  /// Inverts the scaling of samples x, (count, elements).
  package func undo(_ x: [Float]) -> [Float] {
    x.indices.map { x[$0] / scale[$0 % offset.count] + offset[$0 % offset.count] }
  }
}

/// Returns the scaling of `data.scale: auto`: bytes with values above 1 are treated as grey levels and mapped to [0,
/// 1]; all other values stay as they are.
///
/// - maximum: the largest stored value over all ranks.
package func defaultScaling(element: ElementType, maximum: Double) -> Scaling {
  element == .u8 && maximum > 1 ? Scaling(offset: [0], scale: [1 / 255]) : .identity
}
