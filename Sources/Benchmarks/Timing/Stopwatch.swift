import Training
import Communication
import Kernels

/// Times work that all ranks do at the same time.
package struct Stopwatch {
  package let communicator: Communicator
  package init(_ communicator: Communicator) { self.communicator = communicator }

  /// Mean seconds per run of `count` runs on this rank. All ranks start together. Collective.
  package func mean(of count: Int, _ body: () throws(Failure) -> Void) throws(Failure) -> Double {
    try communicator.barrier()
    let began = ContinuousClock.now
    for _ in 0..<count { try body() }
    return (ContinuousClock.now - began) / .seconds(1) / Double(count)
  }

  /// Number of runs that take about `seconds` on the slowest rank. The number is the same on every rank. Collective.
  package func count(for seconds: Double, _ body: () throws(Failure) -> Void) throws(Failure) -> Int {
    try body()
    let once = max(try mean(of: 2, body), 1e-8)
    return Int(-(try communicator.maximum([-Int64(min(1e6, max(3, seconds / once)))])[0]))
  }

  /// Median over rounds of the mean seconds per run on this rank. If the machine is busy and the rounds take far longer
  /// than expected, fewer rounds are measured. Collective.
  package func median(rounds: Int = 7, of seconds: Double = 0.01, _ body: () throws(Failure) -> Void)
    throws(Failure) -> Double
  {
    let count = try count(for: seconds, body), began = ContinuousClock.now
    var times = [Double]()
    while times.count < rounds {
      times.append(try mean(of: count, body))
      let slow = ContinuousClock.now - began > .seconds(10 * Double(rounds) * seconds)
      if try communicator.maximum([slow ? 1 : 0])[0] > 0 { break }
    }
    return Distribution(times).median
  }

  /// Seconds of every single run on this rank. Collective.
  package func each(of count: Int, _ body: () throws(Failure) -> Void) throws(Failure) -> [Double] {
    var times = [Double](repeating: 0, count: count)
    try body()
    try communicator.barrier()
    var mark = ContinuousClock.now
    let activity = Activity("timing single runs", of: count)
    defer { activity.end() }
    for i in 0..<count {
      try body()
      let now = ContinuousClock.now
      times[i] = (now - mark) / .seconds(1)
      Activity.advance()
      mark = now
    }
    return times
  }

  /// Gathers a value from every rank, in rank order. Collective.
  package func all(_ value: Double) throws(Failure) -> [Double] {
    try communicator.gather(withUnsafeBytes(of: value) { Array($0) })
      .map { bytes in bytes.withUnsafeBytes { $0.loadUnaligned(as: Double.self) } }
  }
}
