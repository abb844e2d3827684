#if Service
import Dispatch
import Synchronization

/// An operation on rows.
enum RowWork: Sendable, Equatable, CaseIterable {
  case score
  /// Computes mu and logvar of the posterior.
  case encode
  /// Computes E[x | z = mu].
  case reconstruct
}

/// A request for new samples.
struct SampleWork: Sendable, Equatable {
  var count = 1
  var seed: UInt64 = 0
  var temperature: Float = 1
}

/// Runs the model. A replayer is used on one thread only.
protocol Replayer: AnyObject {
  /// Number of rows in the largest replay.
  var rows: Int { get }
  /// Number of values in an input row. `width` is the number of values in an output row.
  var elements: Int { get }
  func width(_ work: RowWork) -> Int
  func put(_ row: ArraySlice<Float>, at place: Int)
  /// Processes the first `filled` rows. Returns an array of shape (filled, width).
  func replay(_ work: RowWork, filled: Int) -> [Double]
  /// Draws new samples. Returns an array of shape (count, elements).
  func sample(_ work: SampleWork) -> [Double]
}

/// Combines rows of requests that wait at the same time into one replay. Requests call `rows` and `sample`; the one
/// thread that owns the model calls `run`.
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
  /// Called after each replay with its number of rows.
  private let observe: @Sendable (Int) -> Void

  /// - limit: Maximum number of rows that may wait.
  init(limit: Int, observe: @escaping @Sendable (Int) -> Void = { _ in }) {
    self.limit = limit
    self.observe = observe
  }

  /// Number of rows that are waiting or being processed.
  var waiting: Int { state.withLock { $0.rows } }

  /// Processes rows and returns the results. Throws an `HTTPError` when too many rows are waiting or the batcher is
  /// closed. x (count, elements) -> (count, width of the work)
  func rows(_ work: RowWork, _ x: [Float], count: Int) async throws -> [Double] {
    try await enqueue(.rows(work), x, count)
  }

  /// Draws new samples. Throws an `HTTPError` under the same conditions as `rows`. -> (count, elements)
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

  /// Rejects new work from now on. `run` returns once the work that is already queued is done.
  func close() {
    state.withLock { $0.isClosed = true }
    arrived.signal()
  }

  /// Processes queued work until `close` is called. Must run on the thread that owns the replayer.
  func run(_ replayer: some Replayer) {
    while let jobs = next(rows: replayer.rows) {
      guard let first = jobs.first else { continue }
      switch first.work {
      case .sample(let work): finish(first, replayer.sample(work))
      case .rows(let work): replay(work, jobs, replayer)
      }
    }
  }

  /// Removes the jobs of the next replay from the queue. They all have the same kind of work and keep their order. The
  /// result is empty when an earlier replay already took the job that this wake-up was for, and nil once the batcher is
  /// closed and the queue is empty.
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

  /// Appends the unfinished part of a job to the end of the queue, so that one large request does not block small ones.
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
