import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of `reconstruct`, `sample`, `interpolate`, `traverse`, `embed`, `manifold`, and of pictures from training.
  @Suite struct PictureTests {
    private func files(_ folder: String) -> [String] {
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    }

    private func size(_ png: String) throws -> [Int] {
      let bytes = try #require(FileManager.default.contents(atPath: png))
      try #require(bytes.count > 24 && bytes.prefix(4) == Data([0x89, 0x50, 0x4e, 0x47]))
      return [16, 20].map { at in bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
    }

    private func json(_ arguments: [String], ranks: Int? = nil) throws -> [String: Any] {
      let outcome = try run(arguments + ["--json"], ranks: ranks)
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }

    /// Number of samples, extents and range of an array, from `data inspect`.
    private func inspect(_ path: String) throws -> [String: Any] {
      let sets = try json(["data", "inspect", path])
      return try #require(sets["train"] as? [String: Any] ?? sets)
    }

    @Test("Every command writes its file in the run or to -o, with the same bits when repeated and on two ranks")
    func commands() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try train(place, ["--max-epochs", "2"])
      let cases: [([String], String, [Int]?)] = [
        (["reconstruct"], "reconstructions/step-00000048.png", [8 * 58 + 2, 4 * 58 + 2 + 6]),
        (["sample"], "samples/step-00000048.png", [8 * 58 + 2, 8 * 58 + 2]),
        (["interpolate"], "interpolations/step-00000048-linear.png", [10 * 58 + 2, 10 * 58 + 2]),
        (
          ["interpolate", "--path", "spherical", "-n", "3", "--steps", "5"],
          "interpolations/step-00000048-spherical.png", [5 * 58 + 2, 3 * 58 + 2]
        ),
        (["traverse"], "traversals/step-00000048.png", nil),
        (["traverse", "--sample", "4", "-n", "3"], "traversals/step-00000048-sample-4.png", nil),
        (["embed"], "latent/step-00000048.npy", nil),
        (["embed", "--map", "pca"], "latent/step-00000048-pca.png", [1040, 840]),
        (["embed", "--map", "tsne", "-n", "120"], "latent/step-00000048-tsne.png", [1040, 840]),
      ]
      for (arguments, name, expected) in cases {
        let command = [arguments[0], place] + arguments.dropFirst()
        let path = "\(place)/\(name)"
        #expect(try json(command)["output"] as? String == path)
        let first = try #require(FileManager.default.contents(atPath: path), "\(name)")
        if let expected { #expect(try size(path) == expected, "\(name)") }
        let text = try run(command, ranks: 2)
        #expect(text.status == 0 && text.output.hasSuffix(path + "\n"), "\(text.errors)")
        #expect(FileManager.default.contents(atPath: path) == first, "\(name)")
      }
      #expect(try inspect(place + "/latent/step-00000048.npy")["samples"] as? Int == 297)
      #expect(files(place + "/latent").contains("step-00000048-labels.npy"))
    }

    @Test("Numbers are in the units of the data, and samples depend on the seed and the temperature")
    func numbers() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try train(place, ["--max-epochs", "2"])
      func values(_ name: String, _ arguments: [String]) throws -> [[Double]] {
        let path = "\(scratch.path)/\(name).csv"
        let outcome = try run(["sample", place, "-n", "50", "-o", path] + arguments)
        try #require(outcome.status == 0, "\(outcome.errors)")
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 51 && lines[0].hasPrefix("x0,x1,") && lines[0].hasSuffix(",x63"))
        return lines.dropFirst().map { $0.split(separator: ",").compactMap { Double($0) } }
      }
      let plain = try values("plain", [])
      let all = plain.joined()
      #expect(all.count == 3200 && all.allSatisfy { (0...255).contains($0) } && (all.max() ?? 0) > 100)
      #expect(try values("again", ["--seed", "1"]) == plain)
      #expect(try values("other", ["--seed", "2"]) != plain)
      let cold = try values("cold", ["--temperature", "0"])
      #expect(Set(cold).count == 1 && cold[0] != plain[0])
      // Draws from a Bernoulli likelihood are black or white.
      #expect(Set(try values("drawn", ["--draw"]).joined().map { $0.rounded() }) == [0, 255])
      let npy = scratch.path + "/samples.npy"
      #expect(try run(["sample", place, "-n", "7", "-o", npy]).status == 0)
      let array = try inspect(npy)
      #expect(array["samples"] as? Int == 7 && array["shape"] as? [Int] == [8, 8, 1], "\(array)")
    }

    @Test("Embeddings contain labels, and the two ends of an interpolation have different labels")
    func labels() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run", path = scratch.path + "/mu.csv"
      try train(place, ["--max-steps", "1", "--set", "model.latent=3"])
      #expect(try run(["embed", place, "-o", path]).status == 0)
      let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      #expect(lines.count == 298 && lines[0] == "z0,z1,z2,label")
      let labels = lines.dropFirst().compactMap { $0.split(separator: ",").last.flatMap { Int($0) } }
      #expect(Set(labels) == Set(0...9))
      let walk = try json(["interpolate", place])
      let pairs = try #require(walk["pairs"] as? [[Int]])
      #expect(pairs.count == 10 && pairs.allSatisfy { labels[$0[0]] != labels[$0[1]] })
      let smoothness = try #require(walk["smoothness"] as? Double)
      #expect(smoothness >= 1)
      let units = try json(["traverse", place])
      let kl = try #require(units["kl_per_unit"] as? [Double])
      #expect(kl == kl.sorted(by: >) && Set(units["units"] as? [Int] ?? []) == [0, 1, 2])
    }

    @Test("Training writes each kind of picture at the set epochs with the same noise, on any number of ranks")
    func schedule() throws {
      let scratch = try Scratch()
      let folders = ["samples", "reconstructions", "interpolations", "traversals", "latent", "manifold"]
      let runs = try [nil, 3].map { ranks in
        let place = "\(scratch.path)/run-\(ranks ?? 1)"
        try train(
          place, ["--max-epochs", "4", "--set", "monitor.pictures_every=2", "--set", "model.latent=2"], ranks: ranks)
        return folders.map { snapshot("\(place)/\($0)") }
      }
      for kind in runs[0] {
        #expect(kind.keys.filter { $0 != "map.csv" }.sorted() == ["epoch-00002.png", "epoch-00004.png"])
      }
      #expect(runs[0] == runs[1])
      let place = scratch.path + "/run-1"
      let outcome = try run(["manifold", place, "-n", "4"])
      #expect(outcome.output.hasSuffix("/manifold/step-00000096.png\n"), "\(outcome.errors)")
      #expect(try size(place + "/manifold/step-00000096.png") == [4 * 56, 4 * 56])
    }

    @Test("For a table, commands write numbers in the units of the data instead of pictures")
    func table() throws {
      let scratch = try Scratch()
      let rows = (0..<200).map { "\($0 % 17),\(1_000 + 3 * ($0 % 17)),\(-($0 % 5))\n" }
      let data = try scratch.write("rows.csv", Array("a,b,c\n\(rows.joined())".utf8)), place = scratch.path + "/run"
      try train(place, ["--preset", "tabular", "--data", data, "--max-epochs", "3", "--set", "model.latent=2"])
      let outcome = try run(["sample", place, "-n", "20"])
      #expect(outcome.status == 0 && outcome.output.contains("/samples/step-"), "\(outcome.errors)")
      let path = try #require(outcome.lines.last)
      let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").dropFirst()
      let middle = lines.compactMap { $0.split(separator: ",").dropFirst().first.flatMap { Double($0) } }
      #expect(middle.count == 20 && middle.allSatisfy { (900...1_150).contains($0) }, "\(middle)")
      let refused = try run(["sample", place, "-o", scratch.path + "/x.png"])
      #expect(refused.status == 64 && refused.errors.contains("are not pictures"), "\(refused.errors)")
      #expect(try run(["embed", place, "--map", "pca"]).status == 0)
    }

    @Test(
      "Requests for impossible pictures are refused",
      arguments: [
        (["sample", "-o", "x.gif"], 64, "this format is not supported"), (["sample", "-n", "0"], 64, "-n 0"),
        (["sample", "--temperature=-1"], 64, "--temperature"), (["manifold"], 64, "a plane has two"),
        (["traverse", "--sample", "297"], 64, "there are 297"), (["interpolate", "--path", "around"], 64, "around"),
        (["interpolate", "--steps", "1"], 64, "--steps 1"),
        (["embed", "--map", "tsne", "-n", "5001"], 64, "at most 5000"),
        (["reconstruct", "--data", "shapes:9"], 65, "64x64"), (["sample", "-o", "/nowhere/x.png"], 73, "/nowhere"),
      ] as [([String], Int32, String)])
    func refused(arguments: [String], status: Int32, text: String) throws {
      let scratch = try Scratch()
      try train(scratch.path + "/run", ["--max-steps", "1"])
      for ranks in [nil, 2] {
        let outcome = try run(
          [arguments[0], scratch.path + "/run"] + arguments.dropFirst(), ranks: ranks, in: scratch.path)
        #expect(outcome.status == status && outcome.errors.contains(text), "\(outcome.errors)")
      }
      #expect(try run(["sample", scratch.path + "/none"]).status == 66)
    }
  }
}
