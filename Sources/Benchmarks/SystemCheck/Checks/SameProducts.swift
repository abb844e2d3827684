import Kernels
import Training

/// Ranks compute matrix products with different kernels.
struct SameProducts: Check {
  func findings(in job: JobFacts) -> [Finding] {
    let different = Set(job.ranks.map { "\($0.products), CPU level \($0.cpuLevel)" }).sorted()
    guard different.count == 1 else {
      return [
        Finding(
          .problem, "products", "ranks compute with different kernels: " + different.joined(separator: "; "),
          advice: "start all ranks on one kind of CPU, with one version of the libraries; training refuses this")
      ]
    }
    let hint =
      job.ranks[0].products.hasPrefix("OpenBLAS")
      ? "; oneDNN (Debian: libdnnl2 or libdnnl3) is often faster and is used when it is installed" : ""
    return [.ok("products", "\(job.ranks[0].products), \(counted(job.threads, "thread")) per rank" + hint)]
  }
}
