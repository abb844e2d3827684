import Data
import Evaluation
import Kernels
import Testing
import Training
import VAE

/// Every cause by numbers that show it, against those of a sound model that do not.
@Suite struct DiagnosisTests {
  /// A model of 8 units as a sound training leaves it.
  private func sound(_ change: (inout Symptoms) -> Void = { _ in }) -> Symptoms {
    var use = LatentUse()
    use.samples = 2_000
    (use.reconstruction, use.shuffledReconstruction, use.gapError) = (80, 200, 1)
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
    var symptoms = Symptoms(
      configuration: configuration, elements: 784, elbo: elbo, priorMismatch: 0.01, use: use,
      spectrum: PrincipalSpectrum(spread(40), width: 40), training: training, step: 10_000)
    change(&symptoms)
    return symptoms
  }

  /// 200 samples of `width` independent values.
  private func spread(_ width: Int) -> [Float] {
    var values = [Float](repeating: 0, count: 200 * width)
    KeyedGenerator(seed: 5, stream: "diagnosis").uniform(
      into: &values, samples: (0..<200).map(UInt64.init), rows: 200, columns: width, epoch: 0)
    return values
  }

  private func collapse(_ symptoms: inout Symptoms) {
    symptoms.elbo.means.kl = 0.0001
    symptoms.elbo.activeUnits = 0
    (symptoms.use.shuffledReconstruction, symptoms.use.reconstructionVariance) = (80, 1e-6)
    symptoms.use.sampleVariance = 0.3
  }

  private func train(_ symptoms: inout Symptoms, beta: Double) {
    symptoms.training?.beta = beta
    symptoms.configuration.objective.betaEnd = beta
  }

  private func names(_ symptoms: Symptoms) -> [String] { Diagnosis.findings(symptoms).map(\.check) }

  @Test("A sound model gets a clean bill, and so do models that are merely frugal")
  func clean() {
    #expect(names(sound()) == [])
    // 15 of 50 units, as 784-200-200 with 50 units ends on MNIST.
    #expect(
      names(sound { ($0.elbo.activeUnits, $0.elbo.variancePerUnit) = (3, Array(repeating: 0.9, count: 8)) }) == [])
    // beta 4 with three quarters of its units.
    let four = sound {
      train(&$0, beta: 4)
      $0.elbo.activeUnits = 6
    }
    #expect(names(four) == [])
    #expect(names(sound { $0.training = nil }) == [])
    #expect(names(sound { $0.spectrum = nil }) == [])
  }

  @Test("What the objective did comes first, and what follows from it is not said again")
  func objective() throws {
    let mean = sound {
      collapse(&$0)
      $0.configuration.objective.reconstruction = .mean
    }
    #expect(names(mean) == ["loss scaling"] && mean.weight == 784)
    let finding = try #require(Diagnosis.findings(mean).first)
    #expect(finding.level == .problem && finding.advice == "--set objective.reconstruction=sum")
    #expect(finding.message.contains("0 of 8 units") && finding.message.contains("784"))
    let heavy = sound {
      collapse(&$0)
      train(&$0, beta: 100)
    }
    #expect(names(heavy) == ["KL too heavy"])
    // A mean that beta was divided for is the ELBO.
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
    #expect(Diagnosis.findings(off).map(\.level) == [.problem, .warning])
    // Without a mismatch, a small beta is a choice.
    #expect(names(sound { train(&$0, beta: 0.2) }) == [])
    let light = sound {
      train(&$0, beta: 0.2)
      $0.priorMismatch = 0.8
    }
    #expect(names(light) == ["KL too light"])
  }

  @Test("Warm-up against length: by the steps that had the full weight", arguments: [(0.3, 0), (0.85, 1), (1.0, 2)])
  func warmUp(share: Double, grave: Int) {
    let symptoms = sound { $0.configuration.objective.betaWarmup = share * 1_000 }  // 10 steps an epoch
    let found = Diagnosis.findings(symptoms)
    #expect(found.map(\.check) == (grave > 0 ? ["warm-up too long"] : []))
    #expect(found.first?.level ?? .ok == [.ok, .warning, .problem][grave])
  }

  @Test("A collapse that no weight explains: silence, sigma, rate, or an encoder that was left behind")
  func collapses() {
    func collapsed(_ change: (inout Symptoms) -> Void = { _ in }) -> [String] {
      names(
        sound {
          collapse(&$0)
          change(&$0)
        })
    }
    #expect(collapsed() == ["encoder left behind"])
    #expect(collapsed { $0.use.sampleVariance = 1e-12 } == ["decoder ignores z"])
    #expect(
      collapsed { ($0.configuration.model.likelihood, $0.configuration.model.sigma) = ("gaussian", 3) }.first
        == "likelihood too wide")
    #expect(collapsed { $0.configuration.optimizer.learningRate = 0.03 }.first == "learning rate too high")
    // Units that are active by their means, and a decoder that does not care whose z it gets.
    #expect(names(sound { $0.use.shuffledReconstruction = 81 }) == ["encoder left behind"])
  }

  @Test("The rest: rollbacks, limits, flat reconstructions, too many units")
  func others() {
    #expect(names(sound { $0.training?.conductor.rollbacks = 2 }) == ["learning rate too high"])
    #expect(names(sound { $0.use.clampedHigh = 0.02 }) == ["variance at its limit"])
    #expect(names(sound { $0.use.clampedHigh = 0.005 }) == [])
    let flat = sound { ($0.use.reconstructionVariance, $0.use.distanceCorrelation) = (1, 0.99) }
    #expect(names(flat) == ["flat reconstructions"])
    let wide = sound { $0.configuration.model.latent = 60 }
    #expect(names(wide) == ["latent too large"])
    #expect(Diagnosis.findings(wide)[0].advice?.hasPrefix("--set model.latent=") == true)
  }
}
