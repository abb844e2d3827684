// The C kernels are used directly. A Swift wrapper for each would add nothing to the header.
@_exported import CKernels

/// Zeroed float32 memory of fixed size. It is aligned to 64 bytes and freed together with its owner.
package struct Buffer: ~Copyable {
  package let base: UnsafeMutablePointer<Float>
  package let count: Int

  package init(count: Int) {
    self.count = count
    base = Buffer.allocate(Float.self, count: count)
  }

  deinit { base.deallocate() }

  package var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base, count: count * MemoryLayout<Float>.stride)
  }

  /// Allocates zeroed memory of a trivial type, aligned to 64 bytes and followed by 64 readable bytes. The caller must
  /// deallocate it.
  package static func allocate<T: BitwiseCopyable>(_ type: T.Type, count: Int) -> UnsafeMutablePointer<T> {
    let size = max(count, 1) * MemoryLayout<T>.stride + 64
    let raw = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    return raw.bindMemory(to: T.self, capacity: max(count, 1))
  }
}

extension UnsafeMutablePointer where Pointee: BitwiseCopyable {
  /// Sets `count` elements to zero bytes.
  @inline(__always)
  package func zero(_ count: Int) {
    UnsafeMutableRawPointer(self).initializeMemory(
      as: UInt8.self, repeating: 0, count: count * MemoryLayout<Pointee>.stride)
  }
}
