import RunConfiguration
import Data
import Kernels
import Testing
import Training

/// Tests of every check with a configuration in which it finds something. In the presets, none does.
@Suite struct ConfigurationCheckTests {
  private func found(
    elements: Int = 64, spectrum: PrincipalSpectrum? = nil, grey: Double? = nil, _ change: (inout Configuration) -> Void
  ) -> [String] {
    var configuration = Configuration()
    change(&configuration)
    let facts = ConfigurationFacts(
      configuration, elements: elements, stepsPerEpoch: 10, totalSteps: 500, spectrum: spectrum, greyShare: grey)
    return ConfigurationChecks.all.findings(in: facts).map(\.check)
  }

  /// Twelve independent values of variance 1.
  private var spectrum: PrincipalSpectrum? {
    var noise = [Float](repeating: 0, count: 400 * 12)
    KeyedGenerator(seed: 1, stream: "lint").normal(
      into: &noise, samples: (0..<400).map(UInt64.init), rows: 400, columns: 12, epoch: 0)
    return PrincipalSpectrum(noise, width: 12)
  }

  @Test("Presets have no findings", arguments: ConfigurationSchema.presets.map(\.name))
  func presets(name: String) throws {
    let preset = try Configuration.resolve(preset: name, file: nil, environment: [:], assignments: [], flags: [])
    #expect(found(elements: 784, grey: 0.4) { $0 = preset } == [])
  }

  @Test("A mean instead of a sum is reported unless beta is divided as well")
  func mean() {
    #expect(found { $0.objective.reconstruction = .mean } == ["loss scaling"])
    #expect(found(elements: 1) { $0.objective.reconstruction = .mean } == [])
    #expect(found { ($0.objective.reconstruction, $0.objective.betaEnd) = (.mean, 1.0 / 64) } == [])
  }

  @Test("Beta is compared with the range of the task, or with the range of all tasks")
  func beta() {
    #expect(found { $0.objective.betaEnd = 100 } == ["beta"] && found { $0.objective.betaEnd = 0 } == ["beta"])
    #expect(found { $0.objective.betaEnd = 4 } == [])
    for (task, good, bad) in [
      (ModelTask.generation, 1.0, 4.0), (.anomaly, 0.5, 2), (.disentanglement, 4, 1),
    ] {
      #expect(found { ($0.objective.task, $0.objective.betaEnd) = (task, good) } == [])
      #expect(found { ($0.objective.task, $0.objective.betaEnd) = (task, bad) } == ["beta"])
    }
  }

  @Test("A long warm-up, grey data with Bernoulli, a wide sigma and too many units are reported")
  func others() throws {
    #expect(found { $0.objective.betaWarmup = 30 } == ["warm-up"] && found { $0.objective.betaWarmup = 20 } == [])
    #expect(found { ($0.objective.betaWarmup, $0.objective.betaSchedule) = (30, .constant) } == [])
    #expect(found(grey: 0.9) { _ in } == ["grey data"] && found(grey: 0.4) { _ in } == [])
    #expect(found(grey: 0.9) { $0.model.likelihood = "gaussian_learned" } == [])
    let spectrum = try #require(spectrum)
    #expect(found(spectrum: spectrum) { $0.model.latent = 12 } == [])
    #expect(found(spectrum: spectrum) { $0.model.latent = 13 } == ["latent too large"])
    func gaussian(_ sigma: Double, _ beta: Double = 1) -> [String] {
      found(spectrum: spectrum) {
        ($0.model.likelihood, $0[.sigma], $0.model.latent, $0.objective.betaEnd) = ("gaussian", sigma, 8, beta)
      }
    }
    // The largest variance of twelve directions is between 1.1 and 1.4.
    #expect(gaussian(1) == [] && gaussian(1.3) == ["likelihood too wide"])
    #expect(gaussian(0.5, 3) == [] && gaussian(0.5, 8) == ["likelihood too wide"])
  }

  @Test("A task chooses beta, and a beta that is set at the same place takes precedence in any order")
  func task() throws {
    func beta(
      environment: [String: String] = [:], assignments: [String] = [], flags: [(String, String)] = []
    ) throws -> Double {
      try Configuration.resolve(
        preset: nil, file: nil, environment: environment, assignments: assignments, flags: flags
      ).objective.betaEnd
    }
    let flag = [("objective.task", "disentanglement")]
    #expect(try beta() == 0.5 && beta(flags: flag) == 4)
    #expect(try beta(assignments: ["objective.beta.end=2"], flags: flag) == 2)
    #expect(try beta(assignments: ["objective.beta.end=2", "objective.task=generation"]) == 2)
    #expect(try beta(environment: ["VAE_DIST_OBJECTIVE_BETA_END": "3", "VAE_DIST_OBJECTIVE_TASK": "anomaly"]) == 3)
    #expect(try beta(environment: ["VAE_DIST_OBJECTIVE_BETA_END": "3"], flags: flag) == 4)
    for yaml in [
      "objective: {task: disentanglement, beta: {end: 2}}", "objective: {beta: {end: 2}, task: disentanglement}",
    ] {
      var configuration = Configuration()
      try configuration.apply(yaml: yaml, file: "run.yaml")
      #expect(configuration.objective.betaEnd == 2 && configuration.objective.task == .disentanglement)
    }
  }
}
