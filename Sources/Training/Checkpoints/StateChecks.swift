extension TrainingState {
  /// Describes the first field with a value that is impossible in a run; nil if there is none. Values that pass can be
  /// added, multiplied by small factors, and converted to Double without overflow or loss of precision.
  var fault: String? {
    let counters = 0...1 << 53
    let few = 0...1_000_000
    guard counters.contains(step) else { return "step is \(step), outside \(counters)" }  // ranges below end with it
    let numbers: [(name: String, value: Int, range: ClosedRange<Int>)] = [
      ("step", step, counters), ("epoch", epoch, 0...step), ("stepInEpoch", stepInEpoch, 0...step),
      ("attempt", attempt, few), ("plannedSteps", plannedSteps, 0...Int.max),
      ("seed", seed, 0...Int.max), ("batchSize", batchSize, 0...1 << 32), ("microbatch", microbatch, 0...1 << 32),
      ("slots", slots, 0...1 << 32), ("trainSamples", trainSamples, counters), ("cpuLevel", cpuLevel, 0...1_000),
      ("productThreads", productThreads, 1...1 << 20), ("sums.steps", sums.steps, 0...step),
      ("coordinator.rollbacks", coordinator.rollbacks, few), ("coordinator.skipped", coordinator.skipped, counters),
      ("coordinator.failingStep", coordinator.failingStep, -1...counters.upperBound),
      ("coordinator.failures", coordinator.failures, few),
      ("coordinator.quietEpochs", coordinator.quietEpochs, counters),
      ("coordinator.deadEpochs", coordinator.deadEpochs, counters),
      ("coordinator.epochs.bestStep", coordinator.epochs.bestStep, -1...step),
      ("coordinator.epochs.staleEpochs", coordinator.epochs.staleEpochs, 0...step),
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
        "coordinator.learningRateFactor", coordinator.learningRateFactor,
        coordinator.learningRateFactor > 0 && coordinator.learningRateFactor <= 1
      ),
      ("coordinator.control.beta", coordinator.control.beta ?? 0, coordinator.control.beta?.isFinite ?? true),
      ("coordinator.control.average", coordinator.control.average ?? 0, coordinator.control.average?.isFinite ?? true),
      (
        "coordinator.control.integral", coordinator.control.integral ?? 0,
        coordinator.control.integral?.isFinite ?? true
      ),
      ("coordinator.overfit.first", coordinator.overfit.first ?? 0, coordinator.overfit.first?.isFinite ?? true),
      ("coordinator.epochs.best", coordinator.epochs.best ?? 0, coordinator.epochs.best?.isFinite ?? true),
      (
        "coordinator.epochs.reference", coordinator.epochs.reference ?? 0,
        coordinator.epochs.reference?.isFinite ?? true
      ),
    ]
    if let fault = coordinator.epochWatch.fault ?? coordinator.treatments.fault { return fault }
    return reals.first { !$0.isSound }.map { "\($0.name) is \($0.value), which no run can reach" }
  }

  /// Describes why the position in the epoch is impossible with this number of steps per epoch; nil if it is possible.
  func cursorFault(stepsPerEpoch: Int) -> String? {
    let (done, overflow) = epoch.multipliedReportingOverflow(by: stepsPerEpoch)
    guard stepInEpoch < stepsPerEpoch, !overflow, done == step - stepInEpoch else {
      return "step \(step) is not step \(stepInEpoch) of epoch \(epoch) of \(stepsPerEpoch) steps"
    }
    return nil
  }
}
