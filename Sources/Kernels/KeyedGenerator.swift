/// Counter-based random numbers. A value depends only on (seed, attempt, stream, epoch, sample, block), and not on the
/// process that draws it or on the time of the draw.
///
/// Algorithm: Philox4x32-10, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11.
package struct KeyedGenerator: Sendable {
  package let key: (UInt32, UInt32)

  /// - stream: the purpose of the numbers, such as "eps". Streams are independent of each other.
  /// - attempt: number of rollbacks so far. After a rollback the numbers are different but still reproducible.
  package init(seed: UInt64, stream: String, attempt: Int = 0) {
    self.init(seed: seed, streamHash: KeyedGenerator.hash(stream), attempt: attempt)
  }

  package init(seed: UInt64, streamHash name: UInt64, attempt: Int = 0) {
    let words = KeyedGenerator.philox(
      counter: (
        UInt32(truncatingIfNeeded: name), UInt32(truncatingIfNeeded: name >> 32), UInt32(truncatingIfNeeded: attempt), 0
      ),
      key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
    key = (words.0, words.1)
  }

  /// Returns the four words of one counter.
  package func words(_ c0: UInt32, _ c1: UInt32 = 0, _ c2: UInt32 = 0, _ c3: UInt32 = 0) -> (
    UInt32, UInt32, UInt32, UInt32
  ) {
    KeyedGenerator.philox(counter: (c0, c1, c2, c3), key: key)
  }

  /// Draws standard normal numbers. Row i depends on (epoch, samples[i]). (rows, columns)
  package func normal(
    into y: UnsafeMutablePointer<Float>, samples: UnsafePointer<UInt64>, rows: Int, columns: Int, epoch: UInt32
  ) {
    withUnsafeKey { vd_normal(y, samples, rows, columns, epoch, $0) }
  }

  /// Draws uniform numbers in (0, 1). Row i depends on (epoch, samples[i]). (rows, columns)
  package func uniform(
    into y: UnsafeMutablePointer<Float>, samples: UnsafePointer<UInt64>, rows: Int, columns: Int, epoch: UInt32
  ) {
    withUnsafeKey { vd_uniform(y, samples, rows, columns, epoch, $0) }
  }

  private func withUnsafeKey(_ body: (UnsafePointer<UInt32>) -> Void) {
    withUnsafePointer(to: key) {
      $0.withMemoryRebound(to: UInt32.self, capacity: 2) { body($0) }
    }
  }

  /// 64-bit FNV-1a hash of the bytes of a name.
  package static func hash(_ name: String) -> UInt64 {
    name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  /// One block of Philox4x32-10.
  package static func philox(counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32)) -> (
    UInt32, UInt32, UInt32, UInt32
  ) {
    var out: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
    withUnsafePointer(to: counter) { counter in
      withUnsafePointer(to: key) { key in
        withUnsafeMutablePointer(to: &out) { out in
          vd_philox(
            UnsafeMutableRawPointer(out).assumingMemoryBound(to: UInt32.self),
            UnsafeRawPointer(counter).assumingMemoryBound(to: UInt32.self),
            UnsafeRawPointer(key).assumingMemoryBound(to: UInt32.self))
        }
      }
    }
    return out
  }
}

/// A pseudorandom permutation of 0..<count that is chosen by a key. Indices are computed one by one, without a table.
///
/// The permutation is a Feistel network on the smallest even number of bits that covers `count`. It is repeated until
/// the result is less than `count` (cycle walking: Black and Rogaway, CT-RSA 2002), which takes fewer than four
/// iterations on average. A Feistel network shuffles poorly on very few bits. For up to 16 indices, a random
/// permutation is therefore drawn and stored in one word.
package struct KeyedPermutation: Sendable {
  package let count: Int
  private let halfBits: UInt64
  private let keys: (UInt64, UInt64, UInt64, UInt64)
  /// The permutation of up to sixteen indices, with four bits for each.
  private let drawn: UInt64

  /// Chooses a permutation of 0..<count from the generator's key, the epoch and the part.
  package init(count: Int, generator: KeyedGenerator, epoch: UInt32, part: UInt32) {
    self.count = count
    var half: UInt64 = 1
    while half < 31, 1 << (2 * half) < UInt64(count) { half += 1 }
    halfBits = half
    let a = generator.words(0, epoch, part), b = generator.words(1, epoch, part)
    keys = (
      UInt64(a.0) << 32 | UInt64(a.1), UInt64(a.2) << 32 | UInt64(a.3),
      UInt64(b.0) << 32 | UInt64(b.1), UInt64(b.2) << 32 | UInt64(b.3)
    )
    drawn = count <= 16 ? KeyedPermutation.draw(count, generator, epoch: epoch, part: part) : 0
  }

  /// Fisher-Yates shuffle: a random earlier position (or i itself) receives index i, and its previous index moves to
  /// position i.
  private static func draw(_ count: Int, _ generator: KeyedGenerator, epoch: UInt32, part: UInt32) -> UInt64 {
    var drawn: UInt64 = 0
    for i in 0..<UInt64(max(count, 0)) {
      let random = generator.words(2 + UInt32(i), epoch, part).0
      let place = (UInt64(random) * (i + 1)) >> 32
      let moved = drawn >> (4 * place) & 15
      drawn = drawn & ~(15 << (4 * place)) | moved << (4 * i) & (15 << (4 * i))
      drawn |= i << (4 * place)
    }
    return drawn
  }

  package subscript(index: Int) -> Int {
    precondition(index >= 0 && index < count, "permutation of \(count) asked for \(index)")
    if count <= 16 { return Int(drawn >> (4 * UInt64(index)) & 15) }
    var x = UInt64(index)
    repeat { x = encrypt(x) } while x >= UInt64(count)
    return Int(x)
  }

  private func encrypt(_ x: UInt64) -> UInt64 {
    let mask = (1 << halfBits) - 1 as UInt64
    var left = x >> halfBits, right = x & mask
    (left, right) = (right, left ^ (mix(right, keys.0) & mask))
    (left, right) = (right, left ^ (mix(right, keys.1) & mask))
    (left, right) = (right, left ^ (mix(right, keys.2) & mask))
    (left, right) = (right, left ^ (mix(right, keys.3) & mask))
    // Two more rounds with inverted keys. Four rounds alone mix poorly on the few bits of small sets.
    (left, right) = (right, left ^ (mix(right, ~keys.0) & mask))
    (left, right) = (right, left ^ (mix(right, ~keys.1) & mask))
    return left << halfBits | right
  }

  /// The finaliser of SplitMix64 (Steele et al., OOPSLA 2014).
  private func mix(_ x: UInt64, _ key: UInt64) -> UInt64 {
    var z = (x &+ 0x9e37_79b9_7f4a_7c15) ^ key
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
