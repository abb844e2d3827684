import Communication
import Glibc
import Kernels

extension RankProbe {
  /// watchdog [stall]: rank 0 takes three times the limit for a checkpoint or for loading data, while rank 1 waits.
  static func watchdog(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    let clock = PhaseClock()
    let exchange = try GradientExchange(
      communicator, tree: ReductionTree(leaves: 2, ranks: 2), count: 100, rowWidth: 1, route: .auto, clock: clock)
    try Watchdog(clock, rank: communicator.rank, of: communicator.size, limit: .seconds(1)).start()
    for phase in arguments.first == "stall" ? [Phase.data] : [.checkpoint, .pictures, .validate, .checkpoint] {
      clock.enter(.update)
      clock.enter(phase)
      if communicator.isRoot {
        // A slow disk or picture shows no progress but ends. Rank 0 itself would wait for the data.
        if phase == .data { clock.enter(.start) }
        sleep(3)
      }
      exchange.awaitBuffers()
      for leaf in exchange.leaves { exchange.merge(after: leaf) }
      _ = try exchange.sum { _ in SIMD8() }
      exchange.release()
      clock.enter(.wait)
      try communicator.barrier()
    }
    exchange.close()
    clock.enter(.update)
    clock.enter(.data)
    // No rank waits for it, so it may take longer than a phase.
    clock.finish()
    sleep(2)
  }
}
