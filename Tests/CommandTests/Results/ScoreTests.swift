import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of `score`: calibration, thresholds, p-values, labels and drift. A row has the same score at any place.
  @Suite struct ScoreTests {
    private struct Line: Equatable {
      var index: Int
      var score: Double
      var isAnomalous: Bool
      var pValue: Double
    }

    private struct Table {
      var rows: [[Float]] = []
      var labels: [Int64] = []

      /// Four columns, of which two depend on the others. Anomalies have another dependence but similar values.
      init(normal: Int, anomalies: Int = 0, state: UInt64, shift: Float = 0) {
        var random = Random(state: state)
        for place in 0..<normal + anomalies {
          let source = random.floats(2), noise = random.floats(2, in: -0.1...0.1), sign: Float = place < normal ? 1 : -1
          rows.append([
            source[0] + shift, source[1], sign * (source[0] + source[1]) + noise[0],
            sign * (source[0] - source[1]) + noise[1],
          ])
          labels.append(place < normal ? 0 : 1)
        }
      }

      func csv(_ order: [Int]? = nil) -> [UInt8] {
        let lines = (order ?? Array(rows.indices)).map { rows[$0].map { "\($0)" }.joined(separator: ",") + "\n" }
        return Array(("a,b,c,d\n" + lines.joined()).utf8)
      }

      var npz: [UInt8] {
        let values = rows.joined().map(\.bitPattern)
        return zip([
          ZipMember(name: "X.npy", data: npy("<f4", [rows.count, 4], words(values))),
          ZipMember(name: "y.npy", data: npy("<i8", [rows.count], words(labels))),
        ])
      }
    }

    /// A run on normal rows of the table, of which the share `validation` is held out.
    private func trained(_ scratch: Scratch, _ arguments: [String] = []) throws -> String {
      let data = try scratch.write("normal.csv", Table(normal: 3_000, state: 1).csv())
      let place = scratch.path + "/run"
      try train(
        place,
        [
          "--preset", "tabular", "--data", data, "--valid", "0.4", "--max-epochs", "20", "--set", "model.latent=2",
          "--set", "objective.beta.warmup=4",
        ] + arguments)
      return place
    }

    @discardableResult
    private func score(_ arguments: [String], ranks: Int? = nil) throws -> Outcome {
      let outcome = try run(["score"] + arguments, ranks: ranks)
      try #require(outcome.status == 0, "\(outcome.errors)")
      return outcome
    }

    private func json(_ outcome: Outcome) throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }

    private func read(_ path: String) throws -> [Line] {
      let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      try #require(lines.first == "index,score,anomalous,p_value")
      return try lines.dropFirst().map { line in
        let cells = line.split(separator: ",").map(String.init)
        return Line(
          index: try #require(Int(cells[0])), score: try #require(Double(cells[1])), isAnomalous: cells[2] == "1",
          pValue: try #require(Double(cells[3])))
      }
    }

    @Test("Threshold, decisions and p-values follow from the scores of the held-out rows")
    func calibration() throws {
      let scratch = try Scratch(), place = try trained(scratch), file = scratch.path + "/scores.csv"
      let learned = try json(score([place, "--calibrate", "--quantile", "0.99", "--json"]))
      let stored = try #require(learned["output"] as? String)
      #expect(stored.hasSuffix("/calibration.json") && FileManager.default.fileExists(atPath: stored))
      let known = try #require(learned["calibration"] as? [String: Any])
      #expect(known["rows"] as? Int == 1_200 && known["score"] as? String == "neg_elbo" && known["draws"] as? Int == 16)
      let threshold = try #require(known["threshold"] as? Double)
      let limits = try #require(known["threshold_interval"] as? [Double])
      #expect(limits[0] < threshold && threshold < limits[1])

      let table = Table(normal: 2_000, anomalies: 200, state: 2)
      let data = try scratch.write("new.npz", table.npz)
      let report = try json(score([place, data, "-o", file, "--json"]))
      let lines = try read(file)
      #expect(lines.map(\.index) == Array(0..<2_200))
      #expect(lines.allSatisfy { $0.isAnomalous == ($0.score > threshold) })
      #expect(report["anomalous"] as? Int == lines.count(where: \.isAnomalous))
      #expect(lines.allSatisfy { $0.pValue >= 1.0 / 1_201 && $0.pValue <= 1 })
      let ordered = lines.sorted { $0.score < $1.score }
      #expect(zip(ordered, ordered.dropFirst()).allSatisfy { $0.pValue >= $1.pValue })
      // 1 % of the normal rows are anomalous, within four standard errors, and nearly all planted anomalies.
      let alarms = lines.prefix(2_000).count(where: \.isAnomalous)
      let standardError = (0.01 * 0.99 * (1.0 / 2_000 + 1.0 / 1_200)).squareRoot()
      #expect(abs(Double(alarms) / 2_000 - 0.01) < 4 * standardError)
      #expect(lines.suffix(200).count(where: \.isAnomalous) > 150)
      // The AUROC by its definition.
      var wins = 0.0
      for anomaly in lines.suffix(200) {
        for normal in lines.prefix(2_000) {
          wins += anomaly.score > normal.score ? 1 : anomaly.score == normal.score ? 0.5 : 0
        }
      }
      let detection = try #require(report["detection"] as? [String: Any])
      #expect(abs(try #require(detection["auroc"] as? Double) - wins / 400_000) < 1e-12 && wins / 400_000 > 0.95)
      let found = try #require(detection["f1"] as? Double), precision = try #require(detection["precision"] as? Double)
      #expect(found > 0.7 && precision > 0.7)

      // Another quantile moves the threshold but does not change the stored calibration.
      let before = FileManager.default.contents(atPath: stored)
      let median = try json(score([place, data, "--quantile", "0.5", "--json"]))
      #expect(try #require(median["anomalous"] as? Int) > 1_000)
      #expect(FileManager.default.contents(atPath: stored) == before)
      // Standard output has the same lines, and the summary goes to standard error.
      let shown = try score([place, data])
      #expect(shown.output == (try String(contentsOfFile: file, encoding: .utf8)))
      #expect(shown.errors.contains("AUROC ") && shown.errors.contains("200 anomalies, 2000 normal"))
    }

    @Test(
      "A row has the same score on 1, 2 and 3 ranks, in another order and next to other rows, with either library")
    func invariance() throws {
      let scratch = try Scratch()
      let table = Table(normal: 700, state: 3), order = (0..<700).map { $0 * 333 % 700 }
      let data = try scratch.write("new.csv", table.csv())
      let moved = try scratch.write("moved.csv", table.csv(order))
      let part = try scratch.write("part.csv", table.csv(Array(41..<46)))
      for products in ["openblas", "auto"] {
        let place = try trained(
          scratch, ["--set", "train.products=\(products)", "--max-epochs", "5"])
        for name in ["squared_error", "nll", "neg_elbo", "kl", "likelihood"] {
          let outputs = try [nil, 2, 3].map { ranks in
            let file = "\(scratch.path)/\(name)-\(ranks ?? 1).csv"
            let outcome = try score(
              [place, data, "--score", name, "--draws", "5", "--calibrate", "-o", file, "--json"], ranks: ranks)
            return [outcome.output, try String(contentsOfFile: file, encoding: .utf8)]
          }
          #expect(Set(outputs).count == 1, "\(name)")
          let plain = try read("\(scratch.path)/\(name)-1.csv").map(\.score)
          #expect(Set(plain).count > 690 && plain.allSatisfy(\.isFinite))
          func again(_ path: String) throws -> [Double] {
            try score([place, path, "-o", scratch.path + "/again.csv"])
            return try read(scratch.path + "/again.csv").map(\.score)
          }
          #expect(try again(moved) == order.map { plain[$0] }, "\(products) \(name)")
          #expect(try again(part) == Array(plain[41..<46]), "\(products) \(name)")
        }
        try FileManager.default.removeItem(atPath: place)
      }
    }

    @Test("Drift is reported for data that has moved, with the column, and for no other data")
    func drift() throws {
      let scratch = try Scratch(), place = try trained(scratch)
      try score([place, "--calibrate"])
      func verdict(_ table: Table) throws -> [String: Any] {
        let data = try scratch.write("new.csv", table.csv())
        let report = try json(score([place, data, "--json"]))
        return try #require(report["drift"] as? [String: Any])
      }
      let still = try verdict(Table(normal: 1_500, state: 8))
      #expect(still["verdict"] as? String == "none" && still["columns_drifted"] as? Int == 0, "\(still)")
      let moved = try verdict(Table(normal: 1_500, state: 8, shift: 1.5))
      #expect(moved["verdict"] as? String == "major")
      let columns = try #require(moved["columns"] as? [[String: Any]])
      #expect(
        columns.count == 4 && columns[0]["name"] as? String == "column 1 (a)" && moved["columns_drifted"] as? Int == 1)
      #expect(try #require(columns[0]["ks"] as? Double) > 0.2 && (columns[0]["psi"] as? Double ?? 0) > 0.25)
    }

    @Test("Warnings report too few rows, a ranking by the norm of x, and a calibration that was not requested")
    func warnings() throws {
      let scratch = try Scratch()
      let data = try scratch.write("new.csv", Table(normal: 400, state: 4).csv())
      let place = try trained(scratch)
      let unasked = try score([place, data, "--score", "squared_error"])
      #expect(unasked.errors.contains("1200 calibration rows are too few for the 0.999 quantile"))
      #expect(unasked.errors.contains("give at least 3688") && unasked.errors.contains("for this command only"))
      #expect(!unasked.errors.contains("rows are ranked as by the norm of x"))
      let enough = try score([place, data, "--score", "squared_error", "--quantile", "0.9"])
      #expect(!enough.errors.contains("too few"))
      // This model reconstructs the mean of all rows.
      try FileManager.default.removeItem(atPath: place)
      let flat = try trained(scratch, ["--set", "objective.beta.start=100", "--set", "objective.beta.end=100"])
      let blind = try score([flat, data, "--score", "squared_error"])
      #expect(blind.errors.contains("rows are ranked as by the norm of x (Spearman "), "\(blind.errors)")
    }

    @Test(
      "The highest scores are explained by columns that sum to the error and by error maps, the same on two ranks")
    func contributions() throws {
      let scratch = try Scratch(), place = try trained(scratch, ["--max-epochs", "4"])
      let data = try scratch.write("new.npz", Table(normal: 300, anomalies: 5, state: 6).npz)
      let tables = try [nil, 2].map { ranks in
        let file = "\(scratch.path)/why-\(ranks ?? 1).csv"
        try score(
          [
            place, data, "--score", "squared_error", "--top", "7", "--contributions", file, "-o",
            scratch.path + "/scores.csv",
          ], ranks: ranks)
        return try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").map {
          $0.split(separator: ",").map(String.init)
        }
      }
      #expect(tables[0] == tables[1] && tables[0].count == 8)
      #expect(tables[0][0] == ["index", "score", "a", "b", "c", "d"])
      let highest = try read(scratch.path + "/scores.csv").sorted { $0.score > $1.score }.prefix(7)
      for (line, row) in zip(tables[0].dropFirst(), highest) {
        #expect(Int(line[0]) == row.index && Double(line[1]) == row.score)
        let sum = line.dropFirst(2).reduce(0) { $0 + (Double($1) ?? .nan) }
        #expect(abs(sum - row.score) < 1e-4 * row.score)
      }
      let refused = try run(["score", place, data, "--maps", scratch.path + "/maps"])
      #expect(refused.status == 64 && refused.errors.contains("are not pictures"), "\(refused.errors)")

      let digits = scratch.path + "/digits"
      try train(digits, ["--max-steps", "1"])
      let pictures = try [nil, 2].map { ranks in
        let maps = "\(scratch.path)/maps-\(ranks ?? 1)"
        try score([digits, "digits", "--maps", maps, "--top", "3", "--json"], ranks: ranks)
        return snapshot(maps)
      }
      #expect(pictures[0] == pictures[1] && pictures[0].count == 4 && pictures[0]["anomalies.png"] != nil)
      for (_, png) in pictures[0] { #expect(png.count > 100 && png.prefix(4) == Data([0x89, 0x50, 0x4e, 0x47])) }
    }

    @Test("Training on some classes excludes the others, on any number of ranks")
    func someClasses() throws {
      let scratch = try Scratch()
      let places = try [1, 3].map { ranks in
        let place = "\(scratch.path)/run-\(ranks)"
        try train(place, ["--max-epochs", "40", "--set", "data.classes=[3]", "--batch-size", "32"], ranks: ranks)
        return place
      }
      #expect(try digest(places[0]) == digest(places[1]))
      let learned = try json(score([places[0], "--calibrate", "--quantile", "0.9", "--json"]))
      let rows = try #require((learned["calibration"] as? [String: Any])?["rows"] as? Int)
      #expect(rows > 20 && rows < 40)
      let report = try json(score([places[0], "digits", "--normal", "3", "--json"]))
      let detection = try #require(report["detection"] as? [String: Any])
      #expect(detection["normals"] as? Int == rows)
      #expect(try #require(detection["auroc"] as? Double) > 0.8)
      for (classes, text) in [("[12]", "has no row of the classes [12]"), ("[-1]", "a list of classes from 0")] {
        let outcome = try run(training(scratch.path + "/none", ["--set", "data.classes=\(classes)"]))
        #expect(outcome.status != 0 && outcome.errors.contains(text), "\(outcome.errors)")
      }
      let table = try scratch.write("rows.csv", Table(normal: 50, state: 1).csv())
      let outcome = try run(training(scratch.path + "/none", ["--data", table, "--set", "data.classes=[0]"]))
      #expect(outcome.status == 65 && outcome.errors.contains("has no labels"), "\(outcome.errors)")
    }

    @Test("With --normal, one class is normal and the others are anomalies")
    func classes() throws {
      let scratch = try Scratch(), place = scratch.path + "/run"
      try train(place, ["--max-epochs", "2"])
      let report = try json(score([place, "digits", "--normal", "3", "--json"]))
      let detection = try #require(report["detection"] as? [String: Any])
      let normals = try #require(detection["normals"] as? Int), anomalies = try #require(detection["anomalies"] as? Int)
      #expect(normals > 20 && normals < 40 && normals + anomalies == 297)
      let plain = try score([place, "digits"])
      #expect(plain.errors.contains("name the normal class with --normal") && !plain.errors.contains("AUROC"))
    }

    @Test("A column of words that was not used in training can define what is normal")
    func labelColumn() throws {
      let scratch = try Scratch(), place = try trained(scratch)
      let table = Table(normal: 300, anomalies: 60, state: 5)
      let lines = String(decoding: table.csv(), as: UTF8.self).split(separator: "\n")
      let labelled = lines.enumerated().map { "\($1)," + ($0 == 0 ? "state" : $0 <= 300 ? "sound" : "broken") + "\n" }
      let data = try scratch.write("labelled.csv", Array(labelled.joined().utf8))
      let report = try json(score([place, data, "--label", "state", "--normal", "sound", "--json"]))
      let detection = try #require(report["detection"] as? [String: Any])
      #expect(detection["normals"] as? Int == 300 && detection["anomalies"] as? Int == 60)
      #expect(try #require(detection["auroc"] as? Double) > 0.9)
      for (label, text) in [("stat", "has no column 'stat'"), ("a", "'a' is a column that the model sees")] {
        let refused = try run(["score", place, data, "--label", label])
        #expect(refused.status != 0 && refused.errors.contains(text), "\(refused.errors)")
      }
      let unnamed = try run(["score", place, data])
      #expect(unnamed.status == 65 && unnamed.errors.contains("'state' was not there in training"))
    }

    @Test(
      "Requests that cannot be scored are refused",
      arguments: [
        ([], 64, "there is nothing to score"), (["x.csv", "--score", "mse"], 64, "--score mse"),
        (["x.csv", "--quantile", "1"], 64, "--quantile 1"), (["x.csv", "--data", "y.csv"], 64, "--data names rows"),
        (["x.csv", "--draws", "0"], 64, "--draws 0"), (["/nowhere/x.csv"], 66, "/nowhere/x.csv"),
        (["shapes:20"], 65, "its samples are 64x64"), (["digits", "--normal", "11"], 64, "it has 0, 1, 2"),
        (["digits", "-o", "/nowhere/scores.csv"], 73, "/nowhere/scores.csv"),
      ] as [([String], Int32, String)])
    func refused(arguments: [String], status: Int32, text: String) throws {
      let scratch = try Scratch(), place = scratch.path + "/run"
      try train(place, ["--max-steps", "1"])
      for ranks in [nil, 2] {
        let outcome = try run(["score", place] + arguments, ranks: ranks)
        #expect(outcome.status == status && outcome.errors.contains(text), "\(outcome.errors)")
      }
    }

    @Test("Training rows, and stored calibrations that are damaged or of another model, are refused")
    func stored() throws {
      let scratch = try Scratch(), place = scratch.path + "/run"
      let data = try scratch.write("rows.csv", Table(normal: 300, state: 1).csv())
      try train(place, ["--preset", "tabular", "--data", data, "--valid", data, "--max-steps", "1"])
      for arguments in [[], ["--data", data]] {
        let outcome = try run(["score", place, "--calibrate"] + arguments)
        #expect(outcome.status == 64 && outcome.errors.contains("was trained on these rows"), "\(outcome.errors)")
      }
      let fresh = try scratch.write("fresh.csv", Table(normal: 300, state: 2).csv())
      try score([place, "--calibrate", "--data", fresh])
      let checkpoint = place + "/checkpoints/last"
      let text = try String(contentsOfFile: checkpoint + "/calibration.json", encoding: .utf8)
      let foreign = text.replacingOccurrences(of: #""model":"sha256:"#, with: #""model":"sha256:0"#)
      for (content, message) in [
        (foreign, "was made for another model"), (String(text.dropLast(9)), "is not a readable calibration"),
      ] {
        try content.write(toFile: checkpoint + "/calibration.json", atomically: true, encoding: .utf8)
        let outcome = try run(["score", place, fresh])
        #expect(outcome.status == 65 && outcome.errors.contains(message), "\(outcome.errors)")
      }
      // The calibration of a model file with any name is stored next to it.
      let copy = scratch.path + "/mine.safetensors"
      try FileManager.default.copyItem(atPath: checkpoint + "/model.safetensors", toPath: copy)
      try score([copy, "--calibrate", "--data", fresh])
      #expect(try String(contentsOfFile: scratch.path + "/mine.calibration.json", encoding: .utf8) == text)
    }
  }
}
