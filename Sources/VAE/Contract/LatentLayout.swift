import Autograd
import Kernels

/// Name, kind and columns of one group of latents. Pictures, metrics and exports read it and reject groups that they do
/// not support.
package struct LatentGroup: Sendable, Equatable {
  /// The arrangement of the units of a group.
  package enum Kind: Sendable, Equatable {
    /// Units without a spatial arrangement.
    case vector
    /// A feature map: each position has a vector of channels.
    case map(ImageShape)
  }

  package let name: String
  package let kind: Kind
  /// The columns of the group among the units of all groups.
  package let units: Range<Int>
  /// The columns of the group's KL in `Trace.rate`: one for each unit, or a single one for the whole group.
  package let rates: Range<Int>
  /// The columns of the group among the noise columns of all groups, for draws from the prior.
  package let noise: Range<Int>
  /// Whether the posterior is a diagonal Gaussian.
  package let isGaussian: Bool

  /// Reshapes flat units (batch, units) to the shape of the group: (batch, units), or (batch, rows, columns, channels)
  /// for a map.
  func shaped(_ z: Tensor, in graph: Graph) -> Tensor {
    switch kind {
    case .vector: z
    case .map(let image): graph.view(z, as: image)
    }
  }
}

/// The groups of latents of a model, in the order in which the model requests them from the trace.
package struct LatentLayout: Sendable, Equatable {
  package let groups: [LatentGroup]

  init(_ trace: Trace) {
    var unit = 0, column = 0, noise = 0
    groups = zip(trace.latents, trace.rates).map { latent, rate in
      let z = latent.z, extents = z.shape.dimensions, drawn = latent.p.noiseColumns
      defer { (unit, column, noise) = (unit + z.columns, column + rate.columns, noise + drawn) }
      return LatentGroup(
        name: latent.name,
        kind: z.shape.rank == 4
          ? .map(ImageShape(rows: extents[1], columns: extents[2], channels: extents[3])) : .vector,
        units: unit..<unit + z.columns, rates: column..<column + rate.columns, noise: noise..<noise + drawn,
        isGaussian: latent.q?.gaussian != nil)
    }
  }

  /// Number of units of all groups.
  package var units: Int { groups.last?.units.upperBound ?? 0 }
  /// Number of columns of the KL, over all groups.
  package var rates: Int { groups.last?.rates.upperBound ?? 0 }
  /// Number of noise columns that a draw of all groups from their priors needs.
  package var noiseColumns: Int { groups.last?.noise.upperBound ?? 0 }

  /// Whether every posterior is a diagonal Gaussian.
  package var isGaussian: Bool { groups.allSatisfy(\.isGaussian) }

  package subscript(name: String) -> LatentGroup? { groups.first { $0.name == name } }

  /// Sums values per column of the rate over each group.
  package func sums(_ perColumn: [Double]) -> [(name: String, sum: Double)] {
    groups.map { ($0.name, perColumn[$0.rates].reduce(0, +)) }
  }

  /// Throws if a group has one KL for all its units. `use` names the caller in the message.
  package func requireRatePerUnit(for use: String) throws(Failure) {
    guard let group = groups.first(where: { $0.rates.count != $0.units.count }) else { return }
    throw Failure(
      .badConfiguration, "\(use) needs the KL of every unit, and latents \(group.name) have one KL for all units")
  }

  /// Throws if a group of latents is a feature map. `use` names the caller in the message.
  package func requireVectors(for use: String) throws(Failure) {
    for group in groups {
      guard case .map(let image) = group.kind else { continue }
      throw Failure(
        .badConfiguration, "\(use) needs latents that are a vector, and latents \(group.name) are a map of \(image)")
    }
  }

  /// Throws if the posterior of a group is not Gaussian. `use` names the caller in the message.
  package func requireGaussian(for use: String) throws(Failure) {
    guard let group = groups.first(where: { !$0.isGaussian }) else { return }
    throw Failure(
      .badConfiguration, "\(use) needs Gaussian posteriors, and the posterior of latents \(group.name) is not one")
  }
}
