import Kernels
import Training

/// Files of the run that are damaged.
struct DamagedFiles: Check {
  func findings(in run: RunRecord) -> [Finding] {
    run.damage.map { Finding(.warning, "files", $0.printable) }
  }
}
