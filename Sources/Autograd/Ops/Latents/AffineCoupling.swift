import Kernels

/// Affine coupling: y = z exp(s) + t for the changed units and y = z for the others. raw contains (a, t), and s = bound
/// tanh(a / bound). The inverse is (z - t) exp(-s). log scale = log |dy/dz|, which is 0 for unchanged units. z, y, log
/// scale (batch, latent), raw (batch, 2 width)
///
/// Source: Dinh et al., "Density estimation using Real NVP", ICLR 2017.
struct AffineCoupling: Operation {
  static let name = "affine coupling"
  let z, raw, y, logScale: Tensor
  let changed: [Int32]
  let bound: Float
  let isInverse: Bool
  var inputs: [Tensor] { [z, raw] }
  var outputs: [Tensor] { [y, logScale] }

  func forward(_ memory: Memory) {
    vd_coupling(
      memory[y], memory[logScale], memory[z], memory[raw], changed, z.rows, z.columns, changed.count, bound,
      isInverse ? 1 : 0)
  }

  func backward(_ memory: Memory) {
    vd_coupling_backward(
      memory.gradient(z), memory.gradient(raw), memory.gradient(y), memory.gradient(logScale), memory[z], memory[y],
      memory[raw], changed, z.rows, z.columns, changed.count, bound, isInverse ? 1 : 0)
  }
}

extension AffineCoupling: PortableOperation {
  func translate(_ t: Translation) {
    let before = t[rows: z], places = changed.map(Int.init), width = places.count
    let a = t[rows: raw].slice(0..<width, axis: 1), shift = t[rows: raw].slice(width..<2 * width, axis: 1)
    let s = bound * ((1 / bound) * a).tanh, value = before.columns(places)
    t[y] = put(isInverse ? (value - shift) * (-s).exp : value * s.exp + shift, into: before, places)
    t[logScale] = put(isInverse ? -s : s, into: 0 * before, places)
  }

  /// Replaces the columns `places` of `all` by `values`.
  private func put(_ values: PortableValue, into all: PortableValue, _ places: [Int]) -> PortableValue {
    var order = Array(0..<z.columns)
    for (i, place) in places.enumerated() { order[place] = z.columns + i }
    return all.writer.node("Concat", [all, values], ["axis": .integer(1)]).columns(order)
  }
}

extension Graph {
  /// Scales and shifts the units `changed` by the parameters in raw, or applies the inverse. raw must not depend on
  /// these units. z (batch, latent), raw (batch, 2 changed.count) -> y, log |dy/dz|, both (batch, latent)
  package func affineCoupling(
    _ z: Tensor, raw: Tensor, changed: [Int], bound: Float, inverse: Bool = false
  ) -> (y: Tensor, logScale: Tensor) {
    precondition(
      raw.rows == z.rows && raw.columns == 2 * changed.count && changed.allSatisfy((0..<z.columns).contains)
        && Set(changed).count == changed.count && bound > 0,
      "affine coupling: units \(changed) of z \(z.shape), raw \(raw.shape), bound \(bound)")
    let y = output(z.shape, of: [z, raw]), logScale = output(z.shape, of: [z, raw])
    record(
      AffineCoupling(
        z: z, raw: raw, y: y, logScale: logScale, changed: changed.map(Int32.init), bound: bound, isInverse: inverse))
    return (y, logScale)
  }
}
