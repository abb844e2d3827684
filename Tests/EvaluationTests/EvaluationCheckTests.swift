import RunConfiguration
import Data
import Evaluation
import Kernels
import Testing
import Training
import VAE

/// Tests of every check with figures in which it finds something, and with those of a healthy model.
@Suite struct EvaluationCheckTests {
  /// A model with 8 units after a healthy training.
  private func sound(_ change: (inout EvaluationFacts) -> Void = { _ in }) -> EvaluationFacts {
    var use = LatentUse()
    use.samples = 2_000
    (use.reconstruction, use.shuffledReconstruction, use.gapError, use.gapShare) = (80, 200, 1, 0.98)
    (use.dataVariance, use.reconstructionVariance, use.sampleVariance) = (50, 35, 34)
    use.distanceCorrelation = 0.7
    var configuration = Configuration()
    configuration.model.latent = 8
    var training = TrainingState()
    (training.step, training.plannedSteps, training.beta) = (10_000, 10_000, 1)
    (training.trainSamples, training.batchSize, training.microbatch) = (1_280, 128, 16)
    let elbo = ValidationReport(
      means: ELBOMeans(reconstruction: 80, kl: 25), reconstructionOfMean: 78, loss: 105,
      klPerUnit: [Double](repeating: 3, count: 8),
      variancePerUnit: [Double](repeating: 0.9, count: 8), activeUnits: 8)
    var facts = EvaluationFacts(
      configuration: configuration, elements: 784, elbo: elbo, priorMismatch: 0.01, use: use,
      spectrum: PrincipalSpectrum(spread(40), width: 40), training: training, step: 10_000)
    change(&facts)
    return facts
  }

  /// 200 samples of `width` independent values.
  private func spread(_ width: Int) -> [Float] {
    var values = [Float](repeating: 0, count: 200 * width)
    KeyedGenerator(seed: 5, stream: "diagnosis").uniform(
      into: &values, samples: (0..<200).map(UInt64.init), rows: 200, columns: width, epoch: 0)
    return values
  }

  private func collapse(_ facts: inout EvaluationFacts) {
    facts.elbo.means.kl = 0.0001
    facts.elbo.activeUnits = 0
    (facts.use.shuffledReconstruction, facts.use.reconstructionVariance) = (80, 1e-6)
    (facts.use.sampleVariance, facts.use.gapShare) = (0.3, 0.5)
  }

  private func train(_ facts: inout EvaluationFacts, beta: Double) {
    facts.training?.beta = beta
    facts.configuration.objective.betaEnd = beta
  }

  private func names(_ facts: EvaluationFacts) -> [String] { EvaluationChecks.findings(in: facts).map(\.check) }

  @Test("Healthy models, and models that use only some units, have no findings")
  func clean() {
    #expect(names(sound()) == [])
    // 15 of 50 units are active, as in 784-200-200 with 50 units on MNIST.
    #expect(
      names(sound { ($0.elbo.activeUnits, $0.elbo.variancePerUnit) = (3, Array(repeating: 0.9, count: 8)) }) == [])
    // With beta 4, three quarters of the units are active.
    let four = sound {
      train(&$0, beta: 4)
      $0.elbo.activeUnits = 6
    }
    #expect(names(four) == [])
    #expect(names(sound { $0.training = nil }) == [])
    #expect(names(sound { $0.spectrum = nil }) == [])
  }

  @Test("Causes in the objective come first, and their effects are not reported again")
  func objective() throws {
    let mean = sound {
      collapse(&$0)
      $0.configuration.objective.reconstruction = .mean
    }
    #expect(names(mean) == ["loss scaling"] && mean.weight == 784)
    let finding = try #require(EvaluationChecks.findings(in: mean).first)
    #expect(finding.level == .problem && finding.advice == "--set objective.reconstruction=sum")
    #expect(finding.message.contains("0 of 8 units") && finding.message.contains("784"))
    let heavy = sound {
      collapse(&$0)
      train(&$0, beta: 100)
    }
    #expect(names(heavy) == ["KL too heavy"])
    // A mean with a beta that was divided, too, is the ELBO.
    let divided = sound {
      $0.configuration.objective.reconstruction = .mean
      train(&$0, beta: 1.0 / 784)
    }
    #expect(names(divided) == [] && abs(divided.weight - 1) < 1e-12)
    let off = sound {
      train(&$0, beta: 0)
      ($0.priorMismatch, $0.use.clampedLow) = (9, 0.3)
    }
    #expect(names(off) == ["KL switched off", "variance at its limit"])
    #expect(EvaluationChecks.findings(in: off).map(\.level) == [.problem, .warning])
    // Without a mismatch, a small beta is allowed.
    #expect(names(sound { train(&$0, beta: 0.2) }) == [])
    let light = sound {
      train(&$0, beta: 0.2)
      $0.priorMismatch = 0.8
    }
    #expect(names(light) == ["KL too light"])
  }

  @Test("A warm-up is judged by the share of steps with the full weight", arguments: [(0.3, 0), (0.85, 1), (1.0, 2)])
  func warmUp(share: Double, grave: Int) {
    let facts = sound { $0.configuration.objective.betaWarmup = share * 1_000 }  // 10 steps per epoch
    let found = EvaluationChecks.findings(in: facts)
    #expect(found.map(\.check) == (grave > 0 ? ["warm-up too long"] : []))
    #expect(found.first?.level ?? .ok == [.ok, .warning, .problem][grave])
  }

  @Test("A collapse that the weight does not explain is due to the decoder, sigma, the rate or the encoder")
  func collapses() {
    func collapsed(_ change: (inout EvaluationFacts) -> Void = { _ in }) -> [String] {
      names(
        sound {
          collapse(&$0)
          change(&$0)
        })
    }
    #expect(collapsed() == ["encoder left behind"])
    #expect(collapsed { $0.use.sampleVariance = 1e-12 } == ["decoder ignores z"])
    #expect(
      collapsed { ($0.configuration.model.likelihood, $0.configuration[.sigma]) = ("gaussian", 3) }.first
        == "likelihood too wide")
    #expect(collapsed { $0.configuration.optimizer.learningRate = 0.03 }.first == "learning rate too high")
    // Units are active by their means, but the decoder does not depend on z.
    #expect(
      names(sound { ($0.use.shuffledReconstruction, $0.use.gapShare) = (80.1, 0.51) }).first == "z not worth its KL")
    // A mean that is due to one outlier is not a collapse.
    #expect(names(sound { ($0.use.shuffledReconstruction, $0.use.gapError) = (125, 22) }) == [])
    // A collapse with a known cause has no second one.
    let wide = collapsed { ($0.configuration.model.likelihood, $0.configuration[.sigma]) = ("gaussian", 3) }
    #expect(wide == ["likelihood too wide"])
    #expect(collapsed { $0.use.dataVariance = 0 } == ["constant data"])
    #expect(collapsed { $0.use.samples = 12 } == [])
  }

  @Test("z that costs nats but does not help the decoder is reported; the slope of a constraint is not a weight")
  func unused() {
    func gap(_ gap: Double, _ change: @escaping (inout EvaluationFacts) -> Void = { _ in }) -> [Finding] {
      EvaluationChecks.findings(
        in:
          sound {
            $0.use.shuffledReconstruction = 80 + gap
            change(&$0)
          })
    }
    #expect(gap(13).isEmpty && gap(12).map(\.level) == [.warning] && gap(2).map(\.level) == [.problem])
    let capacity = gap(0.1) {
      $0.configuration.objective.betaSchedule = .capacity
      $0.training?.beta = -4
    }
    #expect(capacity.map(\.check) == ["z not worth its KL"] && capacity[0].settings.isEmpty)
    #expect(capacity[0].advice?.contains("a lower objective.beta.target") == true)
    #expect(gap(0.1) { $0.step = 100 }.isEmpty)
  }

  @Test("For a run that has not ended, the advice is to continue instead of changing the warm-up")
  func unfinished() {
    let stopped = sound {
      $0.configuration.objective.betaWarmup = 1_000
      $0.training?.plannedSteps = 20_000
    }
    let found = EvaluationChecks.findings(in: stopped)
    #expect(found.map(\.check) == ["warm-up not over"] && found[0].level == .warning && found[0].settings.isEmpty)
  }

  @Test("Advised settings are valid and differ from the current ones")
  func advice() throws {
    let ill: [(inout EvaluationFacts) -> Void] = [
      { $0.configuration.objective.reconstruction = .mean }, { [self] in train(&$0, beta: 100) },
      { [self] in
        train(&$0, beta: 4); $0.configuration.objective.task = .disentanglement
      },
      { [self] in
        train(&$0, beta: 0); $0.priorMismatch = 9
      },
      {
        [self] in
        train(&$0, beta: 0.001)
        ($0.priorMismatch, $0.configuration.objective.reconstruction) = (9, .mean)
      },
      { $0.configuration.objective.betaWarmup = 1_000 }, { $0.use.sampleVariance = 1e-12 },
      { $0.configuration.optimizer.learningRate = 0.03 }, { _ in },
      { $0.configuration.objective.betaSchedule = .constant },
      { ($0.configuration.model.likelihood, $0.configuration[.sigma]) = ("gaussian", 3) },
      { $0.use.clampedLow = 0.5 }, { $0.use.clampedHigh = 0.5 }, { $0.configuration.model.latent = 60 },
    ]
    for (number, change) in ill.enumerated() {
      for isCollapsed in [false, true] {
        let facts = sound {
          if isCollapsed { collapse(&$0) }
          change(&$0)
        }
        let findings = EvaluationChecks.findings(in: facts)
        #expect(!findings.isEmpty || !isCollapsed, "case \(number)")
        for finding in findings {
          var configuration = facts.configuration
          for setting in finding.settings {
            let parts = setting.split(separator: "=", maxSplits: 1).map(String.init)
            try configuration.set(parts[0], parts[1], where: finding.check)
          }
          #expect(finding.settings.isEmpty || configuration != facts.configuration, "\(finding)")
        }
      }
    }
  }

  @Test("Rollbacks, variances at a limit, flat reconstructions and too many units are reported")
  func others() {
    #expect(names(sound { $0.training?.coordinator.rollbacks = 2 }) == ["learning rate too high"])
    #expect(names(sound { $0.use.clampedHigh = 0.02 }) == ["variance at its limit"])
    #expect(names(sound { $0.use.clampedHigh = 0.005 }) == [])
    let flat = sound { ($0.use.reconstructionVariance, $0.use.distanceCorrelation) = (1, 0.99) }
    #expect(names(flat) == ["flat reconstructions"])
    let wide = sound { $0.configuration.model.latent = 60 }
    #expect(names(wide) == ["latent too large"])
    #expect(EvaluationChecks.findings(in: wide)[0].advice?.hasPrefix("--set model.latent=") == true)
  }
}
