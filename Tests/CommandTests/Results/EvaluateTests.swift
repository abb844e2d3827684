import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of `evaluate` against closed forms, and against other numbers of ranks.
  @Suite struct EvaluateTests {
    /// A linear VAE on data of probabilistic PCA. It is trained for one step, and then its parameters are overwritten.
    private func linear(_ scratch: Scratch, _ pca: PCA, logvarShift: Double) throws -> String {
      let run = scratch.path + "/run"
      let rows = pca.x.map { $0.map { "\($0)" }.joined(separator: ",") + "\n" }
      let data = try scratch.write("rows.csv", Array(rows.joined().utf8))
      try train(
        run,
        [
          "--data", data, "--valid", data, "--max-steps", "1", "--set", "model.hidden=[]", "--set", "model.latent=2",
          "--set", "model.activation=identity", "--set", "model.likelihood=gaussian_learned",
        ])
      var parameters = Dictionary(uniqueKeysWithValues: pca.optimum.map { ($0.name, $0.values) })
      parameters["logvar.bias"] = parameters["logvar.bias"]?.map { $0 + logvarShift }
      let model = scratch.path + "/model.safetensors"
      try overwrite(run + "/checkpoints/last/model.safetensors", with: parameters, to: model)
      return model
    }

    /// Replaces values in a safetensors file.
    private func overwrite(_ path: String, with parameters: [String: [Double]], to target: String) throws {
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      let length = bytes.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
      let header = try JSONSerialization.jsonObject(with: bytes[8..<8 + length]) as? [String: [String: Any]]
      for (name, values) in parameters {
        let offsets = try #require(header?[name]?["data_offsets"] as? [Int])
        try #require(offsets[1] - offsets[0] == 4 * values.count)
        let floats = values.map(Float.init)
        let start = 8 + length + offsets[0]
        floats.withUnsafeBytes { bytes.replaceSubrange(start..<start + $0.count, with: $0) }
      }
      try bytes.write(to: URL(fileURLWithPath: target))
    }

    private func evaluate(_ place: String, _ arguments: [String], ranks: Int? = nil) throws -> [String: Any] {
      let outcome = try run(["evaluate", place, "--json"] + arguments, ranks: ranks)
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }

    @Test("The likelihood estimate of a linear VAE converges to the closed form, and its ELBO to the known gap")
    func closedForm() throws {
      let scratch = try Scratch(), pca = PCA()
      // The posterior is too wide by s in log variance: KL(q, posterior) = latent / 2 (e^s - 1 - s).
      let shift = 0.5, gap = Double(PCA.latent) / 2 * (exp(shift) - 1 - shift)
      let model = try linear(scratch, pca, logvarShift: shift)
      let truth = -pca.meanLogLikelihood
      let one = try evaluate(model, ["--iwae", "1"]), many = try evaluate(model, ["--iwae", "2000"])
      let bound = try #require(many["neg_elbo"] as? Double)
      // 500 draws of log p(x | z) with a standard deviation of about 2.
      #expect(abs(bound - truth - gap) < 0.3, "\(bound), \(truth), \(gap)")
      let loose = try #require(one["nll"] as? Double), tight = try #require(many["nll"] as? Double)
      #expect(abs(loose - truth - gap) < 0.3, "\(loose)")
      // The bias of K samples is Var[w] / 2K, which is below 1e-3 here, and their noise is sqrt(Var[w] / K / 500).
      #expect(abs(tight - truth) < 4e-3, "\(tight), \(truth)")
      let error = try #require(many["nll_standard_error"] as? Double)
      let values = pca.x.map { -pca.logLikelihood($0) }
      let variance = values.reduce(0) { $0 + ($1 - truth) * ($1 - truth) } / Double(values.count - 1)
      #expect(abs(error / (variance / Double(values.count)).squareRoot() - 1) < 0.02)
      // q(z) has variance 1 + sigma^2 times the excess of the posterior, also in closed form.
      let aggregate = try #require(many["aggregate_posterior"] as? [String: Any])
      let q = try #require(aggregate["variance"] as? [Double])
      for j in 0..<PCA.latent {
        let posterior = pca.variance / pca.values[j]
        #expect(abs(q[j] - (1 - posterior + posterior * exp(shift))) < 1e-3)
      }
      #expect(try #require(aggregate["mean"] as? [Double]).allSatisfy { abs($0) < 1e-4 })
      // I(x; z) of jointly Gaussian x and z is 1/2 log(Var[z] / Var[z | x]) per unit. An estimate from 500 samples is low.
      let information = try #require(aggregate["mutual_information"] as? Double)
      let expected = (0..<PCA.latent).reduce(0.0) { sum, j in
        sum + 0.5 * log(q[j] / (pca.variance / pca.values[j] * exp(shift)))
      }
      #expect(abs(information - expected) < 0.15, "\(information), \(expected)")
      #expect(abs(try #require(aggregate["mmd_imq"] as? Double)) < 0.05)
    }

    @Test("An evaluation gives the same numbers on 1, 2 and 3 ranks")
    func ranks() throws {
      let scratch = try Scratch()
      try train(scratch.path + "/run", ["--max-epochs", "1"])
      let place = scratch.path + "/run"
      let outputs = try [nil, 2, 3].map { ranks in
        let outcome = try run(["evaluate", place, "--json", "--iwae", "3"], ranks: ranks)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome.output
      }
      #expect(Set(outputs).count == 1)
      let epoch = try #require(metrics(place, kind: "epoch").last?["valid"] as? [String: Double])
      let now = try evaluate(place, [])
      for key in ["recon", "kl", "neg_elbo"] { #expect(now[key] as? Double == epoch[key], "as in training: \(key)") }
      #expect(now["nll"] is NSNull)
      // With -n, some of the samples are used, evenly spaced.
      let first = try evaluate(place, ["-n", "130"]), again = try evaluate(place, ["-n", "130"], ranks: 2)
      #expect(first["samples"] as? Int == 130 && first["recon"] as? Double != now["recon"] as? Double)
      #expect(first["recon"] as? Double == again["recon"] as? Double)
      let text = try run(["evaluate", place])
      #expect(text.status == 0 && text.output.contains("neg_elbo"))
      // The pictures are blurred and less varied than the data, as is usual for a model with little training.
      let generation = try #require(now["generation"] as? [String: Double])
      for key in ["sharpness_of_reconstructions", "sharpness_of_samples", "variance_ratio"] {
        let value = try #require(generation[key])
        #expect(value > 0 && value < 1, "\(key) \(value)")
      }
      #expect(generation["data_samples"] == 297 && generation["prior_samples"] == 2048)
      #expect(try #require(generation["frechet_distance"]) > 0)
      let interpolation = try #require(now["interpolation"] as? [String: Double])
      #expect(interpolation["pairs"] == 10)
      #expect(try #require(interpolation["smoothness_linear"]) >= 1)
      #expect(now["disentanglement"] == nil)
    }

    @Test("For data with known factors, disentanglement is reported, with the same values on 1, 2 and 3 ranks")
    func factors() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try train(
        place,
        ["--data", "shapes:3000", "--max-epochs", "1", "--set", "data.binarize=dynamic", "--set", "model.latent=4"])
      let outputs = try [nil, 2, 3].map { ranks in
        let outcome = try run(["evaluate", place, "--json", "--data", "shapes:2600"], ranks: ranks)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome.output
      }
      #expect(Set(outputs).count == 1)
      let report = try #require(try JSONSerialization.jsonObject(with: Data(outputs[0].utf8)) as? [String: Any])
      let found = try #require(report["disentanglement"] as? [String: Any])
      #expect(found["factors"] as? [String] == ["shape", "scale", "orientation", "x", "y"])
      #expect(found["samples"] as? Int == 2600)
      let aggregate = try #require(report["aggregate_posterior"] as? [String: Any])
      #expect(aggregate["samples"] as? Int == 2048)
      let shares = [
        "mig", "dci_disentanglement", "dci_completeness", "dci_informativeness", "beta_vae_score", "factor_vae_score",
      ]
      for key in shares {
        let value = try #require(found[key] as? Double)
        #expect(value > 0 && value < 1, "\(key) \(value)")
      }
      #expect(try run(["evaluate", place]).output.contains("disentanglement of 300 samples"))
    }

    @Test(
      "Requests that cannot be evaluated are refused",
      arguments: [
        (["--data", "shapes:20"], 65, "its samples are 64x64, but the model was trained on 8x8"),
        (["--data", "/nowhere"], 66, "/nowhere"), (["-n", "0"], 64, "--samples 0"), (["--iwae=-1"], 64, "--iwae -1"),
      ] as [([String], Int32, String)])
    func refused(arguments: [String], status: Int32, text: String) throws {
      let scratch = try Scratch()
      try train(scratch.path + "/run", ["--max-steps", "1"])
      let outcome = try run(["evaluate", scratch.path + "/run"] + arguments)
      #expect(outcome.status == status && outcome.errors.contains(text), "\(outcome.errors)")
    }
  }
}
