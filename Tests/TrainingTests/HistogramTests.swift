import Testing

@testable import Training

@Suite struct HistogramTests {
  @Test("Every value has a bin: values beyond the ends are in the outer bins, and NaN is in the first")
  func bins() {
    let bins = Bins(low: -1, width: 0.5, count: 4)
    #expect(bins.edges == [-1, -0.5, 0, 0.5, 1])
    func counts(_ values: [Float]) -> [Double] {
      var counts = [Double](repeating: 0, count: bins.count)
      bins.add(values, values.count, to: &counts)
      return counts
    }
    #expect(counts([-1, -0.51, -0.5, -0.01, 0, 0.49, 0.5, 0.99]) == [2, 2, 2, 2])
    #expect(counts([-9, -.infinity, .nan, -.greatestFiniteMagnitude]) == [4, 0, 0, 0])
    #expect(counts([1, 9, .infinity, .greatestFiniteMagnitude]) == [0, 0, 0, 4])
    #expect(counts([]) == [0, 0, 0, 0])
  }

  @Test("The bins of validation cover typical posteriors, and 0 is the middle of a bin")
  func validation() {
    for bins in [Bins.mu, .logvar] {
      #expect(bins.edges.count == bins.count + 1 && bins.edges.first == -(bins.edges.last ?? 0))
      #expect(bins.count % 2 == 1)
      #expect(zip(bins.edges, bins.edges.dropFirst()).allSatisfy { $1 - $0 == Double(bins.width) })
    }
  }
}
