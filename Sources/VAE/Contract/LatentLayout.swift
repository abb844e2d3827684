import Autograd
import Kernels

/// What a group of latents is. Pictures, metrics and exports ask, and refuse what makes no sense of it.
package struct LatentGroup: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    /// Numbers without an order.
    case vector
    /// Channels at every place of a map.
    case map(ImageShape)
  }

  package let name: String
  package let kind: Kind
  /// Where the group stands among all latents.
  package let units: Range<Int>
  /// Where its KL stands among the columns of the rate: one for each unit, or one for all.
  package let rates: Range<Int>
  /// Where the noise stands that a draw from its prior takes.
  package let noise: Range<Int>
  /// Whether its posterior is a diagonal Gaussian.
  package let isGaussian: Bool

  /// Flat units seen as what the group is. (batch, units)
  func shaped(_ z: Tensor, in graph: Graph) -> Tensor {
    switch kind {
    case .vector: z
    case .map(let image): graph.view(z, as: image)
    }
  }
}

/// The groups of latents of a model, in the order in which it asks for them.
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

  package var units: Int { groups.last?.units.upperBound ?? 0 }
  package var rates: Int { groups.last?.rates.upperBound ?? 0 }
  package var noiseColumns: Int { groups.last?.noise.upperBound ?? 0 }

  /// Whether every posterior is a diagonal Gaussian.
  package var isGaussian: Bool { groups.allSatisfy(\.isGaussian) }

  package subscript(name: String) -> LatentGroup? { groups.first { $0.name == name } }

  /// Sums of the groups of what is told by column of the rate.
  package func sums(_ perColumn: [Double]) -> [(name: String, sum: Double)] {
    groups.map { ($0.name, perColumn[$0.rates].reduce(0, +)) }
  }

  /// Fails where a use needs the KL of every unit, and some groups have one number for all of theirs.
  package func requireRatePerUnit(for use: String) throws(Failure) {
    guard let group = groups.first(where: { $0.rates.count != $0.units.count }) else { return }
    throw Failure(
      .badConfiguration, "\(use) needs the KL of every unit, and latents \(group.name) have one KL for all units")
  }

  /// Fails where a use needs vectors, and some latents are maps.
  package func requireVectors(for use: String) throws(Failure) {
    for group in groups {
      guard case .map(let image) = group.kind else { continue }
      throw Failure(
        .badConfiguration, "\(use) needs latents that are a vector, and latents \(group.name) are a map of \(image)")
    }
  }

  /// Fails where a use needs Gaussian posteriors, and some are not.
  package func requireGaussian(for use: String) throws(Failure) {
    guard let group = groups.first(where: { !$0.isGaussian }) else { return }
    throw Failure(
      .badConfiguration, "\(use) needs Gaussian posteriors, and the posterior of latents \(group.name) is not one")
  }
}
