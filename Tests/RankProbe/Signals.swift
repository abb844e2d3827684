import CMPIShim
import Communication
import Foundation
import Kernels
import Reporting

extension RankProbe {
  /// signals: computes products while the program's handler runs 5,000 times a second. All must be the same.
  ///
  /// oneDNN's generated kernels keep data below the stack pointer, which a handler on the same stack overwrites.
  static func signals(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    try Products.select(.auto, threads: 1)
    vd_signal_install(SIGALRM)
    let (m, n, k) = (64, 200, 300)
    let a = Buffer(count: m * k), b = Buffer(count: n * k), first = Buffer(count: m * n), again = Buffer(count: m * n)
    for i in 0..<m * k { a.base[i] = Float(i % 17) * 0.1 }
    for i in 0..<n * k { b.base[i] = Float(i % 13) * 0.1 }
    func multiply(_ c: UnsafeMutablePointer<Float>) {
      Products.multiply(m, n, k, a.base, b.base, transposedB: true, beta: 0, into: c)
    }
    multiply(first.base)
    var every = itimerval(
      it_interval: timeval(tv_sec: 0, tv_usec: 200), it_value: timeval(tv_sec: 0, tv_usec: 200))
    setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &every, nil)
    for i in 0..<20_000 {
      multiply(again.base)
      try check(memcmp(first.base, again.base, m * n * 4) == 0, "product \(i) under signals is the first one's")
    }
    every = itimerval()
    setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &every, nil)
    try check(vd_signal_pending() == SIGALRM, "the handler ran")
    Output.say("20000 products by \(Products.description)\n")
  }
}
