#if Service
import Dispatch
import Synchronization

/// What is asked of rows.
enum RowWork: Sendable, Equatable, CaseIterable {
  case score
  /// mu and logvar of the posterior.
  case encode
  /// E[x | z = mu].
  case reconstruct
}

/// New samples.
struct SampleWork: Sendable, Equatable {
  var count = 1
  var seed: UInt64 = 0
  var temperature: Float = 1
}

/// Who replays the model; belongs to one thread.
protocol Replayer: AnyObject {
  /// Of the largest replay.
  var rows: Int { get }
  /// Values of a row as it is put, and as it comes out.
  var elements: Int { get }
  func width(_ work: RowWork) -> Int
  func put(_ row: ArraySlice<Float>, at place: Int)
  /// Of the first `filled` rows. (filled, width)
  func replay(_ work: RowWork, filled: Int) -> [Double]
  /// (count, elements)
  func sample(_ work: SampleWork) -> [Double]
}

/// Gathers rows of requests that wait at the same time into one replay. Requests call `rows` and `sample`; one thread, which
/// owns the model, calls `run`.
final class Batcher: Sendable {
  private enum Work: Equatable {
    case rows(RowWork)
    case sample(SampleWork)
  }

  private struct Job {
    let work: Work
    let x: [Float]
    let count: Int
    var done = 0
    var results: [Double] = []
    let answer: CheckedContinuation<[Double], any Error>
  }

  private struct State {
    var jobs: [Job] = []
    var rows = 0
    var isClosed = false
  }

  private let state = Mutex(State())
  private let arrived = DispatchSemaphore(value: 0)
  private let limit: Int
  /// Told how many rows each replay had.
  private let observe: @Sendable (Int) -> Void

  /// - limit: rows that may wait.
  init(limit: Int, observe: @escaping @Sendable (Int) -> Void = { _ in }) {
    self.limit = limit
    self.observe = observe
  }

  /// Rows that wait or are replayed.
  var waiting: Int { state.withLock { $0.rows } }

  /// x (count, elements) -> (count, width of the work). Throws a `HTTPError` where too many wait.
  func rows(_ work: RowWork, _ x: [Float], count: Int) async throws -> [Double] {
    try await enqueue(.rows(work), x, count)
  }

  /// (count, elements)
  func sample(_ work: SampleWork) async throws -> [Double] { try await enqueue(.sample(work), [], work.count) }

  private func enqueue(_ work: Work, _ x: [Float], _ count: Int) async throws -> [Double] {
    try await withCheckedThrowingContinuation { answer in
      let refusal = state.withLock { state -> HTTPError? in
        if state.isClosed { return .busy("the service is stopping") }
        guard state.rows + count <= limit else { return .busy("\(state.rows) rows are waiting already") }
        state.rows += count
        state.jobs.append(Job(work: work, x: x, count: count, answer: answer))
        return nil
      }
      if let refusal { answer.resume(throwing: refusal) } else { arrived.signal() }
    }
  }

  /// No more is taken; `run` returns when what waits is done.
  func close() {
    state.withLock { $0.isClosed = true }
    arrived.signal()
  }

  /// Does what is asked until `close`; on the thread of the replayer.
  func run(_ replayer: some Replayer) {
    while let jobs = next(rows: replayer.rows) {
      guard let first = jobs.first else { continue }
      switch first.work {
      case .sample(let work): finish(first, replayer.sample(work))
      case .rows(let work): replay(work, jobs, replayer)
      }
    }
  }

  /// The jobs of the next replay, taken out: those of one kind, in order. Empty where others were taken along before; nil
  /// at the end.
  private func next(rows capacity: Int) -> [Job]? {
    arrived.wait()
    return state.withLock { state in
      guard let first = state.jobs.first else { return state.isClosed ? nil : [] }
      guard case .rows = first.work else { return [state.jobs.removeFirst()] }
      var taken: [Job] = [], left: [Job] = [], rows = 0
      for job in state.jobs {
        if rows < capacity, job.work == first.work {
          taken.append(job)
          rows += job.count - job.done
        } else {
          left.append(job)
        }
      }
      state.jobs = left
      return taken
    }
  }

  private func replay(_ work: RowWork, _ jobs: [Job], _ replayer: some Replayer) {
    let elements = replayer.elements, width = replayer.width(work)
    var filled = 0, parts: [Int] = []
    for job in jobs {
      let part = min(job.count - job.done, replayer.rows - filled)
      for row in job.done..<job.done + part {
        replayer.put(job.x[row * elements..<(row + 1) * elements], at: filled)
        filled += 1
      }
      parts.append(part)
    }
    let found = replayer.replay(work, filled: filled)
    observe(filled)
    var at = 0
    for (var job, part) in zip(jobs, parts) {
      job.results += found[at * width..<(at + part) * width]
      job.done += part
      at += part
      if job.done == job.count { finish(job, job.results) } else { putBack(job) }
    }
  }

  /// Behind the others, so that one large request keeps no small one waiting.
  private func putBack(_ job: Job) {
    state.withLock { $0.jobs.append(job) }
    arrived.signal()
  }

  private func finish(_ job: Job, _ results: [Double]) {
    state.withLock { $0.rows -= job.count }
    job.answer.resume(returning: results)
  }
}
#endif
