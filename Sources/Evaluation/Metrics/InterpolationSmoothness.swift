import Communication
import Kernels
import Persistence
import Training
import VAE

/// How evenly pictures change on the way from one latent to another: 1 is perfectly even, and a decoder that jumps from
/// one thing to another has more.
package struct InterpolationSmoothness: Sendable, Equatable {
  /// Of each pair, the largest distance between neighbouring pictures over the median of all; nil where half of all
  /// steps change nothing.
  package let ratios: [Double?]
  /// Over pairs; nil where no pair has a ratio.
  package let mean: Double?

  /// - pictures: (pairs, steps, elements)
  package init(_ pictures: [Float], pairs: Int, steps: Int) {
    let elements = pairs * steps > 0 ? pictures.count / (pairs * steps) : 0
    ratios = (0..<pairs).map { pair in
      let lengths = (1..<steps).map { step -> Double in
        let at = (pair * steps + step) * elements
        return (at..<at + elements).reduce(0.0) { sum, i in
          let difference = Double(pictures[i]) - Double(pictures[i - elements])
          return sum + difference * difference
        }.squareRoot()
      }.sorted()
      let middle = lengths.count / 2
      let median = lengths.count % 2 == 1 ? lengths[middle] : (lengths[middle - 1] + lengths[middle]) / 2
      return median > 0 ? lengths[lengths.count - 1] / median : nil
    }
    let known = ratios.compactMap { $0 }
    mean = known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
  }
}

/// Smoothness of both ways between samples of different class, or far apart; means over pairs, nil where nothing moves.
package struct InterpolationReport: Sendable, Equatable {
  package let pairs: Int
  package let linear: Double?
  package let spherical: Double?

  /// Collective: ranks share the pairs, and decode them one by one.
  package init(
    _ codes: LatentCodes, _ autoencoder: VariationalAutoencoder, _ communicator: Communicator
  ) throws(Failure) {
    let pairs = codes.pairs(LatentPaths.pairs), steps = LatentPaths.steps
    let decoder = LatentDecoder(autoencoder)
    let activity = Activity("interpolating", of: pairs.count / communicator.size)
    defer { activity.end() }
    let ratios = try communicator.divided(parts: pairs.count, width: 2) { pair in
      defer { Activity.advance() }
      return [InterpolationPath.linear, .spherical].map { path in
        let way = codes.ways([pairs[pair]], steps: steps, path)
        let x = decoder.decode(way.z, given: way.y)
        return InterpolationSmoothness(x, pairs: 1, steps: steps).mean ?? .nan
      }
    }
    func mean(_ path: Int) -> Double? {
      let known = ratios.map { $0[path] }.filter { !$0.isNaN }
      return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
    }
    self.pairs = pairs.count
    (linear, spherical) = (mean(0), mean(1))
  }

  var json: JSON {
    .object([
      ("pairs", .integer(pairs)), ("steps", .integer(LatentPaths.steps)),
      ("smoothness_linear", .optional(linear)), ("smoothness_spherical", .optional(spherical)),
    ])
  }
}
