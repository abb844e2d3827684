import Foundation
import Persistence
import Settings
import Training

/// The charts of one run.
struct RunCharts {
  let run: RunRecord

  private func series(_ name: String, _ style: Int, _ value: (RunEpoch) -> Double) -> LineChart.Series {
    LineChart.Series(name: name, style: style, points: run.epochs.map { (Double($0.epoch), value($0)) })
  }

  private func chart(
    _ title: String, _ unit: String, _ train: (RunEpoch) -> Double, _ valid: (RunEpoch) -> Double,
    best: (x: Double, y: Double)? = nil
  ) -> Markup {
    LineChart(
      title: title, unit: unit, isCut: true, marks: marks, best: best,
      series: [series("train", 1, train), series("validation", 0, valid)]
    ).figure() ?? ""
  }

  private func chart(
    _ title: String, _ unit: String, including: [Double] = [], kind: Axis.Kind = .linear, _ value: (RunEpoch) -> Double
  ) -> Markup {
    LineChart(
      title: title, unit: unit, kind: kind, including: including, marks: marks, series: [series("last", 0, value)]
    )
    .figure() ?? ""
  }

  /// The rollbacks and resumptions of the run, at their position in epochs.
  var marks: [LineChart.Mark] {
    run.events.filter { ["rollback", "resume"].contains($0.kind) }.prefix(LineChart.mostMarks).map { event in
      LineChart.Mark(x: epochs(at: event.step), kind: event.kind)
    }
  }

  private func epochs(at step: Int) -> Double {
    guard let next = run.epochs.firstIndex(where: { $0.step >= step }) else {
      return Double(run.epochs.last?.epoch ?? 0)
    }
    let after = run.epochs[next], before = next > 0 ? (run.epochs[next - 1].epoch, run.epochs[next - 1].step) : (0, 0)
    let share = after.step > before.1 ? Double(step - before.1) / Double(after.step - before.1) : 1
    return Double(before.0) + share * Double(after.epoch - before.0)
  }

  // MARK: Training

  var curves: Markup {
    guard run.epochs.count > 1 || run.metrics.steps.count < 2 else { return stepCurves }
    let nats = "nats per sample"
    let best = run.lowest.map { (x: Double($0.epoch), y: $0.valid.negativeELBO) }
    var markup = chart("−ELBO", nats, { $0.train.negativeELBO }, { $0.valid.negativeELBO }, best: best)
    markup += chart("Reconstruction", nats, { $0.train.reconstruction }, { $0.valid.reconstruction })
    markup += chart("KL", nats, { $0.train.kl }, { $0.valid.kl })
    markup += chart("Beta", "weight of the KL", including: [0]) { $0.beta }
    markup += chart("Norm of the gradient", "mean of an epoch’s steps", kind: .logarithmic) { $0.gradientNorm }
    if Set(run.epochs.map(\.learningRate)).count > 1 {
      markup += chart("Learning rate", "step size", kind: .logarithmic) { $0.learningRate }
    }
    return markup
  }

  /// Curves over steps, for a run that has not finished two epochs.
  private var stepCurves: Markup {
    func chart(
      _ title: String, _ unit: String, including: [Double] = [], _ value: (RunStep) -> Double
    ) -> Markup {
      let points = run.metrics.steps.map { (x: Double($0.step), y: value($0)) }
      return LineChart(
        title: title, unit: unit, xName: "step", including: including, isCut: including.isEmpty,
        series: [.init(name: "train", style: 1, points: points)]
      ).figure() ?? ""
    }
    let nats = "nats per sample"
    return chart("−ELBO", nats) { $0.train.negativeELBO } + chart("Reconstruction", nats) { $0.train.reconstruction }
      + chart("KL", nats) { $0.train.kl } + chart("Beta", "weight of the KL", including: [0]) { $0.beta }
  }

  // MARK: Latent space

  var activeUnits: Markup {
    guard run.epochs.contains(where: { $0.activeUnits != nil }) else { return "" }
    let units = run.units ?? 1
    return chart("Active units", "units of \(units)", including: [0, Double(units)], kind: .integer) {
      $0.activeUnits.map(Double.init) ?? .nan
    }
  }

  /// The KL of each unit after the last epoch, in descending order.
  var units: Markup {
    let kl = run.metrics.klPerUnit, variance = run.metrics.variancePerUnit
    let threshold = run.number("monitor.active_variance") ?? 0.01
    let knowsActive = variance.count == kl.count
    let order = kl.indices.sorted { (kl[$0].isFinite ? kl[$0] : -1, $1) > (kl[$1].isFinite ? kl[$1] : -1, $0) }
    let bars = order.map { unit -> BarChart.Bar in
      let isActive = !knowsActive || variance[unit] > threshold
      let state = knowsActive ? (isActive ? ", active" : ", inactive") : ""
      return BarChart.Bar(
        label: "\(unit)", parts: [.init(value: kl[unit], style: isActive ? "on" : "off")],
        hint: "unit \(unit): \(kl[unit], .typeset) nats\(state)")
    }
    let active = variance.count { $0 > threshold }
    var keys: [Figure.Key] = []
    if knowsActive {
      keys = [Figure.Key(style: "on", shape: .box, text: "active", value: "\(active)")]
      if active < kl.count {
        keys.append(Figure.Key(style: "off", shape: .box, text: "inactive", value: "\(kl.count - active)"))
      }
    }
    let rule = "Active: Var[μ] over validation exceeds \(threshold, .decimal). Sum \(sum(kl)) nats."
    return BarChart(
      title: "KL per unit", unit: "nats per sample", xName: "unit, sorted by KL", keys: keys,
      note: knowsActive ? rule : nil, description: "KL of each of \(kl.count) units, sum \(sum(kl)) nats", bars: bars
    ).figure() ?? ""
  }

  private func sum(_ values: [Double]) -> String { "\(values.filter(\.isFinite).reduce(0, +), .typeset)" }

  /// A chart of `latent/map.csv`: comment lines that begin with #, a header x,y or x,y,label, and rows.
  var map: Markup {
    guard let bytes = try? DurableFile.read(run.path + "/latent/map.csv") else { return "" }
    let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
    let words = lines.prefix { $0.hasPrefix("#") }
    let rows = lines.dropFirst(words.count + 1).prefix(200_000).compactMap { line -> (Double, Double, String)? in
      let cells = line.split(separator: ",", omittingEmptySubsequences: false)
      guard cells.count > 1, let x = Double(cells[0]), let y = Double(cells[1]) else { return nil }
      return (x, y, cells.count > 2 ? String(cells[2]) : "")
    }
    let groups = Set(rows.map(\.2)).sorted { (Int($0) ?? .max, $0) < (Int($1) ?? .max, $1) }
    let places = Dictionary(uniqueKeysWithValues: groups.enumerated().map { ($1, $0) })
    let caption = words.first.map { $0.drop { $0 == "#" || $0 == " " } }.map { String($0).printable }
    let axes: (x: String, y: String) =
      caption?.contains("PCA") == true
      ? ("first principal component of μ", "second principal component of μ")
      : run.units == 2 ? ("μ of unit 0", "μ of unit 1") : ("μ", "μ")
    return ScatterChart(
      title: "Map of the latent space", unit: axes.y, xName: axes.x, groups: groups == [""] ? [] : groups,
      points: rows.map { ScatterChart.Point(x: $0, y: $1, group: places[$2] ?? 0) },
      note: caption
    ).figure() ?? ""
  }

  // MARK: Ranks

  var speed: Markup {
    var markup = chart("Throughput", "samples per second", including: [0]) { $0.samplesPerSecond }
    guard run.epochs.contains(where: { $0.ranks > 1 }) else { return markup }
    markup += chart("Waiting", "% of all ranks’ time in steps", including: [0]) { $0.waitShare * 100 }
    return markup + rankBars
  }

  private var rankBars: Markup {
    guard let seconds = run.metrics.rankSeconds, seconds.busy.count > 1 else { return "" }
    let bars = seconds.busy.indices.map { index in
      let first = index * seconds.group
      let rank = seconds.group > 1 ? "busiest of ranks \(first) to \(first + seconds.group - 1)" : "rank \(first)"
      let times = "\(seconds.busy[index], .duration) busy, \(seconds.wait[index], .duration) waiting"
      return BarChart.Bar(
        label: "\(first)",
        parts: [.init(value: seconds.busy[index], style: "on"), .init(value: seconds.wait[index], style: "wait")],
        hint: "\(rank): \(times)")
    }
    let keys = [
      Figure.Key(style: "on", shape: .box, text: "busy"),
      Figure.Key(style: "wait", shape: .box, text: "waiting for others"),
    ]
    let note =
      seconds.group > 1 ? "Of each \(seconds.group) neighbours the rank that was busy longest." : nil
    return BarChart(
      title: "Time of each rank", unit: "seconds in steps", xName: "rank", keys: keys, note: note,
      description: "Seconds that each rank was busy and waited", bars: bars
    ).figure() ?? ""
  }
}
