import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of models that are conditioned on classes or attributes.
  @Suite struct ConditionTests {
    private static let settings = [
      "--set", "model.condition=label", "--set", "model.latent=4", "--batch-size", "50", "--microbatch", "9",
    ]

    private func json(_ arguments: [String], ranks: Int? = nil) throws -> [String: Any] {
      let outcome = try run(arguments + ["--json"], ranks: ranks)
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }

    /// The rows of a table, and their labels if they have some.
    private func table(_ path: String) throws -> (rows: [[Double]], labels: [Int]) {
      let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
        $0.split(separator: ",")
      }
      let isLabelled = try #require(lines.first?.last) == "label"
      let cells = lines.dropFirst()
      return (
        cells.map { $0.dropLast(isLabelled ? 1 : 0).compactMap { Double($0) } },
        isLabelled ? cells.compactMap { $0.last.flatMap { Int($0) } } : []
      )
    }

    @Test("Conditioned models have the same parameters, metrics and evaluation on 1 to 3 ranks")
    func ranks() throws {
      let scratch = try Scratch()
      for (name, settings) in [
        ("label", Self.settings + ["--max-epochs", "3"]),
        ("conv", Self.settings + ["--max-steps", "20", "--set", "model.kind=conv", "--set", "model.channels=[8]"]),
        (
          "attributes",
          [
            "--data", "shapes:300", "--set", "model.condition=attributes", "--batch-size", "40", "--microbatch", "7",
            "--max-epochs", "2", "--set", "data.prefetch=on",
          ]
        ),
      ] {
        let one = "\(scratch.path)/\(name)-1"
        try train(one, settings)
        let expected = try digest(one), epochs = try epochNumbers(one)
        var evaluation = try json(["evaluate", one, "--iwae", "5"])
        for ranks in 2...3 {
          let place = "\(scratch.path)/\(name)-\(ranks)"
          try train(place, settings, ranks: ranks)
          #expect(try digest(place) == expected, "\(name), \(ranks) ranks")
          #expect(try epochNumbers(place) == epochs, "\(name), \(ranks) ranks")
        }
        var again = try json(["evaluate", one, "--iwae", "5"], ranks: 3)
        for key in ["model"] { (evaluation[key], again[key]) = (nil, nil) }
        #expect(evaluation as NSDictionary == again as NSDictionary, "\(name)")
        let plain = "\(scratch.path)/\(name)-plain"
        try train(plain, settings + ["--set", "model.condition=none"])
        #expect(try digest(plain) != expected)
      }
    }

    @Test("Samples of a class are nearest to the mean of that class in the data")
    func classes() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run", path = scratch.path + "/samples.csv", data = scratch.path + "/data.csv"
      try train(place, Self.settings + ["--max-epochs", "30", "--set", "optimizer.learning_rate=0.003"])
      // The first validation samples represent their classes.
      #expect(try run(["reconstruct", place, "-n", "297", "-o", data]).status == 0)
      #expect(try run(["embed", place, "-o", scratch.path + "/mu.csv"]).status == 0)
      let digits = try table(data).rows, labels = try table(scratch.path + "/mu.csv").labels
      try #require(digits.count == labels.count)
      let means = (0..<10).map { digit -> [Double] in
        let own = digits.indices.filter { labels[$0] == digit }
        return (0..<64).map { pixel in own.reduce(0) { $0 + digits[$1][pixel] } / Double(own.count) }
      }
      func nearest(_ x: [Double]) -> Int {
        let distances = means.map { zip($0, x).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
        return distances.indices.min { distances[$0] < distances[$1] } ?? -1
      }
      #expect(try run(["sample", place, "-n", "20", "-o", path]).status == 0)
      let all = try table(path)
      #expect(all.labels == (0..<10).flatMap { digit in (0..<20).map { _ in digit } })
      let right = zip(all.rows, all.labels).count { nearest($0) == $1 }
      #expect(right >= 180, "\(right) of 200")
      for digit in [3, 8] {
        #expect(try run(["sample", place, "--class", "\(digit)", "-n", "20", "-o", path]).status == 0)
        let own = try table(path)
        // The same noise and class give the samples of the grid of all classes, up to rounding at another place.
        let same = zip(own.rows.joined(), all.rows[digit * 20..<(digit + 1) * 20].joined())
        #expect(same.allSatisfy { abs($0 - $1) < 0.01 } && own.rows.count == 20 && Set(own.labels) == [digit])
      }
      let npy = scratch.path + "/samples.npy"
      #expect(try run(["sample", place, "-n", "2", "-o", npy]).status == 0)
      #expect(FileManager.default.fileExists(atPath: scratch.path + "/samples-labels.npy"))
    }

    @Test("Conditioned models have pictures of every kind, with one row per class; impossible requests are refused")
    func pictures() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      try train(
        place,
        ["--set", "model.condition=label", "--set", "model.latent=2", "--max-steps", "3"]
          + ["--set", "monitor.pictures_every=1"])
      for folder in ["samples", "interpolations", "traversals", "manifold", "reconstructions"] {
        #expect(FileManager.default.fileExists(atPath: "\(place)/\(folder)/epoch-00001.png"), "\(folder)")
      }
      for command in [
        ["sample"], ["sample", "--class", "4"], ["manifold"], ["manifold", "--class", "9"], ["interpolate"],
        ["traverse"], ["traverse", "--sample", "3"], ["reconstruct", "--draw"], ["embed"],
      ] {
        #expect(try json([command[0], place] + command.dropFirst())["output"] is String, "\(command)")
      }
      let unknown = try run(["sample", place, "--class", "ten"], ranks: 2)
      #expect(unknown.status == 64 && unknown.count(of: "there is no such class") == 1, "\(unknown.errors)")
      let plain = scratch.path + "/plain", shapes = scratch.path + "/shapes"
      try train(plain, ["--max-steps", "1"])
      let untold = try run(["sample", plain, "--class", "1"])
      #expect(untold.status == 64 && untold.count(of: "not conditioned on classes") == 1, "\(untold.errors)")
      try train(
        shapes, ["--data", "shapes:200", "--set", "model.condition=attributes", "--max-steps", "2", "--seed", "3"])
      #expect(try json(["sample", shapes, "-n", "5"])["output"] is String)
      #expect(try json(["traverse", shapes, "--sample", "2"])["output"] is String)
    }

    @Test("A score depends on a row and its condition but not on ranks, and labels do not mark anomalies by themselves")
    func scores() throws {
      let scratch = try Scratch()
      var random = Random(state: 3)
      // The class determines which of two places a row is near.
      let rows = 600, classes = (0..<rows).map { Int32($0 % 2) }
      let values = classes.flatMap { label in random.floats(3, in: -0.2...0.2).map { $0 + (label == 0 ? -1 : 1) } }
      func arrays(_ name: String, _ labels: [Int32]?) throws -> String {
        let x = ZipMember(name: "X.npy", data: npy("<f4", [rows, 3], words(values.map(\.bitPattern))))
        let y = labels.map { ZipMember(name: "y.npy", data: npy("<i4", [rows], words($0))) }
        return try scratch.write(name, zip([x] + (y.map { [$0] } ?? [])))
      }
      let known = try arrays("known.npz", classes), place = scratch.path + "/run"
      try train(
        place,
        ["--preset", "tabular", "--data", known, "--valid", "0.3", "--max-epochs", "40", "--set", "model.latent=2"]
          + ["--set", "model.condition=label"])
      func scores(_ data: String, _ arguments: [String] = [], ranks: Int? = nil) throws -> (
        lines: String, [String: Any]
      ) {
        let path = scratch.path + "/scores.csv"
        let found = try json(["score", place, data, "--score", "neg_elbo", "-o", path] + arguments, ranks: ranks)
        return (try String(contentsOfFile: path, encoding: .utf8), found)
      }
      let (own, report) = try scores(known)
      #expect(try scores(known, ranks: 3).lines == own)
      #expect(report["detection"] is NSNull)
      #expect("\(report["warnings"] ?? "")".contains("the model is conditioned on the labels"))
      let swapped = try scores(arrays("swapped.npz", classes.map { 1 - $0 })).lines
      func column(_ lines: String) -> [Double] {
        lines.split(separator: "\n").dropFirst().compactMap { Double($0.split(separator: ",")[1]) }
      }
      let worse = zip(column(own), column(swapped)).count { $1 > $0 }
      #expect(column(own).count == rows && worse > rows * 95 / 100, "\(worse) of \(rows)")
      #expect(try scores(known, ["--normal", "1"]).1["detection"] is [String: Any])
      let bare = try run(["score", place, arrays("bare.npz", nil)], ranks: 2)
      #expect(bare.status == 65 && bare.count(of: "has no labels") == 1, "\(bare.errors)")
    }

    @Test("Data without labels, and classes that training did not see, are refused before the first step")
    func refusals() throws {
      let scratch = try Scratch()
      let place = scratch.path + "/run"
      let none = try run(
        training(place, ["--data", "random:8x8", "--set", "model.condition=label"]), ranks: 2)
      #expect(none.status == 65 && none.count(of: "has no labels") == 1, "\(none.errors)")
      #expect(none.count(of: "hint: ") == 1 && !FileManager.default.fileExists(atPath: place + "/checkpoints"))
      let names = ["X.npy", "y.npy"]
      func arrays(_ name: String, _ labels: [Int32]) throws -> String {
        let x = npy("|u1", [40, 3], (0..<120).map { UInt8($0) }), y = npy("<i4", [40], words(labels))
        return try scratch.write(name, zip(zip(names, [x, y]).map { ZipMember(name: $0, data: $1) }))
      }
      let known = try arrays("known.npz", (0..<40).map { $0 % 2 })
      let other = try arrays("other.npz", (0..<40).map { $0 % 3 })
      let settings = ["--set", "model.condition=label", "--max-steps", "2"]
      let refused = try run(training(place, ["--data", known, "--valid", other] + settings))
      #expect(refused.status == 65 && refused.count(of: "has the label 2, but the model knows only 0, 1") == 1)
      try train(place, ["--data", known, "--valid", known] + settings)
      #expect(try json(["evaluate", place])["neg_elbo"] is Double)
      let late = try run(["evaluate", place, "--data", other])
      #expect(late.status == 65 && late.count(of: "has the label 2") == 1, "\(late.errors)")
    }
  }
}
