import Foundation

/// DCI scores (Eastwood and Williams, ICLR 2018). Disentanglement is high if each unit encodes only one factor,
/// completeness is high if each factor is encoded by only one unit, and informativeness is high if the units predict
/// the factors well.
///
/// The importance of units is that of a `DecisionForest` trained on four fifths of the samples. Informativeness is its
/// accuracy on the remaining fifth, averaged over factors.
package struct DCI: Sendable, Equatable {
  package let disentanglement: Double
  package let completeness: Double
  package let informativeness: Double

  package init(_ codes: FactorizedCodes, seed: UInt64) {
    self.init(codes.names.indices.map { DCI.importance(codes, of: $0, seed: seed) })
  }

  /// - factors: The result of `importance` for each factor.
  init(_ factors: [[Double]]) {
    self.init(
      importance: factors.map { $0.dropLast() },
      informativeness: factors.reduce(0) { $0 + ($1.last ?? 0) } / Double(max(1, factors.count)))
  }

  /// The importance of each unit for one factor, followed by the accuracy of the prediction.
  static func importance(_ codes: FactorizedCodes, of factor: Int, seed: UInt64) -> [Double] {
    let train = (0..<codes.count).filter { $0 % 5 != 4 }, test = (0..<codes.count).filter { $0 % 5 == 4 }
    let forest = DecisionForest(
      train.flatMap { codes.mu[$0 * codes.units..<($0 + 1) * codes.units] }, width: codes.units,
      labels: train.map { codes.value($0, factor) }, classes: codes.sizes[factor], seed: seed)
    let hits = test.count { row in
      forest.classify(codes.mu[row * codes.units..<(row + 1) * codes.units]) == codes.value(row, factor)
    }
    return forest.importance + [Double(hits) / Double(max(1, test.count))]
  }

  /// - importance: For each factor, the importance of each unit.
  init(importance: [[Double]], informativeness: Double) {
    let units = importance.first?.count ?? 0
    let rows = (0..<units).map { unit in importance.map { $0[unit] } }
    let total = importance.reduce(0) { $0 + $1.reduce(0, +) }
    disentanglement =
      total > 0 ? rows.reduce(0) { $0 + $1.reduce(0, +) / total * (1 - DCI.entropy($1)) } : 0
    completeness =
      total > 0 ? importance.reduce(0) { $0 + $1.reduce(0, +) / total * (1 - DCI.entropy($1)) } : 0
    self.informativeness = informativeness
  }

  /// Entropy of the normalized values, relative to that of a uniform distribution.
  private static func entropy(_ values: [Double]) -> Double {
    let sum = values.reduce(0, +)
    guard sum > 0, values.count > 1 else { return 0 }
    return values.reduce(0) { $1 > 0 ? $0 - $1 / sum * log($1 / sum) : $0 } / log(Double(values.count))
  }
}
