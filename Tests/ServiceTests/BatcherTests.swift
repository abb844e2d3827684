#if Service
import Foundation
import Synchronization
import Testing

@testable import Service

/// The answer for a row is twice its first value, so that mixed-up rows are noticed.
private final class Doubler: Replayer {
  let rows = 4, elements = 2
  private var x = [Float](repeating: 0, count: 8)

  func width(_ work: RowWork) -> Int { work == .encode ? 2 : 1 }
  func put(_ row: ArraySlice<Float>, at place: Int) { x.replaceSubrange(2 * place..<2 * place + 2, with: row) }
  func replay(_ work: RowWork, filled: Int) -> [Double] {
    (0..<filled).flatMap { row in
      let value = 2 * Double(x[2 * row])
      return work == .encode ? [value, Double(x[2 * row + 1])] : [value]
    }
  }
  func sample(_ work: SampleWork) -> [Double] { (0..<2 * work.count).map { Double($0) + Double(work.seed) } }
}

@Suite struct BatcherTests {
  /// The sizes of all replays while `body` sends requests.
  private func replays(
    limit: Int = 10_000, _ body: @escaping @Sendable (Batcher) async throws -> Void
  ) async throws -> [Int] {
    let sizes = Notes<Int>()
    let batcher = Batcher(limit: limit) { sizes.note($0) }
    async let asked: Void = {
      defer { batcher.close() }
      try await body(batcher)
    }()
    // The batcher blocks its thread, like the main thread of the program.
    await withCheckedContinuation { (ended: CheckedContinuation<Void, Never>) in
      Thread {
        batcher.run(Doubler())
        ended.resume()
      }.start()
    }
    try await asked
    return sizes.all
  }

  private final class Notes<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])
    var all: [Value] { values.withLock { $0 } }
    func note(_ value: Value) { values.withLock { $0.append(value) } }
  }

  private func x(_ values: some Sequence<Int>) -> [Float] { values.flatMap { [Float($0), Float(-$0)] } }

  @Test("Every row gets its own answer, in requests of any size and next to other requests")
  func answers() async throws {
    let sizes = try await replays { batcher in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for request in 0..<200 {
          group.addTask {
            let rows = Array(100 * request..<100 * request + request % 11 + 1)
            let work = RowWork.allCases[request % 3]
            let found = try await batcher.rows(work, x(rows), count: rows.count)
            let expected = rows.flatMap { row -> [Double] in
              work == .encode ? [Double(2 * row), Double(-row)] : [Double(2 * row)]
            }
            #expect(found == expected)
          }
        }
        group.addTask {
          let drawn = try await batcher.sample(SampleWork(count: 2, seed: 7))
          #expect(drawn == [7, 8, 9, 10])
        }
        try await group.waitForAll()
      }
      #expect(batcher.waiting == 0)
    }
    let asked = (0..<200).map { $0 % 11 + 1 }
    #expect(sizes.reduce(0, +) == asked.reduce(0, +) && sizes.allSatisfy { (1...4).contains($0) })
  }

  @Test("Waiting rows share a replay, and a large request does not block others")
  func gathers() async throws {
    let order = Notes<Int>(), batcher = Batcher(limit: 100)
    let tasks = [20, 1, 2].map { count in
      Task {
        _ = try await batcher.rows(.score, [Float](repeating: 1, count: 2 * count), count: count)
        order.note(count)
      }
    }
    while batcher.waiting < 23 { await Task.yield() }
    let closing = Task {
      for task in tasks { try await task.value }
      batcher.close()
    }
    await withCheckedContinuation { (ended: CheckedContinuation<Void, Never>) in
      Thread {
        batcher.run(Doubler())
        ended.resume()
      }.start()
    }
    try await closing.value
    #expect(order.all.last == 20)
  }

  @Test("Rows above the limit are refused with the advice to try again, and so are all rows after the end")
  func full() async throws {
    let batcher = Batcher(limit: 3)
    let first = Task { try await batcher.rows(.score, x(0..<3), count: 3) }
    while batcher.waiting < 3 { await Task.yield() }
    let refused = await #expect(throws: HTTPError.self) { try await batcher.rows(.score, x(0..<1), count: 1) }
    #expect(refused?.status == 503 && refused?.retryAfter == 1)
    batcher.close()
    await withCheckedContinuation { (ended: CheckedContinuation<Void, Never>) in
      Thread {
        batcher.run(Doubler())
        ended.resume()
      }.start()
    }
    #expect(try await first.value == [0, 2, 4])
    await #expect(throws: HTTPError.self) { try await batcher.rows(.score, x(0..<1), count: 1) }
  }
}
#endif
