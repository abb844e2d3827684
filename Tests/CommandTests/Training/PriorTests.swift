import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of learned priors.
  @Suite struct PriorTests {
    private func json(_ arguments: [String], ranks: Int? = nil) throws -> [String: Any] {
      let outcome = try run(arguments + ["--json"], ranks: ranks)
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }

    private static let cases: [(name: String, settings: [String])] = [
      ("flow", ["model.prior=flow"]),
      ("flow conditioned on classes", ["model.prior=flow", "model.condition=label", "model.flow_layers=5"]),
      ("conditional", ["model.prior=conditional", "model.condition=label", "model.prior_hidden=[]"]),
    ]

    @Test(
      "Learned priors have the same parameters, metrics and evaluation on 1 to 3 ranks", arguments: 0..<3)
    func ranks(number: Int) throws {
      let scratch = try Scratch()
      let (name, chosen) = Self.cases[number]
      let settings =
        ["--max-epochs", "3", "--batch-size", "50", "--microbatch", "9", "--set", "model.latent=6"]
        + ["model.prior_hidden=[16]"].flatMap { ["--set", $0] } + chosen.flatMap { ["--set", $0] }
      let one = scratch.path + "/1"
      try train(one, settings)
      let expected = try digest(one), epochs = try epochNumbers(one)
      var evaluation = try json(["evaluate", one, "--iwae", "20"])
      for ranks in 2...3 {
        let place = "\(scratch.path)/\(ranks)"
        try train(place, settings, ranks: ranks)
        #expect(try digest(place) == expected, "\(name), \(ranks) ranks")
        #expect(try epochNumbers(place) == epochs, "\(name), \(ranks) ranks")
      }
      let again = try json(["evaluate", one, "--iwae", "20"], ranks: 3)
      #expect(evaluation as NSDictionary == again as NSDictionary, "\(name)")
      // With the same prior, a bound from 20 draws is closer to the likelihood than one from one draw.
      let bound = try #require(evaluation["neg_elbo"] as? Double), nll = try #require(evaluation["nll"] as? Double)
      #expect(nll < bound && nll > bound - 30, "\(name): \(nll), \(bound)")
      let units = try #require(evaluation["kl_per_unit"] as? [Double]), kl = try #require(evaluation["kl"] as? Double)
      #expect(units.count == 6 && abs(units.reduce(0, +) - kl) < 1e-3 * abs(kl))
      evaluation = try #require(evaluation["aggregate_posterior"] as? [String: Any])
      #expect((evaluation["marginal_kl"] is NSNull) == chosen.contains("model.condition=label"), "\(evaluation)")
      #expect(try json(["sample", one, "-n", "4", "-o", scratch.path + "/samples.csv"])["output"] is String)
    }

    /// Rows of four columns near six points of a circle.
    private func clusters(_ count: Int) -> String {
      var random = Random(state: 5)
      let lines = (0..<count).map { row in
        let angle = Float(row % 6) * .pi / 3, away = random.floats(2, in: -0.25...0.25)
        let x = 3 * cos(angle) + away[0], y = 3 * sin(angle) + away[1], noise = random.floats(4, in: -0.1...0.1)
        return zip([x, y, x + y, x - y], noise).map { "\($0 + $1)" }.joined(separator: ",")
      }
      return (["a,b,c,d"] + lines).joined(separator: "\n")
    }

    @Test("On clusters, a flow prior has a higher likelihood than N(0, I), and its samples vary like the data")
    func likelihood() throws {
      let scratch = try Scratch()
      let data = try scratch.write("clusters.csv", Array(clusters(3_000).utf8))
      var nll: [Double] = [], ratios: [Double] = []
      for prior in ["standard", "flow"] {
        let place = "\(scratch.path)/\(prior)"
        try train(
          place,
          ["--preset", "tabular", "--data", data, "--valid", "0.3", "--max-epochs", "60", "--batch-size", "64"]
            + ["model.latent=2", "model.prior=\(prior)", "optimizer.learning_rate=0.003", "objective.beta.warmup=4"]
            .flatMap { ["--set", $0] })
        let found = try json(["evaluate", place, "--iwae", "100"])
        nll.append(try #require(found["nll"] as? Double))
        ratios.append(try #require((found["generation"] as? [String: Any])?["variance_ratio"] as? Double))
      }
      #expect(nll[1] < nll[0] - 0.1, "\(nll)")
      #expect(abs(ratios[1] - 1) < 0.1, "\(ratios)")
    }

    @Test("Learned priors have pictures of all kinds, and settings that do not fit them are refused")
    func commands() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try train(
        place,
        ["--max-steps", "5", "--set", "model.latent=2", "--set", "model.prior=flow"]
          + ["--set", "monitor.pictures_every=1"])
      for command in [["sample"], ["manifold"], ["traverse"], ["traverse", "--sample", "1"], ["interpolate"]] {
        #expect(try json([command[0], place] + command.dropFirst())["output"] is String, "\(command)")
      }
      for (settings, text) in [
        (["model.prior=conditional"], "the model has no condition"),
        (["model.prior=flow", "objective.free_bits=0.1"], "free bits are a floor"),
        (["model.prior=flow", "monitor.on_collapse=free-bits"], "free bits are a floor"),
        (["model.prior=flow", "objective.mmd=10"], "objective.mmd compares z"),
        (["model.prior=flow", "model.latent=1"], "z has one unit"),
      ] {
        let refused = try run(
          training(scratch.path + "/refused", settings.flatMap { ["--set", $0] }), ranks: 2)
        #expect(refused.status == 78 && refused.count(of: text) == 1, "\(refused.errors)")
        #expect(refused.count(of: "hint: ") == 1)
      }
    }
  }
}
