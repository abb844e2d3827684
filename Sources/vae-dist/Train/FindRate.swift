import Communication
import RunConfiguration
import Kernels
import Reporting
import Results
import Training

/// Implements `train --find-learning-rate`, which creates no run directory, checkpoint or other file.
enum RateSearch {
  static func run(_ configuration: Configuration, _ communicator: Communicator) throws(Failure) -> Int32 {
    let clock = PhaseClock()
    try Watchdog(clock, rank: communicator.rank, of: communicator.size, limit: configuration.train.watchdog).start()
    let setup = try TrainingSetup(configuration, communicator, checkpointDirectory: nil, resume: .none, clock: clock)
    if communicator.isRoot { for warning in setup.warnings { Output.complain("vae-dist: warning: \(warning)\n") } }
    let sweep = try RateSweep.run(setup), text = RateSweepText(sweep)
    try communicator.together { () throws(Failure) in
      guard communicator.isRoot else { return }
      try Output.result(configuration.log.progress == .json ? text.json.text + "\n" : text.text)
    }
    return sweep.isCutShort ? Failure.Status.stopped.rawValue : 0
  }
}
