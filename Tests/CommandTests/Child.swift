import Foundation
import Testing

/// The result of a child process: status, both streams, and the time that it took.
struct Outcome {
  /// The exit status, or 128 + n after signal n, or -1 if the child was killed because it exceeded its time limit.
  var status: Int32
  /// The signal that ended the child, or 0.
  var signal: Int32
  var output: String
  var errors: String
  var seconds: Double

  var lines: [String] { output.split(separator: "\n").map(String.init) }
  /// Number of occurrences of a text in both streams, which is what a user sees.
  func count(of text: String) -> Int { (output + errors).components(separatedBy: text).count - 1 }
}

/// A process in its own group, with a time limit. Its streams go to files, so that it cannot block when it writes.
final class Child {
  let identifier: pid_t
  private let folder: String
  private let began = ContinuousClock.now
  private var ended = false

  init(_ command: [String], environment: [String: String], directory: String) throws {
    folder = NSTemporaryDirectory() + "vae-dist-child-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    for (descriptor, name) in [(1 as Int32, "out"), (2, "err")] {
      posix_spawn_file_actions_addopen(&actions, descriptor, "\(folder)/\(name)", O_WRONLY | O_CREAT | O_APPEND, 0o600)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t(), all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    let command = ["env", "-C", directory] + command
    let words = command.map { strdup($0) } + [nil]
    let variables = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { for text in words + variables { free(text) } }
    var started: pid_t = 0
    let code = posix_spawnp(&started, command[0], &actions, &attributes, words, variables)
    identifier = started
    guard code == 0 else {
      ended = true
      throw ChildError(description: "\(command): \(String(cString: strerror(code)))")
    }
  }

  deinit {
    if !ended { end() }
    try? FileManager.default.removeItem(atPath: folder)
  }

  func send(_ signal: Int32) { kill(identifier, signal) }

  /// The text that it has written to standard output so far.
  var output: String { text("out") }
  /// The text that it has written to standard error so far.
  var errors: String { text("err") }

  /// Waits until the process ends. It is a failure of the test if the time limit passes.
  func wait(limit: Double = 60, sourceLocation: SourceLocation = #_sourceLocation) -> Outcome {
    var status: Int32 = 0
    while waitpid(identifier, &status, WNOHANG) == 0 {
      if seconds > limit {
        end()
        Issue.record(
          "not done after \(limit) s\n\(text("out").suffix(2000))\n\(text("err").suffix(2000))",
          sourceLocation: sourceLocation)
        return Outcome(status: -1, signal: 0, output: text("out"), errors: text("err"), seconds: seconds)
      }
      usleep(2_000)
    }
    ended = true
    let signal = status & 0x7f
    return Outcome(
      status: signal == 0 ? (status >> 8) & 0xff : 128 + signal, signal: signal, output: text("out"),
      errors: text("err"), seconds: seconds)
  }

  /// Waits until a condition holds while the child runs. Returns false if it ended or the limit passed before.
  func wait(limit: Double = 30, until holds: () -> Bool) -> Bool {
    while seconds < limit {
      if holds() { return true }
      var information = siginfo_t()
      waitid(P_PID, id_t(identifier), &information, WEXITED | WNOHANG | WNOWAIT)
      if information.si_signo == SIGCHLD { return holds() }
      usleep(3_000)
    }
    return false
  }

  private var seconds: Double { (ContinuousClock.now - began) / .seconds(1) }

  private func text(_ name: String) -> String {
    String(decoding: FileManager.default.contents(atPath: "\(folder)/\(name)") ?? Data(), as: UTF8.self)
  }

  /// mpirun passes SIGTERM on and kills its ranks a second later. If it does not end, its group is killed.
  private func end() {
    ended = true
    kill(identifier, SIGTERM)
    var status: Int32 = 0
    for _ in 0..<300 {
      if waitpid(identifier, &status, WNOHANG) != 0 { return }
      usleep(10_000)
    }
    kill(-identifier, SIGKILL)
    waitpid(identifier, &status, 0)
  }
}

struct ChildError: Error, CustomStringConvertible { let description: String }
