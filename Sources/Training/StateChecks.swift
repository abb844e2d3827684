extension TrainingState {
  /// The first field with a number that no run arrives at, in words. Numbers that pass can be added, multiplied by
  /// small factors and turned into a Double without a trap or a loss.
  var fault: String? {
    let counters = 0...1 << 53
    let few = 0...1_000_000
    guard counters.contains(step) else { return "step is \(step), outside \(counters)" }  // ranges below end with it
    let numbers: [(name: String, value: Int, range: ClosedRange<Int>)] = [
      ("step", step, counters), ("epoch", epoch, 0...step), ("stepInEpoch", stepInEpoch, 0...step),
      ("updates", updates, 0...step), ("attempt", attempt, few), ("plannedSteps", plannedSteps, 0...Int.max),
      ("seed", seed, 0...Int.max), ("batchSize", batchSize, 0...1 << 32), ("microbatch", microbatch, 0...1 << 32),
      ("slots", slots, 0...1 << 32), ("trainSamples", trainSamples, counters), ("cpuLevel", cpuLevel, 0...1_000),
      ("productThreads", productThreads, 1...1 << 20), ("sums.steps", sums.steps, 0...step),
      ("conductor.rollbacks", conductor.rollbacks, few), ("conductor.skipped", conductor.skipped, counters),
      ("conductor.failingStep", conductor.failingStep, -1...counters.upperBound),
      ("conductor.failures", conductor.failures, few), ("conductor.quietEpochs", conductor.quietEpochs, counters),
      ("conductor.deadEpochs", conductor.deadEpochs, counters),
      ("conductor.epochs.bestStep", conductor.epochs.bestStep, -1...step),
      ("conductor.epochs.staleEpochs", conductor.epochs.staleEpochs, 0...step),
      ("origin.step", origin?.step ?? 0, counters),
    ]
    if let bad = numbers.first(where: { !$0.range.contains($0.value) }) {
      return "\(bad.name) is \(bad.value), outside \(bad.range)"
    }
    let reals: [(name: String, value: Double, isSound: Bool)] = [
      ("sums.weight", sums.weight, sums.weight >= 0 && sums.weight.isFinite),
      ("sums.reconstruction", sums.reconstruction, sums.reconstruction.isFinite),
      ("sums.kl", sums.kl, sums.kl.isFinite), ("beta", beta ?? 0, beta?.isFinite ?? true),
      ("sums.gradientNorm", sums.gradientNorm, sums.gradientNorm.isFinite),
      ("sums.seconds", sums.seconds, sums.seconds >= 0 && sums.seconds.isFinite),
      (
        "conductor.learningRateFactor", conductor.learningRateFactor,
        conductor.learningRateFactor > 0 && conductor.learningRateFactor <= 1
      ),
      ("conductor.control.beta", conductor.control.beta ?? 0, conductor.control.beta?.isFinite ?? true),
      ("conductor.control.average", conductor.control.average ?? 0, conductor.control.average?.isFinite ?? true),
      ("conductor.control.integral", conductor.control.integral ?? 0, conductor.control.integral?.isFinite ?? true),
      ("conductor.overfit.first", conductor.overfit.first ?? 0, conductor.overfit.first?.isFinite ?? true),
      ("conductor.epochs.best", conductor.epochs.best ?? 0, conductor.epochs.best?.isFinite ?? true),
      ("conductor.epochs.reference", conductor.epochs.reference ?? 0, conductor.epochs.reference?.isFinite ?? true),
    ]
    if let fault = conductor.signs.fault ?? conductor.treatments.fault { return fault }
    return reals.first { !$0.isSound }.map { "\($0.name) is \($0.value), which no run arrives at" }
  }

  /// What is wrong with the place in the epoch for so many steps an epoch, in words.
  func cursorFault(stepsPerEpoch: Int) -> String? {
    let (done, overflow) = epoch.multipliedReportingOverflow(by: stepsPerEpoch)
    guard stepInEpoch < stepsPerEpoch, !overflow, done == step - stepInEpoch else {
      return "step \(step) is not step \(stepInEpoch) of epoch \(epoch) of \(stepsPerEpoch) steps"
    }
    return nil
  }
}
