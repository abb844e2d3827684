/// Places buffers in one arena: those that are never alive at the same time may share their floats.
struct MemoryPlan {
  private struct Item {
    let index: Int
    let count: Int
    let life: ClosedRange<Int>
  }
  private var items: [Item] = []
  /// Offset of every buffer, in the order of `add`; whole lines of 64 bytes.
  private(set) var offsets: [Int] = []
  /// Floats of the arena.
  private(set) var count = 0

  /// A buffer of `floats`, needed from the first moment of `life` to the last. Returns its number.
  mutating func add(floats: Int, life: ClosedRange<Int>) -> Int {
    items.append(Item(index: items.count, count: (floats + 15) & ~15, life: life))
    return items.count - 1
  }

  /// Largest first, each at the lowest place where nothing lies that is alive with it.
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
