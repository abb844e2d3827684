import Foundation
import Kernels
import Testing

@testable import Persistence

@Suite struct RunLockTests {
  let scratch = Scratch()

  /// An owner on a host that cannot be checked.
  private func stranger(job: String? = nil, restart: Int = 0) -> RunLock.Owner {
    RunLock.Owner(
      host: "elsewhere", pid: 77, started: 5, machine: "another start", job: job, restart: restart, since: "noon")
  }

  private func leave(_ owner: RunLock.Owner, minutesAgo: Int = 0) {
    put(owner.text, scratch / "lock")
    age("lock", minutesAgo)
  }

  private func age(_ name: String, _ minutes: Int) {
    var times = [timeval(), timeval()]
    for i in 0..<2 { times[i].tv_sec = time(nil) - 60 * minutes }
    #expect(utimes(scratch / name, times) == 0)
  }

  private func refusal(_ owner: RunLock.Owner = .current) -> Failure? {
    failure { () throws(Failure) in _ = try RunLock(directory: scratch.path, owner: owner) }
  }

  @Test func isHeldAndGivenBack() throws {
    do {
      let lock = try RunLock(directory: scratch.path)
      #expect(lock.isHeld && lock.notice == nil && scratch.names() == ["lock"])
      let error = try #require(refusal())
      #expect(error.status == .cannotCreate, "\(error)")
      for word in ["process \(getpid()) on \(Machine.name)", "since 20", scratch.path] {
        #expect(error.message.contains(word), "\(error)")
      }
      #expect(lock.isHeld)
    }
    #expect(scratch.names().isEmpty, "given back by whoever forgets it")
    let first = try RunLock(directory: scratch.path)
    first.release()
    let second = try RunLock(directory: scratch.path)
    first.release()
    #expect(second.isHeld && !first.isHeld, "nobody gives back what is another's")
    #expect(try first.standing() == .lost(to: RunLock.Owner(bytes: bytes(of: scratch / "lock"))?.description ?? ""))
    second.release()
    #expect(try first.standing() == .removed)
  }

  @Test(.timeLimit(.minutes(10))) func showsThatItLives() throws {
    let lock = try RunLock(directory: scratch.path)
    let losses = Losses()
    age("lock", 30)
    lock.keepAlive { losses.add($0) }
    func changed() -> Int {
      var status = stat()
      return stat(scratch / "lock", &status) == 0 ? status.st_mtim.tv_sec : 0
    }
    while changed() < time(nil) - 60 { usleep(1_000) }
    #expect(losses.first == nil)
    // The lock of another process that was faster is not changed but reported.
    leave(stranger(), minutesAgo: 30)
    lock.keepAlive { losses.add($0) }
    while losses.first == nil { usleep(1_000) }
    let loss = try #require(losses.first)
    #expect(
      loss.status == .cannotCreate && loss.message.contains("taken over the run directory: process 77"), "\(loss)")
    #expect(changed() < time(nil) - 60)
    lock.release()
    #expect(scratch.names() == ["lock"])
  }

  private final class Losses: @unchecked Sendable {
    private let mutex = NSLock()
    private var all: [Failure] = []
    func add(_ loss: Failure) { mutex.withLock { all.append(loss) } }
    var first: Failure? { mutex.withLock { all.first } }
  }

  @Test func takesOverFromAProcessThatIsGone() throws {
    var gone = RunLock.Owner.current
    (gone.pid, gone.token) = (0x3fff_ffff, "a")
    leave(gone)
    #expect(try RunLock(directory: scratch.path).notice?.contains("that process is gone") == true)
    // The process number is used again by a process with another start time.
    (gone.pid, gone.started, gone.token) = (getpid(), RunLock.Owner.current.started - 1, "b")
    leave(gone)
    #expect(try RunLock(directory: scratch.path).notice?.contains("process \(getpid())") == true)
    #expect(scratch.names().isEmpty)
  }

  @Test func anotherHostIsStaleWithoutASignOfLife() throws {
    leave(stranger())
    #expect(refusal()?.message.contains("process 77 on elsewhere") == true)
    leave(stranger(), minutesAgo: 30)
    put("{}", scratch / "status.json")
    #expect(refusal() != nil, "status.json has changed just now")
    age("status.json", 20)
    #expect(try RunLock(directory: scratch.path).notice?.contains("no sign of life for 20 minutes") == true)
  }

  @Test func aRequeuedJobTakesOverFromItself() throws {
    leave(stranger(job: "42", restart: 0))
    var later = stranger(job: "42", restart: 1)
    (later.host, later.machine) = ("third", "third")
    var same = later, other = later
    (same.restart, other.job) = (0, "43")
    #expect(refusal(same) != nil && refusal(other) != nil)
    #expect(try RunLock(directory: scratch.path, owner: later).notice?.contains("job 42 was requeued") == true)
  }

  @Test func theKernelKnowsOfALockThatHasBeenSilent() throws {
    leave(stranger(), minutesAgo: 30)
    let held = open(scratch / "lock", O_WRONLY)
    #expect(flock(held, LOCK_EX) == 0)
    #expect(refusal() != nil)
    close(held)
    #expect(try RunLock(directory: scratch.path).isHeld)
  }

  @Test(.timeLimit(.minutes(10)), arguments: ["fifo", "directory", "junk", "empty"])
  func whatIsNoLock(kind: String) throws {
    switch kind {
    case "fifo": #expect(mkfifo(scratch / "lock", 0o600) == 0)
    case "directory": #expect(mkdir(scratch / "lock", 0o700) == 0)
    default: put(kind == "junk" ? "{\"token\": \"../../x\"}" : "", scratch / "lock")
    }
    let error = try #require(refusal())
    #expect(error.status == .cannotCreate && error.message.contains(scratch.path), "\(error)")
    if ["junk", "empty"].contains(kind) {
      age("lock", 30)
      #expect(try RunLock(directory: scratch.path).isHeld)
    }
  }

  @Test func anInterruptedTakeOverIsSaid() throws {
    leave(stranger(), minutesAgo: 30)
    put("", scratch / "lock.after-\(try #require(RunLock.Owner(bytes: bytes(of: scratch / "lock"))).token)")
    #expect(refusal()?.hint?.contains("lock.after-") == true)
  }

  /// Of eight threads that take over one stale lock, exactly one gets it each time.
  @Test func oneWins() throws {
    for _ in 0..<20 {
      leave(stranger(), minutesAgo: 30)
      let directory = scratch.path
      let locks = Results()
      DispatchQueue.concurrentPerform(iterations: 8) { _ in
        var owner = RunLock.Owner.current
        owner.token = DurableFile.unique()
        if let lock = try? RunLock(directory: directory, owner: owner) { locks.add(lock) }
      }
      #expect(locks.count == 1)
      locks.drop()
      #expect(scratch.names().isEmpty)
    }
  }

  private final class Results: @unchecked Sendable {
    private let mutex = NSLock()
    private var locks: [RunLock] = []
    func add(_ lock: RunLock) { mutex.withLock { locks.append(lock) } }
    var count: Int { locks.count }
    func drop() { locks = [] }
  }
}
