import Foundation
import TestSupport
import Testing

private let python = ProcessInfo.processInfo.environment["VAE_DIST_TEST_PYTHON"]

/// A model to export, with its data, settings and kind of calibration.
struct ExportedModel: Sendable, CustomTestStringConvertible {
  var shape: [Int] = []
  /// `label` or `attributes` if the model is conditioned.
  var condition: String?
  var keys: [String]
  var score: [String]
  var testDescription: String { "\(shape) \(condition ?? "") " + (keys + score).joined(separator: " ") }

  static let perceptron = ExportedModel(
    shape: [9, 7],
    keys: ["model.hidden=[20, 11]", "model.activation=gelu", "model.likelihood=gaussian_learned", "model.dropout=0.1"],
    score: ["neg_elbo"])
  static let convolutional = ExportedModel(
    shape: [9, 7],
    keys: [
      "model.kind=conv", "model.channels=[17, 6]", "model.kernel=3", "model.activation=silu", "model.hidden=[]",
      "data.scale=standardize", "model.likelihood=gaussian_pixel",
    ], score: ["neg_elbo", "--draws", "3"])
  static let colour = ExportedModel(
    shape: [12, 10, 3], keys: ["model.kind=conv", "model.channels=[5, 3]", "model.activation=leaky_relu"],
    score: ["squared_error"])
  static let residual = ExportedModel(
    shape: [12, 8, 3],
    keys: [
      "model.kind=resnet", "model.channels=[6, 4, 10]", "model.norm_groups=2", "model.activation=elu",
      "model.hidden=[19]", "model.likelihood=discretized_logistic", "model.dropout=0.1",
    ], score: ["likelihood", "--draws", "4"])
  static let mixture = ExportedModel(
    shape: [6, 5, 3], keys: ["model.hidden=[30]", "model.likelihood=logistic_mixture", "model.mixtures=3"],
    score: ["nll"])
  static let optimal = ExportedModel(
    shape: [6, 5], keys: ["model.hidden=[30]", "model.activation=tanh", "model.likelihood=gaussian_optimal"],
    score: ["kl"])
  static let continuous = ExportedModel(
    shape: [6, 5], keys: ["model.hidden=[]", "model.decoder_hidden=[8]", "model.likelihood=continuous_bernoulli"],
    score: ["likelihood"])
  static let laplace = ExportedModel(
    shape: [6, 5], keys: ["model.hidden=[12]", "model.activation=softplus", "model.likelihood=laplace"],
    score: ["squared_error"])
  /// A table with words and missing cells.
  static func table(_ likelihood: String) -> ExportedModel {
    ExportedModel(
      keys: [
        "data.columns=mixed", "data.scale=standardize", "model.likelihood=\(likelihood)", "model.sigma=0.7",
        "model.hidden=[12]", "model.latent=2",
      ], score: ["neg_elbo"])
  }

  static let conditionedPerceptron = ExportedModel(
    shape: [6, 5], condition: "label", keys: ["model.hidden=[12]"], score: ["neg_elbo", "--draws", "3"])
  static let conditionedConvolutional = ExportedModel(
    shape: [9, 7], condition: "label",
    keys: [
      "model.kind=conv", "model.channels=[5, 4]", "model.kernel=3", "model.hidden=[]", "data.scale=standardize",
      "model.likelihood=gaussian",
    ], score: ["likelihood", "--draws", "3"])
  static let conditionedResidual = ExportedModel(
    shape: [8, 12, 3], condition: "attributes",
    keys: ["model.kind=resnet", "model.channels=[4, 6]", "model.norm_groups=2", "model.hidden=[9]"],
    score: ["squared_error"])

  static let withPriors = [["model.prior=flow"], ["model.prior=flow", "model.kind=conv", "model.kernel=3"]].map {
    ExportedModel(shape: [9, 7], keys: $0, score: ["nll"])
  }

  static let images = [perceptron, convolutional, colour, residual, mixture, optimal, continuous, laplace]
  static let conditioned = [conditionedPerceptron, conditionedConvolutional, conditionedResidual]
  static let all = images + conditioned + [table("columns_learned")]

  /// Trains the model in `scratch` and calibrates it at the score of one of the rows. Returns the run directory.
  func trained(in scratch: Scratch) throws -> String {
    let place = scratch.path + "/run", data = try data(in: scratch, "data", count: 120)
    try train(
      place,
      ["--data", data, "--max-epochs", "8", "--valid", "0.3", "--set", "optimizer.learning_rate=0.01"]
        + (keys + (condition.map { ["model.condition=\($0)"] } ?? [])).flatMap { ["--set", $0] })
    let outcome = try run(["score", place, "--calibrate", "--quantile", "0.8", "--score"] + score)
    try #require(outcome.status == 0, "\(outcome.errors)")
    return place
  }

  /// - strange: Rows that it was not trained on.
  func data(in scratch: Scratch, _ name: String, count: Int, strange: Int = 0) throws -> String {
    var random = Random(state: 17)
    guard shape.isEmpty else {
      let noise = (0..<strange * shape.reduce(1, *)).map { _ in UInt8.random(in: 0...255, using: &random) }
      let images = npy("|u1", [count + strange] + shape, slopes(count, shape) + noise)
      guard condition != nil else { return try scratch.write("\(name).npy", images) }
      let labels = (0..<count + strange).map { Int64($0 % 3) }, attributes = random.floats(2 * (count + strange))
      return try scratch.write(
        "\(name).npz",
        zip([
          ZipMember(name: "X.npy", data: images),
          ZipMember(name: "y.npy", data: npy("<i8", [labels.count], words(labels))),
          ZipMember(
            name: "attributes.npy", data: npy("<f4", [labels.count, 2], words(attributes.map { (5 * $0).bitPattern }))),
        ]))
    }
    let words = ["red", "green", "", "blue"]
    let lines = (0..<count).map { row in
      let x = random.floats(2), noise = random.floats(1)[0] * 0.1
      return "\(x[0]),\(words[Int((x[0] + 2) * 0.99)]),\(row % 7 == 3 ? "" : "\(x[0] + x[1] + noise)"),\(40 * x[1])\n"
    }
    return try scratch.write("\(name).csv", Array(("a,colour,b,c\n" + lines.joined()).utf8))
  }
}

private struct Report: Decodable {
  struct Agreement: Decodable { let file: String, output: String, difference: Double?, holds: Bool }
  let files: [String]
  let check: [Agreement]
}

private func export(_ place: String, _ arguments: [String]) throws -> Outcome {
  let outcome = try run(["export", place] + arguments)
  try #require(outcome.status == 0, "\(outcome.errors)")
  return outcome
}

extension CommandTests {
  @Suite struct ExportTests {
    @Test("ONNX files compute the same values as the program", arguments: ExportedModel.all)
    func onnx(model: ExportedModel) throws {
      let scratch = try Scratch(), place = try model.trained(in: scratch)
      let outcome = try export(place, ["--check", "--json", "-o", scratch.path + "/out"])
      let report = try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
      #expect(report.files == ["encoder", "decoder", "scorer"].map { scratch.path + "/out/\($0).onnx" })
      #expect(report.check.map(\.output) == ["mu", "logvar", "reconstruction", "score", "anomalous"])
      #expect(report.check.allSatisfy { $0.holds && $0.difference ?? 1 < 1e-5 }, "\(outcome.output)")
    }

    @Test("An exported safetensors file contains the whole model")
    func safetensors() throws {
      let scratch = try Scratch(), place = scratch.path + "/run", file = scratch.path + "/a.safetensors"
      try train(place, ["--max-epochs", "2"])
      #expect(try run(["score", place, "--calibrate"]).status == 0)
      #expect(try export(place, ["--format", "safetensors", "-o", file]).output == file + "\n")
      let whole = try digest(place)
      #expect(try digest(file) == whole)
      try FileManager.default.removeItem(atPath: place)
      #expect(try run(["evaluate", file]).status == 0)
      #expect(try run(["score", file, "digits"]).errors.contains("for this command only") == false)
      // Exporting it again gives the same file.
      _ = try export(file, ["--format", "safetensors", "-o", file + "2"])
      #expect(FileManager.default.contents(atPath: file) == FileManager.default.contents(atPath: file + "2"))
    }

    @Test("The export of a model without calibration has no scorer and says so")
    func uncalibrated() throws {
      let scratch = try Scratch(), place = scratch.path + "/run"
      try train(place, ["--max-epochs", "1"])
      let outcome = try export(place, ["-o", scratch.path + "/out"])
      #expect(outcome.errors.contains("--calibrate") && !outcome.output.contains("scorer"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/out").count == 2)
    }

    @Test("Impossible exports are refused with a hint on what to do instead")
    func refusals() throws {
      let scratch = try Scratch(), place = try ExportedModel.mixture.trained(in: scratch)
      #expect(try run(["export", place, "--format", "safetensors", "--check"]).status == 64)
      #expect(try run(["export", place + "/nothing"]).status == 66)
      let wrong = try run(["export", place, "--check", "--data", "digits"])
      #expect(wrong.status == 65 && wrong.errors.contains("8x8"))
      #expect(try run(["export", place, "-o", "/proc/none"]).status == 73)
    }
  }

  /// Tests of exported models in other programs.
  @Suite(.enabled(if: python != nil, "VAE_DIST_TEST_PYTHON names no Python with torch, onnx and onnxruntime"))
  struct ExportedElsewhereTests {
    /// Checks the files, runs them on the samples in check/ in batches of 1 and 7, and prints the largest
    /// differences relative to the largest values.
    private static let onnxruntime = """
      import json, sys
      import numpy, onnx, onnxruntime

      folder, found = sys.argv[1], {}
      load = lambda name: numpy.load(f"{folder}/check/{name}.npy")
      parts = [
          ("encoder", {"x": "x"}, ["mu", "logvar"]),
          ("decoder", {"z": "mu"}, ["reconstruction"]),
          ("scorer", {"x": "x"}, ["score", "anomalous"]),
      ]
      for part, inputs, outputs in parts:
          path = f"{folder}/{part}.onnx"
          model = onnx.load(path)
          onnx.checker.check_model(model, full_check=True)
          for port in [*model.graph.input, *model.graph.output]:
              assert port.type.tensor_type.shape.dim[0].dim_param == "batch", port
          assert model.ir_version == 8 and model.opset_import[0].version == 17 and model.doc_string
          session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
          feed = {name: load(file) for name, file in inputs.items()}
          if "y" in [port.name for port in session.get_inputs()]:
              feed["y"] = load("y")
          count = len(next(iter(feed.values())))
          for batch in (1, 7):
              cut = lambda i: {name: values[i : i + batch] for name, values in feed.items()}
              pieces = [session.run(outputs, cut(i)) for i in range(0, count, batch)]
              for name, values in zip(outputs, map(numpy.concatenate, zip(*pieces))):
                  expected = load(name)
                  assert values.shape == expected.shape, name
                  assert values.dtype == ("bool" if name == "anomalous" else "float32"), name
                  values = values.astype("float32")
                  found[f"{name} {batch}"] = float(numpy.abs(values - expected).max() / numpy.abs(expected).max())
      if len(sys.argv) > 2:  # what `score` said of rows of which some are anomalies
          rows = numpy.loadtxt(sys.argv[3], delimiter=",", skiprows=1)
          data = numpy.load(sys.argv[2])
          feed = {"x": (data if isinstance(data, numpy.ndarray) else data["X"]).astype("float32")}
          if "y" in [port.name for port in session.get_inputs()]:
              classes = session.get_inputs()[1].shape[1]
              feed["y"] = numpy.eye(3)[data["y"]] if classes == 3 else data["attributes"]
              feed["y"] = feed["y"].astype("float32")
          scores, flags = session.run(["score", "anomalous"], feed)
          assert flags.any() and not flags.all(), flags
          found["score of all"] = float(numpy.abs(scores - rows[:, 1]).max() / numpy.abs(rows[:, 1]).max())
          found["decisions of all"] = float((flags != rows[:, 2]).sum())
      print(json.dumps(found))
      """

    @Test("onnxruntime computes the same values in batches of 1 and 7", arguments: ExportedModel.all)
    func onnx(model: ExportedModel) throws {
      let scratch = try Scratch(), place = try model.trained(in: scratch), folder = scratch.path + "/out"
      _ = try export(place, ["--check", "-o", folder])
      var arguments = [try #require(python), "-c", Self.onnxruntime, folder]
      if !model.shape.isEmpty {
        let data = try model.data(in: scratch, "more", count: 200, strange: 40), scores = scratch.path + "/scores.csv"
        let scored = try run(["score", place, data, "-o", scores])
        try #require(scored.status == 0, "\(scored.errors)")
        arguments += [data, scores]
      }
      let outcome = try Child(arguments, environment: plainEnvironment, directory: place).wait()
      try #require(outcome.status == 0, "\(outcome.errors)")
      let found = try JSONDecoder().decode([String: Double].self, from: Data(outcome.output.utf8))
      #expect(found.count == (model.shape.isEmpty ? 10 : 12))
      #expect(found.values.allSatisfy { $0 <= 1e-5 }, "\(found)")
    }

    /// Loads the printed module and computes the validation of the last epoch with the program's noise.
    private static let torch = """
      import json, sys
      from importlib.machinery import SourceFileLoader
      from importlib.util import module_from_spec, spec_from_loader

      import torch
      from safetensors import safe_open

      def load(name, path):
          loader = SourceFileLoader(name, path)
          module = module_from_spec(spec_from_loader(name, loader))
          loader.exec_module(module)
          return module

      folder, run, script = sys.argv[1:]
      vae, ours = load("vae", folder + "/vae.py"), load("ours", script)
      with safe_open(folder + "/model.safetensors", "pt") as file:
          config = ours.parse(file.metadata()["vae_dist.config"])
      model = vae.load(folder + "/model.safetensors")
      x = model.scaled(torch.from_numpy(ours.validation_rows(config, None)))
      with torch.no_grad():
          eps = ours.normals(config["train.seed"], "eps", len(x), config["model.latent"]).float()
          recon, kl = (values.double().mean().item() for values in model.elbo(x, eps))
          mean = model.mean(model.decode(model.encode(x)[0]))
      valid = [e for e in map(json.loads, open(run + "/metrics.jsonl")) if e["kind"] == "epoch"][-1]["valid"]
      assert mean.flatten(1).shape == x.flatten(1).shape
      print(json.dumps({"recon": abs(recon / valid["recon"] - 1), "kl": abs(kl / valid["kl"] - 1)}))
      """

    @Test(
      "The printed PyTorch module has the same ELBO",
      arguments: ExportedModel.images + ExportedModel.withPriors)
    func module(model: ExportedModel) throws {
      let scratch = try Scratch(), place = try model.trained(in: scratch), folder = scratch.path
      _ = try export(place, ["--format", "pytorch-module", "-o", folder + "/vae.py"])
      _ = try export(place, ["--format", "safetensors", "-o", folder + "/model.safetensors"])
      let script = fixtures.appending(path: "../../scripts/torch-elbo").standardizedFileURL.path
      let outcome = try Child(
        [try #require(python), "-c", Self.torch, folder, place, script], environment: plainEnvironment, directory: place
      ).wait()
      try #require(outcome.status == 0, "\(outcome.errors)")
      let found = try JSONDecoder().decode([String: Double].self, from: Data(outcome.output.utf8))
      #expect(found.count == 2 && found.values.allSatisfy { $0 <= 1e-5 }, "\(found)")
    }

    /// Loads a model file into the module, and saves the weights from PyTorch.
    private static let rewriting = """
      import sys
      from safetensors.torch import save_file

      folder = sys.argv[1]
      sys.path.insert(0, folder)
      import vae

      model = vae.load(folder + "/a.safetensors")
      save_file(model.state_dict(), folder + "/torch.safetensors")
      """

    @Test(
      "Training that begins with weights written by PyTorch equals one that begins with the run",
      arguments: ["mlp", "conv"])
    func wayBack(kind: String) throws {
      let scratch = try Scratch(), folder = scratch.path, place = folder + "/run"
      let keys = ["--max-epochs", "1", "--set", "model.kind=\(kind)", "--set", "model.kernel=3"]
      try train(place, keys)
      _ = try export(place, ["--format", "pytorch-module", "-o", folder + "/vae.py"])
      _ = try export(place, ["--format", "safetensors", "-o", folder + "/a.safetensors"])
      let outcome = try Child(
        [try #require(python), "-c", Self.rewriting, folder], environment: plainEnvironment, directory: folder
      ).wait()
      try #require(outcome.status == 0, "\(outcome.errors)")
      let digests = try ["/torch.safetensors", "/run"].map { source in
        try train(folder + source + ".after", ["--init-from", folder + source] + keys)
        return try digest(folder + source + ".after")
      }
      #expect(digests[0] == digests[1])
      let untouched = try digest(place)
      #expect(digests[0] != untouched)
    }

    /// Applies the module to the samples in check/, with the noise of the program's scores.
    private static let checked = """
      import json, sys
      from importlib.machinery import SourceFileLoader
      from importlib.util import module_from_spec, spec_from_loader

      import numpy, torch
      from safetensors import safe_open

      folder, script, condition = sys.argv[1:]
      sys.path.insert(0, folder)
      import vae

      loader = SourceFileLoader("ours", script)
      ours = module_from_spec(spec_from_loader("ours", loader))
      loader.exec_module(ours)

      load = lambda name: torch.from_numpy(numpy.load(f"{folder}/check/{name}.npy"))
      with safe_open(folder + "/model.safetensors", "pt") as file:
          entries = file.metadata()
      config, draws = ours.parse(entries["vae_dist.config"]), json.loads(entries["vae_dist.calibration"])["draws"]
      model = vae.load(folder + "/model.safetensors")
      with torch.no_grad():
          x, y = model.scaled(load("x")), []
          if condition == "label":
              y = [load("y")]
          if condition == "attributes":
              scaling = json.loads(entries["vae_dist.condition"])["attributes"]["scaling"]
              y = [(load("y") - torch.tensor(scaling["offset"])) * torch.tensor(scaling["scale"])]
          mu, _ = model.encode(x, *y)
          mean = model.mean(model.decode(mu, *y))
          if mean.dim() == 4:
              mean = mean.permute(0, 2, 3, 1)
          mean = mean.flatten(1) / model.scale + model.offset
          eps = ours.normals(config["train.seed"], "eps", draws, mu.shape[1]).float()
          elbo = sum(sum(model.elbo(x, e.expand_as(mu), *y)).double() for e in eps) / draws
          found = {"mu": (mu, load("mu")), "elbo": (elbo, load("score"))}
          found["mean"] = (mean, load("reconstruction").flatten(1))
      print(json.dumps({k: ((a - b).abs().max() / b.abs().max()).item() for k, (a, b) in found.items()}))
      """

    @Test(
      "The printed PyTorch module has the same ELBO for tables and for conditioned models",
      arguments: ExportedModel.conditioned + ["columns", "columns_learned"].map(ExportedModel.table))
    func moduleOfSamples(model: ExportedModel) throws {
      var model = model
      model.score = ["neg_elbo", "--draws", "4"]
      let scratch = try Scratch(), place = try model.trained(in: scratch), folder = scratch.path
      _ = try export(place, ["--check", "-o", folder])
      _ = try export(place, ["--format", "pytorch-module", "-o", folder + "/vae.py"])
      _ = try export(place, ["--format", "safetensors", "-o", folder + "/model.safetensors"])
      let script = fixtures.appending(path: "../../scripts/torch-elbo").standardizedFileURL.path
      let outcome = try Child(
        [try #require(python), "-c", Self.checked, folder, script, model.condition ?? "none"],
        environment: plainEnvironment, directory: place
      ).wait()
      try #require(outcome.status == 0, "\(outcome.errors)")
      let found = try JSONDecoder().decode([String: Double].self, from: Data(outcome.output.utf8))
      #expect(found.count == 3 && found.values.allSatisfy { $0 <= 1e-5 }, "\(found)")
    }
  }
}
