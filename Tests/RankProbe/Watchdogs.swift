import Communication
import Glibc
import Kernels

extension RankProbe {
  /// watchdog [stall]: rank 0 takes three limits for a checkpoint, or for loading data, while rank 1 waits for it.
  static func watchdog(_ communicator: Communicator, _ arguments: [String]) throws(Failure) {
    let clock = PhaseClock(), missing = communicator.rank == 1 ? [0] : []
    try Watchdog(
      clock, rank: communicator.rank, of: communicator.size, limit: .seconds(1), missing: { missing }
    ).start()
    for phase in arguments.first == "stall" ? [Phase.data] : [.checkpoint, .pictures, .validate, .checkpoint] {
      clock.enter(.update)
      clock.enter(phase)
      if communicator.isRoot {
        // A disk or a picture gives no sign of life, but it ends; rank 0 itself would be patient with the data.
        if phase == .data { clock.enter(.start) }
        sleep(3)
      }
      clock.enter(.wait)
      try communicator.barrier()
    }
  }
}
