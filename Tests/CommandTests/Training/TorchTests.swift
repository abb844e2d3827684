import Foundation
import TestSupport
import Testing

private let python = ProcessInfo.processInfo.environment["VAE_DIST_TEST_PYTHON"]

extension CommandTests {
  /// Tests of a trained model in PyTorch.
  @Suite(.enabled(if: python != nil, "VAE_DIST_TEST_PYTHON names no Python with torch, numpy and safetensors"))
  struct TorchTests {
    private func compare(_ run: String) throws -> Outcome {
      let script = fixtures.appending(path: "../../scripts/torch-elbo").standardizedFileURL.path
      return try Child([try #require(python), script, run], environment: plainEnvironment, directory: run).wait()
    }

    @Test(
      "A trained model has the same ELBO in PyTorch",
      arguments: [
        ("12x10x3", ["model.kind=conv", "model.channels=[5, 3]"]),
        (
          "9x7",
          [
            "model.kind=conv", "model.channels=[17, 6]", "model.kernel=3", "model.activation=gelu", "model.hidden=[]",
            "model.likelihood=gaussian_learned", "data.scale=standardize",
          ]
        ),
        (
          "12x8x3",
          [
            "model.kind=resnet", "model.channels=[6, 4, 10]", "model.norm_groups=2", "model.activation=silu",
            "model.hidden=[19]", "model.likelihood=gaussian", "model.dropout=0.1", "model.latent=7",
          ]
        ),
        ("9x7", ["model.hidden=[20, 11]", "model.likelihood=gaussian", "model.sigma=0.3", "model.dropout=0.1"]),
      ])
    func elbo(image: String, keys: [String]) throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run", shape = image.split(separator: "x").compactMap { Int($0) }
      let data = try scratch.write("images.npy", npy("|u1", [300] + shape, slopes(300, shape)))
      try train(
        place,
        ["--data", data, "--max-epochs", "20", "--valid", "0.3", "--set", "optimizer.learning_rate=0.01"]
          + keys.flatMap { ["--set", $0] }, ranks: 2)
      let outcome = try compare(place)
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
      #expect(outcome.count(of: "relative difference") == 4, "\(outcome.output)")
    }
  }
}
