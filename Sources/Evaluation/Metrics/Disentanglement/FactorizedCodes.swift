import Data
import Kernels
import Training

/// Codes of samples beside the factors that these were made from.
package struct FactorizedCodes: Sendable {
  /// Of more units, those that vary most count.
  private static let mostUnits = 128

  package let count: Int
  package let units: Int
  /// (count, units)
  package let mu: [Float]
  package let names: [String]
  /// Whole numbers from 0. (count, names.count)
  private let values: [Int]
  /// How many values each factor can have: one more than the largest.
  package let sizes: [Int]

  /// nil where the data does not say what it was made from, or says too little.
  package init?(_ posteriors: Posteriors, _ data: Dataset) {
    guard let names = data.factorNames, posteriors.count >= 100 else { return nil }
    let factors = posteriors.indices.flatMap { data.factors(of: $0..<$0 + 1) }
    self.init(mu: posteriors.mu, units: posteriors.latent, factors: factors, names: names)
    if self.names.count < 2 { return nil }
  }

  /// - mu: (count, units). - factors: (count, names.count); one that does not vary is left out.
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

  /// What sample i has for a factor.
  func value(_ i: Int, _ factor: Int) -> Int { values[i * names.count + factor] }

  func unit(_ j: Int) -> [Float] { (0..<count).map { mu[$0 * units + j] } }
}

/// Whole numbers one after the other, the same for the same seed and purpose.
struct KeyedDraws {
  private let generator: KeyedGenerator
  private var drawn: UInt32 = 0

  init(seed: UInt64, _ purpose: String) { generator = KeyedGenerator(seed: seed, stream: purpose) }

  mutating func next(below n: Int) -> Int {
    defer { drawn += 1 }
    return Int((UInt64(generator.words(drawn).0) * UInt64(n)) >> 32)
  }
}
