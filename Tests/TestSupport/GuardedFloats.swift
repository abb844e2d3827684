import Glibc

/// Floats between two protected pages, next to one of them with `slack` readable bytes in between. The rest of
/// their own pages contains a pattern, which is NaN as a float.
package final class GuardedFloats {
  package enum Side: CaseIterable, Sendable { case start, end }

  package let base: UnsafeMutablePointer<Float>
  private let count: Int
  private let mapping: UnsafeMutableRawPointer
  private let inner: UnsafeMutableRawBufferPointer
  private static let pattern: UInt8 = 0xff

  package init(_ values: [Float], at side: Side, slack: Int = 0) {
    let page = sysconf(Int32(_SC_PAGESIZE)), bytes = 4 * values.count
    count = values.count
    let size = (bytes + slack + page - 1) / page * page
    mapping = mmap(nil, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    precondition(mapping != MAP_FAILED, "no memory for \(size) bytes")
    inner = UnsafeMutableRawBufferPointer(start: mapping + page, count: size)
    precondition(mprotect(mapping + page, size, PROT_READ | PROT_WRITE) == 0)
    memset(mapping + page, Int32(GuardedFloats.pattern), size)
    base = (mapping + page + (side == .start ? 0 : size - slack - bytes)).assumingMemoryBound(to: Float.self)
    base.update(from: values, count: count)
  }

  deinit { munmap(mapping, inner.count + 2 * sysconf(Int32(_SC_PAGESIZE))) }

  package var values: [Float] { Array(UnsafeBufferPointer(start: base, count: count)) }

  /// Whether nothing was written outside of the values.
  package var isUntouchedAround: Bool {
    let first = UnsafeRawPointer(base) - UnsafeRawPointer(inner.baseAddress!)
    return inner[..<first].allSatisfy { $0 == GuardedFloats.pattern }
      && inner[(first + 4 * count)...].allSatisfy { $0 == GuardedFloats.pattern }
  }
}
