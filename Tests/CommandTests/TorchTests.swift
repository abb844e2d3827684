import Foundation
import TestSupport
import Testing

private let python = ProcessInfo.processInfo.environment["VAE_DIST_TEST_PYTHON"]

extension CommandTests {
  /// What PyTorch makes of a trained model.
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
      var random = Random(state: 3)
      // Slopes of random direction and grey: something to learn, and no axis is like another.
      let pixels = (0..<300).flatMap { _ in
        let slope = (0..<3).map { _ in Float.random(in: -1...1, using: &random) }
        return (0..<shape.reduce(1, *)).map { i in
          let channels = shape.count == 3 ? shape[2] : 1
          let (row, column, channel) = (i / channels / shape[1], i / channels % shape[1], i % channels)
          let tilt: Float = 9 * (slope[0] * Float(row) + slope[1] * Float(column)) + 20 * slope[2] * Float(channel)
          return UInt8(min(max(128 + tilt + Float.random(in: -5...5, using: &random), 0), 255))
        }
      }
      let data = try scratch.write("images.npy", npy("|u1", [300] + shape, pixels))
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
