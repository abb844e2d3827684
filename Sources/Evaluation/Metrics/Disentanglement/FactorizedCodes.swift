import Data
import Kernels
import Training

/// Latent codes of samples and the factors that the samples were generated from.
package struct FactorizedCodes: Sendable {
  /// Maximum number of units. If there are more, those with the largest variance are used.
  private static let mostUnits = 128

  package let count: Int
  package let units: Int
  /// (count, units)
  package let mu: [Float]
  package let names: [String]
  /// Factor values, integers from 0. (count, names.count)
  private let values: [Int]
  /// Number of possible values of each factor: one more than the largest value.
  package let sizes: [Int]

  /// Returns nil if the data does not record its factors, fewer than two of them vary, or there are fewer than 100
  /// samples.
  package init?(_ posteriors: Posteriors, _ data: Dataset) {
    guard let names = data.factorNames, posteriors.count >= 100 else { return nil }
    let factors = posteriors.indices.flatMap { data.factors(of: $0..<$0 + 1) }
    self.init(mu: posteriors.mu, units: posteriors.latent, factors: factors, names: names)
    if self.names.count < 2 { return nil }
  }

  /// Creates codes. Factors that do not vary are left out.
  /// - mu: Latent codes. (count, units)
  /// - factors: Factor values. (count, names.count)
  package init(mu: [Float], units: Int, factors: [Int], names: [String]) {
    let count = mu.count / units
    precondition(factors.count == count * names.count, "\(factors.count) factors for \(count) codes")
    (self.mu, self.units) = mostVarying(mu, dimensions: units, most: FactorizedCodes.mostUnits)
    self.count = count
    let moving = names.indices.filter { name in
      (1..<max(1, count)).contains { factors[$0 * names.count + name] != factors[name] }
    }
    self.names = moving.map { names[$0] }
    let values = (0..<count).flatMap { row in moving.map { factors[row * names.count + $0] } }
    self.values = values
    sizes = moving.indices.map { place in
      1 + stride(from: place, to: values.count, by: moving.count).reduce(0) { max($0, values[$1]) }
    }
  }

  /// The value of a factor for sample i.
  func value(_ i: Int, _ factor: Int) -> Int { values[i * names.count + factor] }

  func unit(_ j: Int) -> [Float] { (0..<count).map { mu[$0 * units + j] } }
}

/// A sequence of random integers that is determined by seed and purpose.
struct KeyedDraws {
  private let generator: KeyedGenerator
  private var drawn: UInt32 = 0

  init(seed: UInt64, _ purpose: String) { generator = KeyedGenerator(seed: seed, stream: purpose) }

  mutating func next(below n: Int) -> Int {
    defer { drawn += 1 }
    return Int((UInt64(generator.words(drawn).0) * UInt64(n)) >> 32)
  }
}
