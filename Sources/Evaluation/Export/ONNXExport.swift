import Autograd
import Data
import Foundation
import Kernels
import ONNX
import Persistence
import Training

/// Exports a trained model as a folder of ONNX files.
package struct ONNXExport {
  package struct Part: Sendable {
    package let name: String
    let graph: PortableGraph
    let purpose: String

    package var file: String { name + ".onnx" }
  }

  private let model: TrainedModel
  private let calibration: Calibration?
  package let parts: [Part]

  /// - calibration: The calibration that the scorer uses. Without one, no scorer is exported.
  package init(_ model: TrainedModel, _ calibration: Calibration?) throws(Failure) {
    self.model = model
    self.calibration = calibration
    let portable = PortableModel(model), given = model.condition == nil ? "" : ", y"
    let scorer = try calibration.map { calibration throws(Failure) in
      Part(
        name: "scorer", graph: try portable.scorer(calibration, seed: model.seed),
        purpose: "x\(given) -> score, \(calibration.score.meaning); anomalous, whether it is above the threshold "
          + "\(calibration.threshold.value)")
    }
    // A standard normal prior needs no file for sampling.
    let sampler =
      model.autoencoder.hasStandardPrior
      ? nil
      : Part(
        name: "sampler", graph: try portable.sampler(),
        purpose: "noise\(given) -> z, a draw from the prior for standard normal noise; reconstruction, E[x | z]")
    parts =
      [
        Part(
          name: "encoder", graph: try portable.encoder(),
          purpose: "x\(given) -> mu, logvar: the posterior of a sample, N(mu, diag(exp(logvar)))"),
        Part(name: "decoder", graph: try portable.decoder(), purpose: "z\(given) -> reconstruction, E[x | z]"),
      ] + [sampler, scorer].compactMap { $0 }
  }

  /// Writes all parts to a folder.
  package func write(to folder: String) throws(Failure) {
    for part in parts {
      let file = ONNXFile(
        graph: part.graph, name: part.name, description: description(part), metadata: try metadata())
      try DurableFile.write(file.encoded(producer: programVersion), to: "\(folder)/\(part.file)")
    }
  }

  private var layout: String {
    let shape = model.shape
    guard shape.isImage else { return "(batch, \(shape.elementCount) columns)" }
    return "(batch, \(shape.height) rows, \(shape.width) columns"
      + (shape.channels == 1 ? ")" : ", \(shape.channels) channels)")
  }

  private func description(_ part: Part) -> String {
    "\(part.purpose). Samples are float32 \(layout), in the units of the data that the model was trained on: "
      + "scaling is part of the graph." + (model.condition.map(Self.description) ?? "")
  }

  private static func description(_ condition: Condition) -> String {
    let kind = condition.classes > 0 ? "one-hot of the classes" : "the attributes"
    return " y is float32 (batch, \(condition.width)), \(kind) \(condition.names.joined(separator: ", "))."
  }

  /// The metadata of the model file, with the digest of the parameters.
  private func metadata() throws(Failure) -> [String: String] {
    var entries = try SafetensorsFile(path: model.file.path).metadata.filter { $0.key.hasPrefix("vae_dist.") }
    entries["vae_dist.digest"] = model.file.digest
    entries["vae_dist.layout"] = layout
    // The calibration scores are left out, because they may be larger than the model.
    entries[Calibration.metadataKey] = calibration?.summary.text
    return entries
  }
}

/// The difference between an exported file and the results of this program.
package struct ExportAgreement: Sendable {
  package let file: String
  package let output: String
  /// The largest absolute difference divided by the largest absolute value.
  package let difference: Double

  /// Tolerance for float32 sums that are computed in a different order.
  package static let limit = 1e-5
  package var holds: Bool { difference <= ExportAgreement.limit }

  init(_ file: String, _ output: String, _ found: PortableArray?, _ expected: PortableArray) {
    (self.file, self.output) = (file, output)
    let size = expected.numbers.reduce(0) { max($0, abs($1)) }
    guard let found, found.extents == expected.extents else {
      difference = .infinity
      return
    }
    let largest = zip(found.numbers, expected.numbers).reduce(0) { worst, pair in
      let distance = pair.0 == pair.1 ? 0 : abs(pair.0 - pair.1)  // equal infinities do not differ
      return distance <= worst ? worst : distance  // a NaN counts as the largest difference
    }
    difference = largest == 0 ? 0 : largest / size
  }
}

extension ONNXExport {
  /// Reads the files back, evaluates them in float64 and compares the results with the samples.
  package static func check(_ folder: String, against samples: ReferenceSamples) throws(Failure) -> [ExportAgreement] {
    let told = samples.y.map { ["y": $0] } ?? [:]
    func run(_ file: String, _ inputs: [String: PortableArray]) throws(Failure) -> [String: PortableArray] {
      let graph = try ONNXFile(path: "\(folder)/\(file)").graph
      let activity = Activity("checking \(file)", of: graph.nodes.count)
      defer { activity.end() }
      return try PortableInterpreter(graph).run(inputs.merging(told) { $1 })
    }
    let encoded = try run("encoder.onnx", ["x": samples.x])
    let decoded = try run("decoder.onnx", ["z": samples.mu])
    let scored = samples.score == nil ? [:] : try run("scorer.onnx", ["x": samples.x])
    let drawn = try samples.noise.map { noise throws(Failure) in try run("sampler.onnx", ["noise": noise]) } ?? [:]
    let draws = [("z", samples.z), ("reconstruction", samples.drawn)].compactMap { name, expected in
      expected.map { ExportAgreement("sampler.onnx", name, drawn[name], $0) }
    }
    let scores = [("score", samples.score), ("anomalous", samples.anomalous)].compactMap { name, expected in
      expected.map { ExportAgreement("scorer.onnx", name, scored[name], $0) }
    }
    return [
      ExportAgreement("encoder.onnx", "mu", encoded["mu"], samples.mu),
      ExportAgreement("encoder.onnx", "logvar", encoded["logvar"], samples.logvar),
      ExportAgreement("decoder.onnx", "reconstruction", decoded["reconstruction"], samples.reconstruction),
    ] + draws + scores
  }
}
