import Foundation
import Kernels
import Settings

/// Shows the current activity and the remaining time once it has taken two seconds: on a terminal as a line that is
/// rewritten, elsewhere as an occasional line on standard error.
package enum ActivityLine {
  private static let patience = Swift.Duration.seconds(2)

  /// Starts to show activities. If no thread can be created, nothing is shown.
  package static func start() {
    let begun = DispatchSemaphore(value: 0)
    Activity.listen { begun.signal() }
    try? Background.start("progress") {
      var said: ContinuousClock.Instant?
      while true {
        guard let (activity, done) = Activity.current else {
          Output.clearLine()
          begun.wait()
          continue
        }
        let now = ContinuousClock.now
        if now - activity.began > patience {
          let text = text(activity, done, now)
          if Output.hasTerminal {
            Output.showLine(text)
          } else if said.map({ now - $0 > .seconds(10) }) ?? true {
            said = now
            Output.complain(text + "\n")
          }
        }
        usleep(200_000)
      }
    }
  }

  static func text(_ activity: Activity, _ done: Int, _ now: ContinuousClock.Instant) -> String {
    let name = activity.name.printable, seconds = (now - activity.began) / .seconds(1)
    guard activity.total > 0, done > 0 else { return "\(name)  \(seconds, .clock) so far" }
    let part = min(1, Double(done) / Double(activity.total))
    return "\(name)  \(Int(100 * part)) %  \(seconds / part - seconds, .clock) left"
  }
}
