import Glibc

/// How far a job of known length is, on standard error: a line that is rewritten on a terminal, elsewhere one now and
/// then; nothing for a job that is short.
package final class JobProgress {
  private let verb: String
  private let began = ContinuousClock.now
  private var said = ContinuousClock.now
  private let isTerminal = isatty(2) == 1
  private var hasSaid = false

  package init(_ verb: String) { self.verb = verb }

  package func report(_ done: Int, of total: Int) {
    let now = ContinuousClock.now
    guard now - said > (isTerminal ? .milliseconds(200) : .seconds(10)) else { return }
    guard now - began > .seconds(1), done < total else { return }
    said = now
    hasSaid = true
    let rate = Double(done) / ((now - began) / .seconds(1))
    let text = "\(verb)  \(done) of \(total)  \(100 * done / total) %  \(fixed(rate, 0)) samples/s"
    Output.complain(isTerminal ? "\r\(text)\u{1b}[K" : text + "\n")
  }

  /// Clears the line.
  package func end() { if isTerminal, hasSaid { Output.complain("\r\u{1b}[K") } }
}
