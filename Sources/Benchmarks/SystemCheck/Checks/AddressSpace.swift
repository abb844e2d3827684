import Settings
import Training

/// The limit of the address space is small. MPI and BLAS reserve more than they use.
struct AddressSpace: Check {
  /// Bytes that a process may reserve beside the memory that training needs.
  private static let reserve = UInt64(8 << 30)

  func findings(in job: JobFacts) -> [Finding] {
    guard let smallest = job.ranks.compactMap(\.addressSpace).min() else { return [.ok("address-space", "no limit")] }
    let isSmall = smallest < Self.reserve + UInt64(job.ranks.map(\.memoryNeed).max() ?? 0)
    return [
      Finding(
        isSmall ? .warning : .ok, "address-space", "ulimit -v is \(smallest, .bytes) per process",
        advice: isSmall ? "lift it (`ulimit -v unlimited`): MPI and BLAS reserve far more than they use" : nil)
    ]
  }
}
