import Foundation

/// The mutual information gap: for each factor, the difference between the largest and second largest mutual
/// information with a unit, divided by the entropy of the factor (Chen et al., "Isolating sources of disentanglement in
/// VAEs", NeurIPS 2018). Mutual information is estimated with mu of each unit in 20 bins of equal width, as in
/// Locatello et al. (ICML 2019).
package struct MutualInformationGap: Sendable, Equatable {
  package static let bins = 20
  /// The gap of each factor.
  package let gaps: [Double]
  package var mean: Double { gaps.reduce(0, +) / Double(max(1, gaps.count)) }

  package init(_ codes: FactorizedCodes) {
    let binned = (0..<codes.units).map { Self.binned(codes.unit($0)) }
    gaps = codes.names.indices.map { factor in
      let values = (0..<codes.count).map { codes.value($0, factor) }
      let size = codes.sizes[factor]
      let information = binned.map { Self.information($0, Self.bins, values, size) }.sorted(by: >)
      // The mutual information of a factor with itself is its entropy.
      let entropy = Self.information(values, size, values, size)
      return ((information.first ?? 0) - (information.count > 1 ? information[1] : 0)) / entropy
    }
  }

  private static func binned(_ values: [Float]) -> [Int] {
    let low = Double(values.min() ?? 0), width = (Double(values.max() ?? 0) - low) / Double(bins)
    return values.map { width > 0 ? min(bins - 1, Int((Double($0) - low) / width)) : 0 }
  }

  /// Mutual information I(a; b) of two lists of integers, nats.
  static func information(_ a: [Int], _ sizeOfA: Int, _ b: [Int], _ sizeOfB: Int) -> Double {
    var joint = [Int](repeating: 0, count: sizeOfA * sizeOfB)
    var ofA = [Int](repeating: 0, count: sizeOfA), ofB = [Int](repeating: 0, count: sizeOfB)
    for (x, y) in zip(a, b) {
      joint[x * sizeOfB + y] += 1
      ofA[x] += 1
      ofB[y] += 1
    }
    let n = Double(a.count)
    var sum = 0.0
    for x in 0..<sizeOfA {
      for y in 0..<sizeOfB where joint[x * sizeOfB + y] > 0 {
        let both = Double(joint[x * sizeOfB + y])
        sum += both / n * log(both * n / (Double(ofA[x]) * Double(ofB[y])))
      }
    }
    return max(0, sum)
  }
}
