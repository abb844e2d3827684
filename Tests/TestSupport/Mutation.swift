/// Changes a few bytes, and sometimes cuts, doubles or fills a part with an extreme value.
package func mutated(_ original: [UInt8], _ generator: inout some RandomNumberGenerator) -> [UInt8] {
  var bytes = original
  // Headers matter most, so half of all places are in the first or last 80 bytes.
  func place(_ generator: inout some RandomNumberGenerator) -> Int {
    switch Int.random(in: 0..<4, using: &generator) {
    case 0: Int.random(in: 0..<min(80, bytes.count), using: &generator)
    case 1: Int.random(in: max(0, bytes.count - 80)..<bytes.count, using: &generator)
    default: Int.random(in: 0..<bytes.count, using: &generator)
    }
  }
  for _ in 0...Int.random(in: 0..<4, using: &generator) where bytes.count > 1 {
    let at = place(&generator)
    switch Int.random(in: 0..<10, using: &generator) {
    case 0: bytes.removeSubrange(at...)
    case 1: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1..<20, using: &generator)))
    case 2: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 16)], at: at)
    case 3: for i in at..<min(bytes.count, at + 4) { bytes[i] = 0xff }
    case 4: for i in at..<min(bytes.count, at + 4) { bytes[i] = 0 }
    case 5: bytes[at] = UInt8(ascii: "9")
    case 6: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    default: bytes[at] = UInt8.random(in: 0...255, using: &generator)
    }
  }
  return bytes
}
