import Glibc
import Kernels

/// A file of a checkpoint. Its content is the concatenation of the chunks.
package struct CheckpointFile {
  package let name: String
  package let chunks: [UnsafeRawBufferPointer]

  package init(name: String, chunks: [UnsafeRawBufferPointer]) {
    self.name = name
    self.chunks = chunks
  }
}

/// A directory of checkpoints such as `step-00001200/`.
///
/// A checkpoint is either complete or absent, so that the newest completed one can be loaded whenever a process was
/// killed. `last` and `best` are symbolic links and only hints. There is at most one writer.
package final class CheckpointStore {
  /// The stages of a save, at which a test can interrupt it.
  enum Phase: Equatable, Hashable, Codable {
    case opened, wrote(String), summed, movedAside, installed, linkedLast, linkedBest, removedOne
  }

  private let directory: String
  private let keep: Int
  private let token = DurableFile.unique()
  private var temporaries = 0
  /// The best step, kept here for file systems without symbolic links.
  private var knownBest: Int?

  var faultInjection: (Phase) throws(Failure) -> Void = { _ throws(Failure) in }
  /// Called when a checkpoint has been written, just before it is renamed to its final name.
  package var beforeInstalling: () -> Void = {}
  /// False if the file system cannot swap two names (such as NFS), which is detected on first use.
  var canSwap = true

  /// Seconds without a write after which the writer of a temporary is assumed dead.
  static let staleAfter = 900
  private static let temporaryPrefix = ".tmp-"
  private static let asidePrefix = ".old-"

  /// - directory: created by the first save; its parent must exist.
  /// - keep: number of newest steps to keep.
  package init(directory: String, keep: Int) {
    self.directory = directory
    self.keep = max(1, keep)
  }

  // MARK: Saving

  /// Writes the complete directory `step-%08d`, then the links, and then removes all checkpoints except the newest
  /// `keep`, the best and those in `protecting`. An existing checkpoint of the step is replaced. If the save fails, the
  /// previous checkpoints remain.
  package func save(step: Int, files: [CheckpointFile], best: Bool, protecting: Set<Int>) throws(Failure) {
    precondition(step >= 0 && files.allSatisfy { Checksums.isPlain($0.name) }, "a step or a file name is impossible")
    precondition(
      !files.isEmpty && Set(files.map(\.name)).count == files.count, "two files of a checkpoint have the same name")
    let activity = Activity("writing the checkpoint of step \(step)")
    defer { activity.end() }
    try Posix.makeDirectory(directory)
    let temporary = temporaryName()
    do throws(Failure) {
      try fill("\(directory)/\(temporary)", called: Self.name(step), files)
      beforeInstalling()
      try install(temporary, as: Self.name(step))
    } catch {
      remove(temporary)
      throw error
    }
    try faultInjection(.installed)
    try link("last", to: step)
    try faultInjection(.linkedLast)
    if best {
      knownBest = step
      try link("best", to: step)
      try faultInjection(.linkedBest)
    }
    try prune(protecting: protecting.union([step]))
  }

  /// Sets the link `best` to a step, which is then kept.
  package func markBest(_ step: Int) throws(Failure) {
    guard best() != step else { return }
    knownBest = step
    try link("best", to: step)
  }

  /// Throws unless checkpoints can be written here. Call it before training depends on that.
  package func requireWritable() throws(Failure) {
    try Posix.makeDirectory(directory)
    let probe = temporaryName(), path = "\(directory)/\(probe)"
    try Posix.check("create a directory in", directory, .cannotCreate) { mkdir(path, 0o777) }
    remove(probe)
  }

  /// Removes all steps above `step`, which a rollback has declared invalid.
  package func discard(above step: Int) throws(Failure) {
    for later in steps() where later > step { try discard(later) }
  }

  /// Writes the files and then their checksums. All files are written before the first is flushed, so that a single
  /// commit of the file system's journal covers them all.
  ///
  /// - name: the final name of the directory, for messages.
  private func fill(_ path: String, called name: String, _ files: [CheckpointFile]) throws(Failure) {
    try Posix.check("create the directory", path, .cannotCreate) { mkdir(path, 0o777) }
    try faultInjection(.opened)
    var sums: [Checksums.Entry] = []
    var written: [OpenFile] = []
    func write(_ chunks: [UnsafeRawBufferPointer], to file: String) throws(Failure) {
      let (place, called) = ("\(path)/\(file)", "\(directory)/\(name)/\(file)")
      let opened = try OpenFile(writing: place, flags: O_CREAT | O_EXCL, called: called)
      for chunk in chunks { try opened.write(chunk) }
      written.append(opened)
    }
    for file in files {
      let hash = SHA256()
      for chunk in file.chunks { hash.update(chunk) }
      try write(file.chunks, to: file.name)
      sums.append(Checksums.Entry(digest: hash.finish(), name: file.name))
      try faultInjection(.wrote(file.name))
    }
    let text = Array(Checksums.text(sums).utf8)
    try text.withUnsafeBufferPointer { buffer throws(Failure) in
      try write([UnsafeRawBufferPointer(buffer)], to: Checksums.fileName)
    }
    for file in written {
      try file.sync()
      try file.close()
    }
    try Posix.syncDirectory(path)
    try faultInjection(.summed)
  }

  /// Renames a finished temporary to its final name. An existing directory of that name is swapped out in one system
  /// call. Where that is not supported, it is moved aside first, where `steps` finds it if the process ends before the
  /// next rename.
  private func install(_ temporary: String, as name: String) throws(Failure) {
    let (source, target) = ("\(directory)/\(temporary)", "\(directory)/\(name)")
    var status = stat()
    if lstat(target, &status) != 0 {
      try Posix.rename(source, to: target)
    } else if canSwap && Posix.swap(source, target) {
      try faultInjection(.movedAside)
      remove(temporary)
    } else {
      canSwap = false
      let aside = "\(Self.asidePrefix)\(name)-\(DurableFile.unique())"
      try Posix.rename(target, to: "\(directory)/\(aside)")
      do throws(Failure) {
        try faultInjection(.movedAside)
        try Posix.rename(source, to: target)
      } catch {
        Glibc.rename("\(directory)/\(aside)", target)
        throw error
      }
      try Posix.syncDirectory(directory)
      remove(aside)
    }
    try Posix.syncDirectory(directory)
  }

  /// Replaces a link atomically. Links are hints, so they are not flushed, and they are omitted on file systems without
  /// links.
  private func link(_ name: String, to step: Int) throws(Failure) {
    let temporary = "\(directory)/\(temporaryName())"
    let path = "\(directory)/\(name)"
    if symlink(Self.name(step), temporary) != 0 {
      let code = errno
      if [EPERM, EOPNOTSUPP, ENOSYS].contains(code) { return }
      throw Posix.failure("make the link", path, .cannotCreate, code)
    }
    do throws(Failure) {
      try Posix.rename(temporary, to: path)
    } catch {
      unlink(temporary)
      throw error
    }
  }

  // MARK: Removing

  private func prune(protecting: Set<Int>) throws(Failure) {
    let best = best()
    for old in steps().dropFirst(keep) where old != best && !protecting.contains(old) {
      // The new checkpoint is complete, so failing to remove an old one is no reason to stop training.
      do throws(Failure) { try discard(old) } catch { continue }
      try faultInjection(.removedOne)
    }
    removeStale()
  }

  /// Removes a checkpoint. It is renamed first, so that a half-removed checkpoint never has the name of a step.
  private func discard(_ step: Int) throws(Failure) {
    let temporary = temporaryName()
    try Posix.rename(path(step: step), to: "\(directory)/\(temporary)")
    remove(temporary)
  }

  /// Removes the remains of dead writers: old temporaries, and replaced checkpoints that were moved aside.
  private func removeStale() {
    let entries = entries()
    let steps = Set(entries)
    for entry in entries {
      if entry.hasPrefix(Self.asidePrefix), let name = Self.nameInAside(entry), steps.contains(name) {
        remove(entry)
      } else if entry.hasPrefix(Self.temporaryPrefix) {
        let ours = entry.hasPrefix(Self.temporaryPrefix + token)
        if ours || time(nil) - lastChange(entry) > Self.staleAfter { remove(entry) }
      }
    }
  }

  /// Returns the latest modification time of an entry and its files in seconds; the current time if it cannot be read.
  private func lastChange(_ entry: String) -> Int {
    let path = "\(directory)/\(entry)"
    var status = stat()
    guard lstat(path, &status) == 0 else { return time(nil) }
    var latest = status.st_mtim.tv_sec
    guard let opened = try? OpenFile(directory: path), let names = try? Posix.names(in: opened) else { return latest }
    for name in names where fstatat(opened.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 {
      latest = max(latest, status.st_mtim.tv_sec)
    }
    return latest
  }

  /// Removes an entry if possible. A later `removeStale` removes what remains.
  private func remove(_ entry: String) {
    guard let parent = try? OpenFile(directory: directory) else { return }
    try? Posix.removeTree(entry, in: parent)
  }

  private func temporaryName() -> String {
    temporaries += 1
    return "\(Self.temporaryPrefix)\(token)-\(temporaries)"
  }

  // MARK: Finding

  /// Returns the steps on disk, newest (highest) first. Only `verify` tells whether they are intact.
  package func steps() -> [Int] {
    Self.steps(in: entries())
  }

  private static func steps(in entries: [String]) -> [Int] {
    Set(entries.compactMap { step(named: nameInAside($0) ?? $0) }).sorted(by: >)
  }

  /// Returns the path of a step's directory, or the path to which it was moved aside.
  package func path(step: Int) -> String {
    let name = Self.name(step)
    let path = "\(directory)/\(name)"
    var status = stat()
    if lstat(path, &status) == 0 { return path }
    guard let aside = entries().first(where: { Self.nameInAside($0) == name }) else { return path }
    return "\(directory)/\(aside)"
  }

  /// Reads every file of a checkpoint and compares its SHA-256. Throws a `Failure` that names a damaged or missing
  /// file.
  package func verify(step: Int) throws(Failure) {
    let path = path(step: step)
    let parent = try OpenFile(directory: directory)
    try Checksums.verify(try OpenFile(directory: path, name: Posix.split(path).name, in: parent))
  }

  /// Returns the newest step (at most `atMost`) that passes `verify`, and the newer ones that do not. A directory that
  /// exists but cannot be read is reported as step -1, so that it is not mistaken for an empty one.
  package func newestValid(atMost: Int?) -> (step: Int?, skipped: [(step: Int, reason: Failure)]) {
    var skipped: [(step: Int, reason: Failure)] = []
    var names: [String] = []
    do throws(Failure) {
      names = try Posix.names(in: try OpenFile(directory: directory))
    } catch {
      if error.status != .missingInput { skipped.append((-1, error)) }
    }
    for step in Self.steps(in: names) where step <= atMost ?? .max {
      do throws(Failure) {
        try verify(step: step)
        return (step, skipped)
      } catch {
        skipped.append((step, error))
      }
    }
    return (nil, skipped)
  }

  /// Returns the best step if it is on disk.
  package func best() -> Int? {
    var target = [UInt8](repeating: 0, count: 64)
    let count = readlink("\(directory)/best", &target, target.count)
    let linked = count > 0 ? Self.step(named: String(decoding: target.prefix(count), as: UTF8.self)) : nil
    guard let step = knownBest ?? linked, steps().contains(step) else { return nil }
    return step
  }

  private func entries() -> [String] {
    guard let opened = try? OpenFile(directory: directory) else { return [] }
    return (try? Posix.names(in: opened)) ?? []
  }

  private static func name(_ step: Int) -> String {
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
  }

  private static func step(named name: String) -> Int? {
    guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), step >= 0, self.name(step) == name else {
      return nil
    }
    return step
  }

  /// Returns the original name of a checkpoint that was moved aside: "step-00000012" for ".old-step-00000012-<token>".
  private static func nameInAside(_ entry: String) -> String? {
    guard entry.hasPrefix(asidePrefix) else { return nil }
    let rest = entry.dropFirst(asidePrefix.count)
    guard let dash = rest.lastIndex(of: "-"), step(named: String(rest[..<dash])) != nil else { return nil }
    return String(rest[..<dash])
  }
}
