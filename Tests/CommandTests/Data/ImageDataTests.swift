import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of image folders, procedural data, augmentation, and the commands that inspect and convert data.
  @Suite struct ImageDataTests {
    /// Makes a folder of `count` small pictures in two classes, of which half are PNG and half JPEG.
    private func pictures(_ scratch: Scratch, count: Int = 60) throws -> String {
      let folder = scratch.path + "/pictures"
      var generator = Random(state: 5)
      for index in 0..<count {
        let kind = index % 2 == 0 ? "a" : "b"
        try FileManager.default.createDirectory(atPath: "\(folder)/\(kind)", withIntermediateDirectories: true)
        let (red, green) = (Int.random(in: 0...100, using: &generator), Int.random(in: 0...100, using: &generator))
        let pixels = (0..<12 * 14).flatMap { i -> [UInt8] in
          [UInt8(red + 9 * (i % 14)), UInt8(green + 8 * (i / 14)), 50]
        }
        let file =
          index % 4 < 2 ? PNGPicture(width: 14, channels: 3, pixels).bytes : jpeg(width: 14, channels: 3, pixels)
        // All names end in .png, and have two digits, so that the order of names is that of numbers.
        try writeFile(file, at: "\(folder)/\(kind)/\(100 + index).png")
      }
      return folder
    }

    private let small = ["--batch-size", "24", "--microbatch", "5", "--max-epochs", "2"]

    @Test(
      "Augmented training gives the same bits on 1, 2 and 3 ranks and after a restart, but differs from plain training")
    func augmentation() throws {
      let scratch = try Scratch()
      let settings =
        small + [
          "--data", "shapes:300", "--set", "data.flip=true", "--set", "data.shift=3", "--set", "model.latent=3",
          "--set", "objective.beta.warmup=0.5",
        ]
      var digests: Set<String> = [], epochs: Set<[String]> = []
      for ranks in 1...3 {
        let place = "\(scratch.path)/\(ranks)"
        try train(place, settings, ranks: ranks)
        digests.insert(try digest(place))
        epochs.insert(try epochNumbers(place))
      }
      let place = scratch.path + "/again"
      try train(place, settings + ["--max-steps", "7"], ranks: 2)
      try train(place, settings + ["--set", "data.prefetch=on"])
      digests.insert(try digest(place))
      #expect(digests.count == 1 && epochs.count == 1)
      for (name, other) in [("flip", "data.flip=false"), ("shift", "data.shift=0")] {
        try train("\(scratch.path)/\(name)", settings + ["--set", other])
        #expect(try !digests.contains(digest("\(scratch.path)/\(name)")), "\(other)")
      }
      let changed = try train(place, settings + ["--max-epochs", "3", "--set", "data.flip=false"])
      #expect(changed.errors.contains("data.flip was true, is false"), "\(changed.errors)")
      try train(
        scratch.path + "/table",
        ["--data", scratch.write("t.csv", Array("1,2\n3,4\n".utf8))]
          + ["--set", "data.flip=true"], status: 78)
    }

    @Test("Training on images gives the same bits on any ranks, with or without prefetch, and on the converted array")
    func folders() throws {
      let scratch = try Scratch()
      let folder = try pictures(scratch)
      let settings = small + ["--set", "model.likelihood=gaussian"]
      let options = ["--set", "data.image_size=8"]
      try train(scratch.path + "/one", settings + ["--data", folder] + options)
      let expected = try digest(scratch.path + "/one")
      for ranks in 2...3 {
        let place = "\(scratch.path)/\(ranks)"
        try train(place, settings + ["--data", folder, "--set", "data.prefetch=on"] + options, ranks: ranks)
        #expect(try digest(place) == expected)
      }
      let file = scratch.path + "/c.npy"
      let converted = try run(["data", "convert", folder, "--image-size", "8", "-o", file])
      #expect(converted.status == 0 && converted.output.contains("60 x 8x8x3 uint8"), "\(converted.errors)")
      try train(scratch.path + "/array", settings + ["--data", file])
      #expect(try digest(scratch.path + "/array") == expected)
      let again = try run(["data", "convert", folder, "--image-size", "8", "-o", file])
      #expect(again.status == 73 && again.errors.contains("--force"), "\(again.errors)")
      #expect(try run(["data", "convert", folder, "--image-size", "4", "-o", file, "--force"]).status == 0)
      let found = try inspection([file])
      #expect(found["shape"] as? [Int] == [4, 4, 3])
      #expect(
        (found["classes"] as? [[String: Any]])?.map { $0["count"] as? Int } == [30, 30],
        "the labels are written next to the array")
    }

    private func inspection(_ arguments: [String], status: Int32 = 0) throws -> [String: Any] {
      let outcome = try run(["data", "inspect", "--json"] + arguments)
      #expect(outcome.status == status, "\(outcome.errors)")
      let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
      var train = try #require(object?["train"] as? [String: Any])
      train["advised"] = (object?["advised"] as? [String: Any])?["likelihood"]
      train["likelihoods"] = object?["likelihoods"]
      return train
    }

    @Test("Real numbers and held-out samples are converted exactly, and a failed conversion leaves no file")
    func conversions() throws {
      let scratch = try Scratch()
      let table = try scratch.write("t.csv", Array("a,b\n1.5,-2\n0.25,3e5\n4,5\n".utf8))
      let file = scratch.path + "/t.npy"
      #expect(try run(["data", "convert", table, "-o", file]).status == 0)
      let found = try inspection([file])
      #expect(found["minimum"] as? Double == -2 && found["maximum"] as? Double == 300_000)
      #expect(found["samples"] as? Int == 3 && found["type"] as? String == "f4")
      let digits = scratch.path + "/d.npy"
      #expect(try run(["data", "convert", "digits", "-o", digits]).status == 0)
      try train(scratch.path + "/one", small)
      try train(scratch.path + "/two", small + ["--data", digits, "--valid", scratch.path + "/d-valid.npy"])
      #expect(try digest(scratch.path + "/one") == digest(scratch.path + "/two"))
      let folder = try pictures(scratch)
      try writeFile(
        Array(Data(contentsOf: URL(filePath: folder + "/a/100.png")).prefix(200)), at: folder + "/a/100.png")
      let broken = try run(["data", "convert", folder, "-o", scratch.path + "/x.npy"])
      #expect(broken.status == 65 && broken.errors.contains("a/100.png"), "\(broken.errors)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).allSatisfy { !$0.contains("x.npy") })
      #expect(try run(["data", "convert", "digits", "-o", scratch.path + "/x.png"]).status == 64)
    }

    @Test("`data inspect` reports counts, ranges, constants, faults and places, duplicates, classes and likelihoods")
    func inspecting() throws {
      let scratch = try Scratch()
      let values: [Float] = [0, 1, 2, 0.5, 1, 2, 0.25, 1, .nan, 0, 1, 2, -.infinity, 1, 3]
      let file = try scratch.write("x.npy", npy("<f4", [5, 3], words(values.map(\.bitPattern))))
      let found = try inspection([file], status: 65)
      #expect(found["rows_not_finite"] as? Int == 2 && found["duplicates"] as? Int == 1)
      #expect(found["constant"] as? [Int] == [1, 2] && found["samples"] as? Int == 5)
      let places = try #require(found["not_finite"] as? [[String: Any]])
      #expect(places.map { $0["row"] as? Int } == [3, 5] && places[0]["place"] as? String == "column 3")
      let likelihoods = try #require(found["likelihoods"] as? [String: [String: Any]])
      #expect(
        likelihoods["bernoulli"]?["suits"] as? Bool == false && likelihoods["gaussian"]?["suits"] as? Bool == true)
      #expect(found["advised"] as? String == "gaussian_learned")
      let shapes = try inspection(["shapes:500"])
      #expect(shapes["binary"] as? Bool == true && shapes["advised"] as? String == "bernoulli")
      #expect(shapes["factors"] as? [String] == ["shape", "scale", "orientation", "x", "y"])
      let folder = try pictures(scratch)
      try writeFile([0x89], at: folder + "/b/101.png")
      let refused = try run(["data", "inspect", folder])
      #expect(refused.status == 65 && refused.errors.contains("b/101.png"), "\(refused.errors)")
      try writeFile(
        Array(jpeg(width: 14, channels: 3, Array(repeating: 9, count: 504)).dropLast(20)), at: folder + "/b/101.png")
      let report = try run(["data", "inspect", folder])
      #expect(report.status == 65 && report.output.contains("b/101.png: cannot be decoded"), "\(report.output)")
      #expect(report.output.contains("a: 30, b: 30") && report.output.contains("1 samples cannot be read"))
    }

    @Test(
      "A picture that is removed or changed during training ends it with a message that names it", arguments: [66, 74])
    func vanishing(status: Int32) throws {
      let scratch = try Scratch()
      let folder = try pictures(scratch)
      let place = scratch.path + "/run"
      let child = try start(
        training(
          place,
          [
            "--data", folder, "--batch-size", "20", "--max-epochs", "1000000", "--set", "log.every_steps=1",
            "--set", "model.likelihood=gaussian",
          ]), ranks: 2)
      #expect(child.wait(until: { metrics(place, kind: "step").count > 3 }))
      let path = folder + "/b/107.png"
      if status == 66 {
        try FileManager.default.removeItem(atPath: path)
      } else {
        // The file is replaced at once, because a file that is empty for a moment is another failure.
        try writeFile([1, 2, 3], at: scratch.path + "/short.png")
        try #require(rename(scratch.path + "/short.png", path) == 0)
      }
      let outcome = child.wait(limit: 30)
      #expect(outcome.status == status && outcome.count(of: path) == 1, "\(outcome.status) \(outcome.errors)")
    }
  }
}
