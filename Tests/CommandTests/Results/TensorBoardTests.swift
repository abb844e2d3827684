import Foundation
import TestSupport
import Testing

private let python = ProcessInfo.processInfo.environment["VAE_DIST_TEST_PYTHON"]

extension CommandTests {
  /// Tests of a run directory with TensorBoard's own reader.
  @Suite(.enabled(if: python != nil, "VAE_DIST_TEST_PYTHON names no Python with tensorboard"))
  struct TensorBoardTests {
    /// Prints all recorded values as one JSON object.
    private static let script = """
      import json, os, sys
      from google.protobuf import text_format
      from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
      from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
      from tensorboard.plugins.projector.projector_plugin import _read_tensor_tsv_file

      folder = sys.argv[1]
      events = EventAccumulator(folder, size_guidance={k: 0 for k in ("scalars", "images", "histograms")})
      events.Reload()
      tags = events.Tags()
      found = {
          "scalars": {t: [[e.step, e.value] for e in events.Scalars(t)] for t in tags["scalars"]},
          "images": {t: [[e.step, e.width, e.height, len(e.encoded_image_string)] for e in events.Images(t)]
                     for t in tags["images"]},
          "histograms": {t: [[e.step, e.histogram_value.num, e.histogram_value.min, e.histogram_value.max,
                              sum(e.histogram_value.bucket)] for e in events.Histograms(t)]
                         for t in tags["histograms"]},
      }
      place = folder + "/projector_config.pbtxt"
      if os.path.exists(place):
          config = text_format.Parse(open(place).read(), ProjectorConfig()).embeddings[0]
          found["vectors"] = _read_tensor_tsv_file(folder + "/" + config.tensor_path).tolist()
          found["metadata"] = open(folder + "/" + config.metadata_path).read().splitlines()
          found["sprite"] = {"image": config.sprite.image_path, "extent": list(config.sprite.single_image_dim)}
      print(json.dumps(found))
      """

    private struct Found: Decodable {
      let scalars: [String: [[Double]]]
      let images: [String: [[Double]]]
      let histograms: [String: [[Double]]]
      let vectors: [[Double]]?
      let metadata: [String]?
      let sprite: Sprite?
    }

    private struct Sprite: Decodable, Equatable {
      let image: String
      let extent: [Int]
    }

    private func read(_ run: String) throws -> Found {
      let outcome = try Child(
        [try #require(python), "-c", Self.script, run + "/tensorboard"], environment: plainEnvironment, directory: run
      ).wait()
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try JSONDecoder().decode(Found.self, from: Data(outcome.output.utf8))
    }

    private func expectOnce(_ found: Found) {
      for (tag, points) in found.scalars {
        let steps = points.map { $0[0] }
        #expect(steps == Array(Set(steps)).sorted(), "\(tag): \(steps)")
      }
    }

    @Test("The events of a run that was killed twice contain every step once, with the numbers of metrics.jsonl")
    func killed() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let words = [
        "--max-epochs", "30", "--checkpoint-every", "4", "--set", "monitor.pictures_every=10", "--set",
        "log.every_steps=7",
      ]
      let arguments = ["train", "-q", "--run", place] + words
      for epoch in [7, 17] {
        let child = try start(arguments, ranks: 2)
        try #require(child.wait { metrics(place, kind: "epoch").count >= epoch }, "\(child.errors)")
        kill(try #require(rankProcess(0, of: child)), SIGKILL)
        #expect(child.wait().status == 137)
        // The files can be read as the killed run left them.
        let left = try read(place)
        expectOnce(left)
        #expect((left.scalars["valid/kl"]?.count ?? 0) >= epoch)
      }
      #expect(try run(arguments).status == 0)
      let found = try read(place)
      expectOnce(found)
      let epochs = metrics(place, kind: "epoch")
      #expect(epochs.count == 30)
      func expect(_ tag: String, _ value: ([String: Any]) -> Any?) {
        let expected = epochs.map { [$0["step"] as? Double ?? -1, Double(Float(value($0) as? Double ?? .nan))] }
        #expect(found.scalars[tag] == expected, "\(tag)")
      }
      for part in ["train", "valid"] {
        for name in ["recon", "kl", "neg_elbo", "bits_per_dimension"] {
          expect("\(part)/\(name)") { ($0[part] as? [String: Any])?[name] }
        }
      }
      expect("optimizer/beta") { $0["beta"] }
      expect("optimizer/learning_rate") { $0["learning_rate"] }
      expect("optimizer/grad_norm") { $0["grad_norm"] }
      expect("latent/active_units") { $0["active_units"] }
      expect("speed/samples_per_second") { $0["samples_per_second"] }
      let steps = metrics(place, kind: "step").compactMap { $0["step"] as? Double }
      #expect(!steps.isEmpty && found.scalars["step/kl"]?.map { $0[0] } == steps)
      // There are pictures of three epochs, two histograms of 297 samples with 10 units, and one of the units.
      let last = try #require(epochs.last?["step"] as? Double)
      #expect(found.images["samples"]?.map { $0[0] } == [last / 3, last / 3 * 2, last])
      #expect(found.images["reconstructions"]?.allSatisfy { $0[1] > 100 && $0[3] > 100 } == true)
      for tag in ["latent/mu", "latent/sigma"] {
        #expect(found.histograms[tag]?.count == 30)
        #expect(found.histograms[tag]?.allSatisfy { $0[1] == 2_970 && $0[1] == $0[4] && $0[2] < $0[3] } == true)
      }
      let kl = (epochs.last?["valid"] as? [String: Any])?["kl"] as? Double ?? .nan
      #expect(abs((found.histograms["latent/kl_by_unit"]?.last?[4] ?? .nan) - kl) < 1e-3 * kl)
      // The embedding has the labels of the digits and pictures of 8x8 pixels.
      #expect(found.vectors?.count == 297 && found.vectors?.allSatisfy { $0.count == 10 } == true)
      #expect(found.metadata?.first == "sample\tlabel" && found.metadata?.count == 298)
      let labels = Set((found.metadata ?? []).dropFirst().compactMap { $0.split(separator: "\t").last })
      #expect(labels.count == 10)
      #expect(found.sprite == Sprite(image: "sprite.png", extent: [8, 8]))
    }

    @Test("Histograms and embedding do not depend on the number of ranks")
    func ranks() throws {
      let scratch = try Scratch()
      let found = try [1, 3].map { ranks in
        let place = scratch.path + "/\(ranks)"
        try train(place, ["--max-epochs", "3"], ranks: ranks)
        return try read(place)
      }
      #expect(found[0].histograms == found[1].histograms && found[0].histograms.count == 3)
      #expect(found[0].vectors == found[1].vectors && found[0].metadata == found[1].metadata)
    }

    @Test("The events of a table have no pictures, and log.tensorboard=false writes none")
    func table() throws {
      let scratch = try Scratch()
      let rows = (0..<60).map { "\($0),\($0 * 7 % 11),\($0 % 5)\n" }
      let data = try scratch.write("t.csv", Array(("a,b,c\n" + rows.joined()).utf8))
      let place = scratch.path + "/run", off = scratch.path + "/off"
      let words = ["--preset", "tabular", "--data", data, "--max-epochs", "2"]
      try train(place, words)
      let found = try read(place)
      #expect(found.scalars["valid/kl"]?.count == 2 && found.images.isEmpty && found.sprite?.image == "")
      #expect(found.vectors?.count == found.metadata?.count)
      try train(off, words + ["--set", "log.tensorboard=false"])
      #expect(!FileManager.default.fileExists(atPath: off + "/tensorboard"))
    }
  }
}
