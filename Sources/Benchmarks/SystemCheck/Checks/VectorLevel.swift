import Training

/// A CPU has neither AVX2 nor AVX-512.
struct VectorLevel: Check {
  func findings(in job: JobFacts) -> [Finding] {
    let level = job.ranks.map(\.cpuLevel).min() ?? 0
    switch level {
    case 4: return [.ok("cpu", "AVX-512")]
    case 3: return [.ok("cpu", "AVX2 and FMA")]
    case 0: return [.ok("cpu", "not x86-64: the compiler's own vectors")]
    default:
      return [
        Finding(
          .warning, "cpu", "neither AVX2 nor AVX-512: level \(level)",
          advice: "in a virtual machine, pass the host's CPU through; else expect a quarter of the speed")
      ]
    }
  }
}
