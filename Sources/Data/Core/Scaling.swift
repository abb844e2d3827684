/// y = (x - offset[j]) * scale[j]; one offset and scale mean the same for all elements.
package struct Scaling: Sendable, Equatable, Codable {
  package var offset: [Float]
  package var scale: [Float]

  package static let identity = Scaling(offset: [0], scale: [1])

  package init(offset: [Float], scale: [Float]) {
    precondition(offset.count == scale.count && !offset.isEmpty, "\(offset.count) offsets, \(scale.count) scales")
    self.offset = offset
    self.scale = scale
  }

  /// What was scaled, as it was before. x (count, elements)
  package func undo(_ x: [Float]) -> [Float] {
    x.indices.map { x[$0] / scale[$0 % offset.count] + offset[$0 % offset.count] }
  }
}

/// Bytes that go beyond 1 are grey levels and become [0, 1]; everything else stays as it is.
///
/// `maximum`: the largest stored value over all ranks.
package func defaultScaling(element: ElementType, maximum: Double) -> Scaling {
  element == .u8 && maximum > 1 ? Scaling(offset: [0], scale: [1 / 255]) : .identity
}
