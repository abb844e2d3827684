import Persistence
import Training

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

/// Smoothness of both ways between samples of different class, or far apart.
package struct InterpolationReport: Sendable, Equatable {
  package let pairs: Int
  package let linear: InterpolationSmoothness
  package let spherical: InterpolationSmoothness

  package init(_ codes: LatentCodes, _ decoder: LatentDecoder) {
    let pairs = codes.pairs(LatentPaths.pairs), steps = LatentPaths.steps
    func smoothness(_ path: InterpolationPath) -> InterpolationSmoothness {
      let z = pairs.flatMap { LatentPaths.interpolate(codes[$0.0], codes[$0.1], steps: steps, path) }
      return InterpolationSmoothness(decoder.decode(z), pairs: pairs.count, steps: steps)
    }
    self.pairs = pairs.count
    (linear, spherical) = (smoothness(.linear), smoothness(.spherical))
  }

  var json: JSON {
    .object([
      ("pairs", .integer(pairs)), ("steps", .integer(LatentPaths.steps)),
      ("smoothness_linear", .optional(linear.mean)), ("smoothness_spherical", .optional(spherical.mean)),
    ])
  }
}
