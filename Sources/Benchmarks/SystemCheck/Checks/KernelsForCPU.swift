import Training

/// OpenBLAS uses kernels that leave capabilities of the CPU unused.
struct KernelsForCPU: Check {
  func findings(in job: JobFacts) -> [Finding] {
    let check = "kernels"
    guard let held = job.ranks.first(where: { Self.isLesser($0.openBLAS, cpuLevel: $0.cpuLevel) }) else {
      return [.ok(check, "\(job.ranks[0].openBLAS), the best kernels for this CPU (level \(job.ranks[0].cpuLevel))")]
    }
    let isUsed = held.products.hasPrefix("OpenBLAS")
    let effect =
      isUsed ? "about half of the speed" : "oneDNN computes the products here, so this costs nothing at present"
    guard let name = held.forcedCore else {
      return [
        Finding(
          isUsed ? .warning : .ok, check,
          "rank \(held.placement.rank): \(held.openBLAS) has slower kernels than the CPU supports "
            + "(level \(held.cpuLevel)): \(effect)",
          advice: "install a newer OpenBLAS, or oneDNN")
      ]
    }
    return [
      Finding(
        .warning, check,
        "rank \(held.placement.rank): OPENBLAS_CORETYPE=\(name) limits OpenBLAS to slower kernels than the CPU supports "
          + "(level \(held.cpuLevel)): \(effect)",
        advice: "unset OPENBLAS_CORETYPE")
    ]
  }

  /// Whether these OpenBLAS kernels leave AVX-512 (level 4), or AVX2 with FMA (level 3), unused. Kernels that are not
  /// listed are newer.
  static func isLesser(_ description: String, cpuLevel: Int) -> Bool {
    let core = description.split(separator: " ").last.map { $0.lowercased() } ?? ""
    let avx2 = ["haswell", "zen", "excavator"]
    let older = [
      "generic", "prescott", "core2", "penryn", "dunnington", "atom", "nehalem", "sandybridge", "athlon", "opteron",
      "opteron_sse3", "barcelona", "bobcat", "bulldozer", "piledriver", "steamroller",
    ]
    return cpuLevel >= 4 && avx2.contains(core) || cpuLevel >= 3 && older.contains(core)
  }
}
