import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// The number of ranks does not change a bit of the result.
  @Suite struct DigestTests {
    // Six microbatches make a tree that is not a power of two. The last step of an epoch is not full.
    static let settings = [
      "--max-epochs", "3", "--batch-size", "50", "--microbatch", "9", "--set", "model.dropout=0.2",
      "--set", "data.binarize=dynamic",
    ]

    @Test("1 to 5 ranks give the same parameters and metrics on one node, with messages, and on several nodes")
    func ranks() throws {
      let scratch = try Scratch()
      try train(scratch.path + "/one", Self.settings)
      let expected = try digest(scratch.path + "/one")
      let epochs = try epochNumbers(scratch.path + "/one")
      #expect(epochs.count == 3)
      for ranks in 1...5 {
        for route in ["window", "messages"] {
          let place = "\(scratch.path)/\(route)-\(ranks)"
          try train(place, Self.settings + ["--set", "train.exchange=\(route)"], ranks: ranks)
          #expect(try digest(place) == expected, "\(ranks) ranks, \(route)")
          #expect(try epochNumbers(place) == epochs, "\(ranks) ranks, \(route)")
          #expect(metrics(place, kind: "epoch").allSatisfy { $0["ranks"] as? Int == ranks })
        }
      }
      for (nodeRanks, settings) in [
        (1, ["train.buckets=3"]), (2, ["train.buckets=1"]), (2, ["train.buckets=4", "optimizer.sharding=node"]),
        (3, ["optimizer.sharding=none"]),
      ] {
        let place = "\(scratch.path)/nodes-\(nodeRanks)-\(settings[0])"
        let outcome = try run(
          training(place, Self.settings + settings.flatMap { ["--set", $0] }), ranks: 5,
          environment: ["VAE_DIST_NODE_RANKS": "\(nodeRanks)"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try digest(place) == expected, "nodes of \(nodeRanks), \(settings)")
        #expect(try epochNumbers(place) == epochs, "nodes of \(nodeRanks), \(settings)")
      }
      // Another seed must give another digest.
      try train(scratch.path + "/other", Self.settings + ["--seed", "2"], ranks: 2)
      #expect(try digest(scratch.path + "/other") != expected)
    }

    /// Convolutions of the digits, a preset on noise of its size, and residual blocks on coloured noise.
    static let convolutional = [
      [
        "--max-epochs", "2", "--batch-size", "50", "--microbatch", "9", "--set", "model.kind=conv",
        "--set", "model.channels=[8, 16]", "--set", "model.dropout=0.2",
      ],
      ["--preset", "conv28", "--data", "random:28x28", "--max-steps", "40", "--batch-size", "24", "--microbatch", "5"],
      [
        "--preset", "resnet32", "--data", "random:8x8x3", "--max-steps", "40", "--batch-size", "24", "--microbatch",
        "5",
        "--set", "model.channels=[8, 16]", "--set", "model.norm_groups=4", "--set", "model.dropout=0.1",
      ],
    ]

    @Test("Convolutions give the same bits on 1 to 3 ranks and nodes, also after a kill", arguments: convolutional)
    func convolutions(settings: [String]) throws {
      let scratch = try Scratch()
      try train(scratch.path + "/one", settings)
      let expected = try digest(scratch.path + "/one")
      let epochs = try epochNumbers(scratch.path + "/one")
      for ranks in 2...3 {
        for environment in [[:], ["VAE_DIST_NODE_RANKS": "1"]] {
          let place = "\(scratch.path)/\(ranks)-\(environment.count)"
          let outcome = try run(training(place, settings), ranks: ranks, environment: environment)
          #expect(outcome.status == 0, "\(outcome.errors)")
          #expect(try digest(place) == expected, "\(ranks) ranks, \(environment)")
          #expect(try epochNumbers(place) == epochs, "\(ranks) ranks, \(environment)")
        }
      }
      let place = scratch.path + "/killed"
      let child = try start(training(place, settings + ["--set", "checkpoint.every_steps=1"]), ranks: 2)
      try #require(child.wait { metrics(place, kind: "checkpoint").count >= 3 }, "\(child.errors)")
      kill(try #require(rankProcess(1, of: child)), SIGKILL)
      #expect(child.wait().status == 137)
      try train(place, settings, ranks: 3)
      #expect(metrics(place, kind: "resume").count == 1)
      #expect(try digest(place) == expected)
      #expect(try epochNumbers(place) == epochs)
    }

    @Test("Ranks that exchange gradients only by messages do not share parameters")
    func sharing() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let settings = ["--set", "optimizer.sharding=node", "--set", "train.exchange=messages"]
      for nodeRanks in [1, 4] {
        let refused = try run(
          training(place, Self.settings + settings), ranks: 2, environment: ["VAE_DIST_NODE_RANKS": "\(nodeRanks)"])
        #expect(refused.status == 78, "\(refused.errors)")
        #expect(
          refused.count(of: "optimizer.sharding is node, and train.exchange is messages") == 1, "\(refused.errors)")
        #expect(refused.count(of: "hint: ") == 1 && !FileManager.default.fileExists(atPath: place))
      }
    }

    @Test("More ranks than microbatches are refused with a suitable microbatch")
    func tooManyRanks() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let refused = try run(training(place, ["--batch-size", "50", "--microbatch", "25"]), ranks: 4)
      #expect(refused.status == 78, "\(refused.errors)")
      #expect(refused.count(of: "4 ranks for 2 microbatches of 25") == 1, "\(refused.errors)")
      #expect(refused.count(of: "--microbatch 12 or less") == 1, "\(refused.errors)")
      #expect(!FileManager.default.fileExists(atPath: place), "a refused run leaves nothing")
      try train(place, ["--batch-size", "50", "--microbatch", "12", "--max-steps", "2"], ranks: 4)
    }
  }
}
