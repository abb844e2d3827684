import Foundation
import Kernels
import RunConfiguration
import Testing

@Suite struct ConfigurationPrecedenceTests {
  @Test("Default, preset, file, environment, --set and flag each override those before them")
  func precedence() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "vae-dist-\(UUID()).yaml").path
    try "version: 1\nmodel:\n  latent: 103\ntrain:\n  batch_size: 203\n  max_epochs: 303\n  seed: 403\n"
      .write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    func resolve(_ layers: Int) throws(Failure) -> Configuration {
      try Configuration.resolve(
        preset: layers > 0 ? "tabular" : nil, file: layers > 1 ? path : nil,
        environment: layers > 2
          ? ["VAE_DIST_MODEL_LATENT": "104", "VAE_DIST_TRAIN_BATCH_SIZE": "204", "VAE_DIST_TRAIN_MAX_EPOCHS": "304"]
          : [:],
        assignments: layers > 3 ? ["model.latent=105", "train.batch_size=205"] : [],
        flags: layers > 4 ? [("model.latent", "106")] : [])
    }
    // (latent, batch, epochs, seed) after each layer; the default preset is digits.
    var digits = Configuration()
    try digits.apply(preset: "digits")
    let expected = [
      [digits.model.latent, digits.train.batchSize, digits.train.maxEpochs, digits.train.seed], [8, 128, 100_000, 1],
      [103, 203, 303, 403], [104, 204, 304, 403], [105, 205, 304, 403],
      [106, 205, 304, 403],
    ]
    for (layers, values) in expected.enumerated() {
      let c = try resolve(layers)
      #expect([c.model.latent, c.train.batchSize, c.train.maxEpochs, c.train.seed] == values, "\(layers) layers")
    }
    #expect(try resolve(5).model.likelihood == "columns")
  }

  @Test("For a misspelt choice, the right one is suggested")
  func choices() {
    func message(_ assignment: String) -> String? {
      failure { () throws(Failure) in
        _ = try Configuration.resolve(
          preset: nil, file: nil, environment: [:], assignments: [assignment], flags: [])
      }?.message
    }
    for (given, meant) in [("val_loss", "loss"), ("elbo", "neg_elbo"), ("neg-elbo", "neg_elbo"), ("Recon", "recon")] {
      let text = message("monitor.metric=\(given)")
      #expect(
        text?.hasSuffix("neg_elbo, recon, recon_of_mean, kl, loss; did you mean \(meant)?") == true, "\(text ?? "")")
    }
    #expect(message("monitor.metric=accuracy")?.contains("did you mean") == false)
    #expect(message("model.activation=swish")?.contains("did you mean") == false)
  }

  @Test("Later assignments override earlier ones, and values may contain an equals sign")
  func assignments() throws {
    let c = try Configuration.resolve(
      preset: nil, file: nil, environment: [:], assignments: ["model.latent=3", "model.latent=4", "data.source=a=b"],
      flags: [])
    #expect(c.model.latent == 4 && c.data.source == "a=b")
  }

  @Test("For a misspelt name from any source, the right one is suggested")
  func misspelt() {
    func resolve(
      preset: String? = nil, environment: [String: String] = [:], assignments: [String] = [],
      flags: [(String, String)] = []
    ) -> Failure? {
      failure { () throws(Failure) in
        _ = try Configuration.resolve(
          preset: preset, file: nil, environment: environment, assignments: assignments, flags: flags)
      }
    }
    let assignment = resolve(assignments: ["model.latnet=3"])
    #expect(assignment?.message == "--set: there is no key 'model.latnet'")
    #expect(assignment?.hint == "did you mean model.latent?")
    let environment = resolve(environment: ["VAE_DIST_MODEL_LATNET": "3"])
    #expect(environment?.message.contains("VAE_DIST_MODEL_LATNET") == true)
    #expect(environment?.hint == "did you mean VAE_DIST_MODEL_LATENT?")
    #expect(resolve(preset: "digit")?.hint?.contains("did you mean digits?") == true)
    #expect(resolve(assignments: ["model.latent"])?.status == .usage)
    #expect(resolve(assignments: ["=3"])?.status == .badConfiguration)
    #expect(resolve(assignments: ["zzzzzzzzzzzzzzzz=3"])?.hint?.contains("--print-config") == true)
    // The message must not take minutes for a long name.
    #expect(resolve(assignments: [String(repeating: "model.latent", count: 100_000) + "=3"]) != nil)
  }

  @Test("Environment variables that are not of a section are ignored")
  func otherVariables() throws {
    let environment = ["VAE_DIST_TEST_DATA": "/data", "VAE_DIST_VERSION": "2", "PATH": "x", "VAE_DIST_": "x"]
    let c = try Configuration.resolve(preset: nil, file: nil, environment: environment, assignments: [], flags: [])
    #expect(c.preset == "digits")
  }
}
