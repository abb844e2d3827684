import CMPIShim
import Foundation
import Kernels

/// What the environment says about the launcher of this process.
package enum Launcher {
  private static func number(_ names: [String]) -> Int? {
    for name in names {
      if let text = ProcessInfo.processInfo.environment[name], let value = Int(text) { return value }
    }
    return nil
  }

  /// This process's rank as known before MPI starts, so that usage errors and help are printed once.
  package static var expectedRank: Int {
    number(["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"]) ?? (stepTasks > 1 ? number(["SLURM_PROCID"]) ?? 0 : 0)
  }

  /// Lets Open MPI skip its search for networks, which takes about 0.2 s, if the process runs without a launcher. Call
  /// before MPI starts. A value set by the user is kept.
  static func skipNetworksWhenAlone() {
    let traces = ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"]
    guard traces.allSatisfy({ ProcessInfo.processInfo.environment[$0] == nil }) else { return }
    setenv("OMPI_MCA_pml", "ob1", 0)
  }

  private static var stepTasks: Int { number(["SLURM_STEP_NUM_TASKS"]) ?? 1 }

  /// Throws if the launcher belongs to another MPI. Each process would otherwise silently train alone as a single rank.
  static func refuseMismatch(size: Int) throws(Failure) {
    let launched = max(number(["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]) ?? 1, stepTasks)
    guard size == 1, launched > 1 else { return }
    throw Failure(
      .usage, "launcher mismatch: \(launched) processes were started, but each sees itself alone",
      hint: "use `srun --mpi=pmix`, or the mpirun that belongs to \(Communicator.library)")
  }

  /// Ends every rank of the job at once.
  package static func abort(_ status: Int32) -> Never {
    vd_mpi_abort(status)
    fatalError("unreachable")
  }

  /// The host name of this machine.
  package static var hostName: String { Machine.name }

  /// The numbers of the hardware threads that this process may run on.
  package static var allowedCores: [Int] {
    var numbers = [Int32](repeating: 0, count: 1 << 16)
    return numbers[..<Int(vd_allowed_cores(&numbers, Int32(numbers.count)))].map(Int.init)
  }

  package static var usableCores: Int { max(1, allowedCores.count) }
}

/// Signals that ask a run to stop. The handler sets a flag, on which the ranks agree along with the sums of a step.
package enum StopSignals {
  /// Installs the handler. Call it on the thread that computes.
  package static func install(_ signals: [Int32] = [SIGUSR1, SIGTERM, SIGINT]) {
    for signal in signals { vd_signal_install(signal) }
  }

  /// The number of the signal received, or 0.
  package static var pending: Int32 { vd_signal_pending() }
}
