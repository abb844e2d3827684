import Kernels
import RunConfiguration
import Testing

@Suite struct SettingsWithoutEffectTests {
  private func reported(preset: String? = nil, _ assignments: String...) throws -> [String] {
    try Configuration.resolve(preset: preset, file: nil, environment: [:], assignments: assignments, flags: [])
      .settingsWithoutEffect
  }

  @Test("No preset has a setting without effect", arguments: ConfigurationSchema.presets.map(\.name))
  func presets(name: String) throws { #expect(try reported(preset: name) == []) }

  @Test("A setting of a member that is not selected is reported once, with the members that it belongs to")
  func foreign() throws {
    #expect(
      try reported("model.flow_layers=5") == [
        "model.flow_layers is 5 and has no effect: it is a setting of model.prior flow, and model.prior is standard"
      ])
    #expect(
      try reported("model.sigma=0.5") == [
        "model.sigma is 0.5 and has no effect: it is a setting of model.likelihood gaussian, model.likelihood columns, "
          + "and model.likelihood is bernoulli"
      ])
    #expect(
      try reported("model.kernel=3", "model.blocks=1", "model.latent=3").map { String($0.prefix(12)) }
        == ["model.kernel", "model.blocks"])
  }

  @Test("Settings that are used, or left as in the preset, are not reported")
  func read() throws {
    #expect(try reported("model.prior=flow", "model.flow_layers=5", "model.prior_hidden=[3]") == [])
    #expect(try reported("model.likelihood=gaussian", "model.sigma=0.5", "optimizer.beta1=0.8") == [])
    #expect(try reported(preset: "conv28", "model.kind=mlp") == [])
    #expect(try reported(preset: "conv28", "model.kernel=3", "model.channels=[8]") == [])
    #expect(try reported("model.logvar_low=-3", "model.dropout=0.1", "model.activation=silu") == [])
  }
}
