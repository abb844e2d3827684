import RunConfiguration
import Data
import Foundation
import Kernels
import Persistence

/// Metadata of a model file that make the file self-contained: the configuration, the shape of a sample, the scaling,
/// the columns of a table, and the classes or attributes that the model is conditioned on.
package struct ModelMetadata {
  package var configuration: Configuration
  package var shape: SampleShape
  package var scaling: Scaling
  /// Columns of a mixed table; nil for other data.
  package var schema: TableSchema?
  package var condition: Condition?

  package init(
    configuration: Configuration, shape: SampleShape, scaling: Scaling, schema: TableSchema? = nil,
    condition: Condition? = nil
  ) {
    self.configuration = configuration
    self.shape = shape
    self.scaling = scaling
    self.schema = schema
    self.condition = condition
  }

  package var entries: [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    func text<Part: Encodable>(_ part: Part?) -> String? {
      part.flatMap { try? encoder.encode($0) }.map { String(decoding: $0, as: UTF8.self) }
    }
    var known = [
      "vae_dist.version": programVersion,
      "vae_dist.config": configuration.yaml,
      "vae_dist.shape": shape.isImage
        ? "\(shape.height)x\(shape.width)x\(shape.channels)" : "\(shape.elementCount)",
      "vae_dist.scaling": text(scaling) ?? "{}",
    ]
    known["vae_dist.columns"] = text(schema)
    known["vae_dist.condition"] = text(condition)
    return known
  }

  /// Parses the result of `entries`.
  ///
  /// - Parameter path: Path of the file, for error messages.
  /// - Throws: `Failure` if the metadata are missing or inconsistent.
  package init(_ entries: [String: String], path: String) throws(Failure) {
    func foreign(_ what: String) -> Failure {
      Failure(
        .badData, "\(path): \(what)", hint: "a model written by vae-dist carries its configuration in its metadata")
    }
    guard let yaml = entries["vae_dist.config"], let shapeText = entries["vae_dist.shape"] else {
      throw foreign("no configuration in the metadata")
    }
    var configuration = Configuration()
    try configuration.apply(yaml: yaml, file: "\(path) (metadata)")
    let extents = shapeText.split(separator: "x").compactMap { Int($0) }
    guard [1, 3].contains(extents.count), extents.allSatisfy({ (1...1 << 24).contains($0) }) else {
      throw foreign("sample shape '\(shapeText)'")
    }
    guard
      let scaling = try? JSONDecoder().decode(
        Scaling.self, from: Foundation.Data((entries["vae_dist.scaling"] ?? "").utf8))
    else { throw foreign("no scaling in the metadata") }
    self.configuration = configuration
    self.scaling = scaling
    schema = try entries["vae_dist.columns"].map { text throws(Failure) in
      guard let schema = try? JSONDecoder().decode(TableSchema.self, from: Foundation.Data(text.utf8)) else {
        throw foreign("its columns cannot be read")
      }
      if let fault = schema.fault ?? (schema.width == extents[0] ? nil : "\(schema.width) elements in columns") {
        throw foreign("its columns: \(fault)")
      }
      return schema
    }
    guard (schema != nil) == configuration.data.table.isMixed else { throw foreign("no columns in the metadata") }
    let kind = configuration.model.condition
    condition =
      kind == .none
      ? nil
      : try? JSONDecoder().decode(Condition.self, from: Foundation.Data((entries["vae_dist.condition"] ?? "").utf8))
    guard condition?.kind ?? .none == kind, condition?.isSound ?? true else {
      throw foreign("model.condition is \(kind.rawValue), but the metadata do not name its classes or attributes")
    }
    shape =
      extents.count == 3
      ? .image(height: extents[0], width: extents[1], channels: extents[2]) : .vector(extents[0])
  }
}
