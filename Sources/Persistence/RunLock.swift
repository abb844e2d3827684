import Foundation
import Kernels

/// One writer at a time in a run directory: the file `lock`, which names its owner.
///
/// The file is made by link(2), which is atomic on local disks and NFS, from a temporary that is complete. A stale lock
/// is replaced only by whoever first makes `lock.after-<token of the stale one>`, and only while `lock` still has that
/// token; so of several that find it stale one wins, and a late one that looked before the winner finds another token.
/// Who holds it is alive when its process (with its start time: numbers are used again) is there on this host; on
/// another host, when the kernel still holds its flock, or while the lock or status.json have changed within ten
/// minutes by the file server's clock, as `keepAlive` sees to. A job that Slurm has requeued takes over from itself at
/// once.
package final class RunLock: @unchecked Sendable {
  private let directory: String
  private let owner: Owner
  private let temporary: String
  /// Open, and locked by the kernel where the file system can, as long as the lock is held.
  private let file: OpenFile
  private var heart: (any DispatchSourceTimer)?
  /// What was taken over, for the user.
  package private(set) var notice: String?

  /// Without a sign of life for so long, a lock of another host is stale; VAE_DIST_LOCK_STALE has another number, the
  /// same for all who share a directory. seconds
  static let staleAfter =
    ProcessInfo.processInfo.environment["VAE_DIST_LOCK_STALE"].flatMap { Int($0) }.map { max(1, $0) } ?? 600

  private var path: String { directory + "/lock" }

  /// Takes the lock of an existing directory.
  package convenience init(directory: String) throws(Failure) {
    try self.init(directory: directory, owner: .current)
  }

  init(directory: String, owner: Owner) throws(Failure) {
    self.directory = directory
    self.owner = owner
    temporary = "\(directory)/.lock-\(owner.token)"
    file = try OpenFile(writing: temporary, flags: O_CREAT | O_EXCL, called: directory + "/lock")
    defer { unlink(temporary) }
    try owner.text.withUTF8Bytes { bytes throws(Failure) in try file.write(bytes) }
    try file.sync()
    flock(file.descriptor, LOCK_EX | LOCK_NB)
    try take()
  }

  deinit { release() }

  /// Gives the lock back, if it still is this one's.
  package func release() {
    heart?.cancel()
    if isHeld { unlink(path) }
  }

  package var isHeld: Bool { (try? standing()) == .held }

  package enum Standing: Equatable { case held, removed, lost(to: String) }

  /// Whose the lock is now. A process that was stopped, or cut off from the file system, has to ask.
  package func standing() throws(Failure) -> Standing {
    guard let found = try found() else { return .removed }
    return found.token == owner.token ? .held : .lost(to: found.owner?.description ?? "somebody")
  }

  /// From now on a thread shows that this process lives, whatever its other threads are doing, and calls `lost` when
  /// the lock is another's.
  package func keepAlive(lost: @escaping @Sendable (Failure) -> Void) {
    let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "lock"))
    timer.schedule(deadline: .now(), repeating: Double(Self.staleAfter) / 20)
    timer.setEventHandler { [weak self] in
      guard let self else { return }
      switch try? standing() {
      case .held: utimes(path, nil)
      case .lost(let other): lost(takenOver(by: other))
      case .removed, nil: break
      }
    }
    timer.resume()
    heart = timer
  }

  /// The end of a process that writes where another does.
  package func takenOver(by other: String) -> Failure {
    Failure(
      .cannotCreate, "\(directory.printable): another training has taken over the run directory: \(other)",
      hint: "this one was silent for too long, or its lock was removed; let the other one go on")
  }

  // MARK: Taking

  private func take() throws(Failure) {
    for _ in 0..<20 {
      guard let found = try found() else {
        if try make(path) { return }
        continue
      }
      guard let reason = staleness(of: found) else { throw refusal(found) }
      if try replace(found) {
        notice = "took over the lock of \(found.owner?.description ?? "an unknown process"): \(reason)"
        return
      }
      usleep(50_000)
    }
    throw Failure(
      .cannotCreate, "\(path.printable): another process is taking it over",
      hint: "start again; if none is, remove it and the files lock.after-* beside it")
  }

  /// Gives the temporary a second name; false where that name is taken.
  private func make(_ name: String) throws(Failure) -> Bool {
    if link(temporary, name) == 0 { return true }
    let code = errno
    if code == EEXIST {
      // A server's answer that was lost says so of one's own link.
      return name == path && isHeld
    }
    guard [EPERM, EOPNOTSUPP, ENOSYS, EMLINK].contains(code) else {
      throw Posix.failure("create", name, .cannotCreate, code)
    }
    // A file system without links: the name alone is atomic, and a reader may see it empty for a moment.
    do throws(Failure) {
      let copy = try OpenFile(writing: name, flags: O_CREAT | O_EXCL)
      try owner.text.withUTF8Bytes { bytes throws(Failure) in try copy.write(bytes) }
      try copy.close()
      return true
    } catch {
      var status = stat()
      if lstat(name, &status) == 0 { return false }
      throw error
    }
  }

  private func replace(_ found: Found) throws(Failure) -> Bool {
    let claim = "\(path).after-\(found.token)"
    guard try make(claim) else { return false }
    defer { unlink(claim) }
    guard try self.found()?.token == found.token else { return false }
    // Two names of one file cannot be renamed onto each other, so the claim is not what is renamed.
    try Posix.rename(temporary, to: path)
    return true
  }

  private func refusal(_ found: Found) -> Failure {
    Failure(
      .cannotCreate,
      "\(directory.printable): another training runs in it: \(found.owner?.description ?? "its lock is being made")",
      hint: "wait for it or stop it, or choose another --run; if that run no longer exists, remove \(path.printable)")
  }

  // MARK: Judging

  private struct Found {
    let owner: Owner?
    let token: String
    let changed: Int
    let isLockedByKernel: Bool
  }

  /// The lock as it stands; nil where there is none.
  private func found() throws(Failure) -> Found? {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    do throws(Failure) {
      let file = try OpenFile(reading: path)
      let owner = Owner(bytes: try file.contents(limit: 1 << 16))
      let isFree = flock(file.descriptor, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK
      return Found(
        owner: owner, token: owner?.token ?? "unreadable", changed: try file.status().st_mtim.tv_sec,
        isLockedByKernel: !isFree)
    } catch {
      if error.status == .missingInput { return nil }
      throw Failure(.cannotCreate, error.message, hint: "if no training runs in \(directory.printable), remove it")
    }
  }

  /// Why its owner no longer counts; nil while it does.
  private func staleness(of found: Found) -> String? {
    if let other = found.owner {
      if other.machine == owner.machine {
        return Owner.startTime(of: other.pid) == other.started ? nil : "that process is gone"
      }
      if let job = other.job, job == owner.job, other.restart < owner.restart { return "job \(job) was requeued" }
    }
    if found.isLockedByKernel { return nil }
    // The temporary is as old as this process's wish, by the clock that the other files have.
    var mine = stat(), heartbeat = stat()
    guard stat(temporary, &mine) == 0 else { return nil }
    let isThere = stat(directory + "/status.json", &heartbeat) == 0
    let silence = mine.st_mtim.tv_sec - max(found.changed, isThere ? heartbeat.st_mtim.tv_sec : 0)
    guard silence > Self.staleAfter else { return nil }
    return "no sign of life for \(silence < 120 ? "\(silence) seconds" : "\(silence / 60) minutes")"
  }
}

extension RunLock {
  /// Who holds a lock.
  struct Owner: Codable, Equatable, CustomStringConvertible {
    var token = DurableFile.unique()
    var host: String
    var pid: Int32
    /// Start of the process, in the kernel's ticks since the start of the machine.
    var started: Int
    /// The start of the machine and the space of process numbers: a number means the same only within both.
    var machine: String
    var job: String?
    /// How often Slurm has put the job back into the queue.
    var restart = 0
    var since: String

    static var current: Owner {
      let environment = ProcessInfo.processInfo.environment
      let boot = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? ""
      let space = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? ""
      return Owner(
        host: Machine.name, pid: getpid(), started: startTime(of: getpid()) ?? 0,
        machine: boot.trimmingCharacters(in: .whitespacesAndNewlines) + " " + space,
        job: environment["SLURM_JOB_ID"].flatMap { $0.isEmpty ? nil : $0 },
        restart: environment["SLURM_RESTART_COUNT"].flatMap { Int($0) } ?? 0,
        since: ISO8601DateFormatter().string(from: Date()))
    }

    /// Field 22 of /proc/PID/stat, counted behind the name, which may hold anything; nil when there is no such process,
    /// or only its remains.
    static func startTime(of pid: Int32) -> Int? {
      guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return nil }
      let text = String(decoding: data, as: UTF8.self)
      guard let name = text.lastIndex(of: ")") else { return nil }
      let fields = text[name...].split(separator: " ").dropFirst()
      guard fields.count >= 20, let state = fields.first, state != "Z", state != "X" else { return nil }
      return Int(fields[fields.startIndex + 19])
    }

    init?(bytes: [UInt8]) {
      guard let owner = try? JSONDecoder().decode(Owner.self, from: Data(bytes)) else { return nil }
      // It becomes part of a file's name.
      guard !owner.token.isEmpty, owner.token.count <= 64, owner.token.allSatisfy(\.isHexDigit) else { return nil }
      self = owner
    }

    init(host: String, pid: Int32, started: Int, machine: String, job: String?, restart: Int, since: String) {
      self.host = host
      self.pid = pid
      self.started = started
      self.machine = machine
      self.job = job
      self.restart = restart
      self.since = since
    }

    var text: String {
      JSON.object([
        ("host", .text(host)), ("pid", .integer(Int(pid))), ("since", .text(since)),
        ("job", job.map(JSON.text) ?? .null), ("restart", .integer(restart)), ("started", .integer(started)),
        ("machine", .text(machine)), ("token", .text(token)),
      ]).text + "\n"
    }

    var description: String {
      "process \(pid) on \(host.printable)" + (job.map { " (job \($0.printable))" } ?? "")
        + ", since \(since.printable)"
    }
  }
}

extension String {
  fileprivate func withUTF8Bytes(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
    try Array(utf8).withUnsafeBufferPointer { buffer throws(Failure) in try body(UnsafeRawBufferPointer(buffer)) }
  }
}
