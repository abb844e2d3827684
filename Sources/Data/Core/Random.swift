import Kernels

extension Format {
  /// Uniformly random bytes of a given shape, for measuring speed.
  static let random = Format(
    summary: "random:HxW, random:HxWxC or random:N (noise, for measuring speed)",
    matches: { $0.spec.hasPrefix("random:") && $0.file == nil && !$0.isFolder },
    open: { candidate throws(Failure) in
      let extents = candidate.spec.dropFirst("random:".count).split(separator: "x", omittingEmptySubsequences: false)
      let sizes = extents.compactMap { Int($0) }
      guard sizes.count == extents.count, (1...3).contains(sizes.count), sizes.allSatisfy({ (1...65_536).contains($0) })
      else {
        throw Failure(
          .missingInput, "\(candidate.spec): not a shape of random data",
          hint: "write random:28x28, random:32x32x3 or random:784")
      }
      let shape =
        sizes.count > 1
        ? SampleShape.image(height: sizes[0], width: sizes[1], channels: sizes.count > 2 ? sizes[2] : 1)
        : .vector(sizes[0])
      return Opened(Source(RandomReader(candidate.spec, shape: shape)))
    })
}

/// 4,096 samples of random bytes. Each row is generated from its number.
final class RandomReader: SampleReader {
  let name: String
  let shape: SampleShape
  let count = 4096
  let element = ElementType.u8
  let fingerprint: String
  private var store: RowStore?

  init(_ name: String, shape: SampleShape) {
    self.name = name
    self.shape = shape
    let digest = SHA256()
    digest.update(name)
    fingerprint = digest.finish()
  }

  func prepare(_ ranges: [Range<Int>]) throws(Failure) {
    let width = shape.elementCount
    let store = try RowStore(ranges, rowBytes: width, name: name)
    let generator = KeyedGenerator(seed: 0, stream: "random data")
    let values = Buffer(count: width)
    for row in store.ranges.joined() {
      var sample = UInt64(row)
      generator.uniform(into: values.base, samples: &sample, rows: 1, columns: width, epoch: 0)
      let bytes = store.row(row).assumingMemoryBound(to: UInt8.self)
      for j in 0..<width { bytes[j] = UInt8(values.base[j] * 256) }
    }
    self.store = store
  }

  func read(row: Int, into target: UnsafeMutablePointer<Float>) throws(Failure) {
    guard let bytes = bytes(ofRow: row) else { return }
    vd_u8_to_f32(target, bytes, shape.elementCount, 1, 0)
  }

  func bytes(ofRow row: Int) -> UnsafePointer<UInt8>? {
    store.map { UnsafePointer($0.row(row).assumingMemoryBound(to: UInt8.self)) }
  }
}
