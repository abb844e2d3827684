/// Places buffers in one arena. Buffers may share memory if their lifetimes do not overlap.
struct MemoryPlan {
  private struct Item {
    let index: Int
    let count: Int
    let life: ClosedRange<Int>
  }
  private var items: [Item] = []
  /// Offset of every buffer in floats, in the order of `add`. Offsets are multiples of 64 bytes.
  private(set) var offsets: [Int] = []
  /// Size of the arena in floats.
  private(set) var count = 0

  /// Adds a buffer of `floats` that is needed during `life`. Returns its index.
  mutating func add(floats: Int, life: ClosedRange<Int>) -> Int {
    items.append(Item(index: items.count, count: (floats + 15) & ~15, life: life))
    return items.count - 1
  }

  /// Assigns offsets. Buffers are placed largest first, each at the lowest offset that is free during its lifetime.
  mutating func place() {
    offsets = [Int](repeating: 0, count: items.count)
    var placed: [Item] = []
    for item in items.sorted(by: { ($1.count, $0.index) < ($0.count, $1.index) }) {
      let rivals = placed.filter { $0.life.overlaps(item.life) }.sorted { offsets[$0.index] < offsets[$1.index] }
      var offset = 0
      for rival in rivals {
        if offsets[rival.index] >= offset + item.count { break }
        offset = max(offset, offsets[rival.index] + rival.count)
      }
      offsets[item.index] = offset
      count = max(count, offset + item.count)
      placed.append(item)
    }
  }
}
