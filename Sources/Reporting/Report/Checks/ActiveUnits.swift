import Kernels
import Training

/// A posterior collapse, and the number of active units.
struct ActiveUnits: Check {
  func findings(in run: RunRecord) -> [Finding] {
    if let collapse = run.events.last(where: { $0.kind == "collapse" }), run.epochs.last?.activeUnits ?? 0 == 0 {
      let lines = collapse.message.split(separator: "\n").map { $0.drop { $0 == " " } }
      let fix = lines.first { $0.hasPrefix("fix: ") }.map { String($0.dropFirst(5)).printable }
      let rest = lines.filter { !$0.hasPrefix("fix: ") }.map { $0.hasSuffix(".") ? $0.dropLast() : $0 }
      let words = rest.joined(separator: "; ").replacing("posterior collapse: ", with: "").printable
      return [Finding(.problem, "collapse", words, advice: fix.map { $0.hasPrefix("--set") ? $0 : "set " + $0 })]
    }
    guard let last = run.epochs.last, let active = last.activeUnits, let units = run.units, units > 1 else { return [] }
    if active == 0 {
      let words = "none of \(units) units is active: the decoder ignores z, so far"
      return [Finding(run.epochs.count < 3 ? .ok : .warning, "units", words)]
    }
    if 2 * active < units {
      let words = "\(active) of \(units) units are active: a smaller model.latent would do as well"
      return [Finding(.ok, "units", words)]
    }
    return [Finding(.ok, "units", "\(active) of \(units) units are active")]
  }
}
