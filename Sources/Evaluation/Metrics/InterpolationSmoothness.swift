import Communication
import Kernels
import Persistence
import Training
import VAE

/// How evenly images change along an interpolation between two latents. A perfectly even change gives 1, and a decoder
/// with abrupt changes gives a larger value.
package struct InterpolationSmoothness: Sendable, Equatable {
  /// For each pair, the largest distance between consecutive images divided by the median distance; nil if the median
  /// is 0.
  package let ratios: [Double?]
  /// Mean over pairs; nil if no pair has a ratio.
  package let mean: Double?

  /// - pictures: Decoded images. (pairs, steps, elements)
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

/// Smoothness of linear and spherical interpolation, averaged over pairs of samples that belong to different classes or
/// lie far apart; nil if no pair has a ratio.
package struct InterpolationReport: Sendable, Equatable {
  package let pairs: Int
  package let linear: Double?
  package let spherical: Double?

  /// Decodes and measures all paths. The pairs are divided among the ranks. This call is collective.
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
