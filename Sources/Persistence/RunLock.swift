import Foundation
import Kernels

/// Allows one writer at a time in a run directory, by means of the file `lock`, which names its owner.
///
/// The file is created from a complete temporary with link(2), which is atomic on local disks and NFS. To replace a
/// stale lock, a process must first create `lock.after-<token of the stale lock>`, and `lock` must still have that
/// token. Of several processes that find the lock stale, one creates the file; a slower one then finds another token.
///
/// On the same host, an owner is alive if its process exists with the same start time, since process numbers are
/// reused. On another host it is alive if the kernel still holds its flock, or if the lock or status.json has changed
/// within ten minutes by the file server's clock, which `keepAlive` ensures. A job that Slurm has requeued takes over
/// its own lock at once.
package final class RunLock: @unchecked Sendable {
  private let directory: String
  private let owner: Owner
  private let temporary: String
  /// Open as long as the lock is held, with an flock where the file system supports it.
  private let file: OpenFile
  private var heart: (any DispatchSourceTimer)?
  /// A message for the user if a stale lock was taken over.
  package private(set) var notice: String?

  /// Seconds without a sign of life after which a lock of another host is stale. VAE_DIST_LOCK_STALE overrides it, and
  /// must be the same for all processes that share a directory.
  static let staleAfter =
    ProcessInfo.processInfo.environment["VAE_DIST_LOCK_STALE"].flatMap { Int($0) }.map { max(1, $0) } ?? 600

  private var path: String { directory + "/lock" }

  /// Takes the lock of an existing directory. Throws if another process holds it.
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

  /// Releases the lock if this process still holds it.
  package func release() {
    heart?.cancel()
    if isHeld { unlink(path) }
  }

  package var isHeld: Bool { (try? standing()) == .held }

  package enum Standing: Equatable { case held, removed, lost(to: String) }

  /// Returns who holds the lock now. A process that was suspended or cut off from the file system may have lost it.
  package func standing() throws(Failure) -> Standing {
    guard let found = try found() else { return .removed }
    return found.token == owner.token ? .held : .lost(to: found.owner?.description ?? "somebody")
  }

  /// Starts a thread that shows that this process is alive, whatever its other threads are doing. The thread calls
  /// `lost` if another process has taken the lock.
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

  /// The failure of a process whose run directory another process has taken over.
  package func takenOver(by other: String) -> Failure {
    Failure(
      .cannotCreate, "\(directory.printable): another training has taken over the run directory: \(other)",
      hint: "this one was silent for too long, or its lock was removed; let the other one continue")
  }

  // MARK: Acquiring the lock

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
      hint: "start again; if there is no such process, remove the file and the files lock.after-* next to it")
  }

  /// Links the temporary to a name. Returns false if the name exists.
  private func make(_ name: String) throws(Failure) -> Bool {
    if link(temporary, name) == 0 { return true }
    let code = errno
    if code == EEXIST {
      // If a server's answer was lost, the repeated request fails although the first one created this process's own
      // link.
      return name == path && isHeld
    }
    guard [EPERM, EOPNOTSUPP, ENOSYS, EMLINK].contains(code) else {
      throw Posix.failure("create", name, .cannotCreate, code)
    }
    // On a file system without links only the creation of the name is atomic. A reader may find the file empty for a
    // moment.
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
    // rename(2) does nothing if both names are links to one file, so the temporary is renamed and not the claim.
    try Posix.rename(temporary, to: path)
    return true
  }

  private func refusal(_ found: Found) -> Failure {
    Failure(
      .cannotCreate,
      "\(directory.printable): another training runs in it: \(found.owner?.description ?? "its lock is being made")",
      hint: "wait for it or stop it, or choose another --run; if that run no longer exists, remove \(path.printable)")
  }

  // MARK: Detecting stale locks

  private struct Found {
    let owner: Owner?
    let token: String
    let changed: Int
    let isLockedByKernel: Bool
  }

  /// Returns the current lock; nil if there is none.
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

  /// Returns why the lock is stale; nil if its owner may be alive.
  private func staleness(of found: Found) -> String? {
    if let other = found.owner {
      if other.machine == owner.machine {
        return Owner.startTime(of: other.pid) == other.started ? nil : "that process is gone"
      }
      if let job = other.job, job == owner.job, other.restart < owner.restart { return "job \(job) was requeued" }
    }
    if found.isLockedByKernel { return nil }
    // The temporary was written when this process asked for the lock, so its time is comparable by the file server's
    // clock.
    var mine = stat(), heartbeat = stat()
    guard stat(temporary, &mine) == 0 else { return nil }
    let isThere = stat(directory + "/status.json", &heartbeat) == 0
    let silence = mine.st_mtim.tv_sec - max(found.changed, isThere ? heartbeat.st_mtim.tv_sec : 0)
    guard silence > Self.staleAfter else { return nil }
    return "no sign of life for \(silence < 120 ? "\(silence) seconds" : "\(silence / 60) minutes")"
  }
}

extension RunLock {
  /// The owner of a lock.
  struct Owner: Codable, Equatable, CustomStringConvertible {
    var token = DurableFile.unique()
    var host: String
    var pid: Int32
    /// Start time of the process, in the kernel's ticks since boot.
    var started: Int
    /// The boot and the process namespace, because a process number is unique only within both.
    var machine: String
    var job: String?
    /// Number of times that Slurm has requeued the job.
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

    /// Returns field 22 of /proc/PID/stat, counted after the name, which may contain any character; nil if there is no
    /// such process or only a zombie.
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
      // The token becomes part of a file name.
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
