import Evaluation
import Testing

@Suite struct RankCorrelationTests {
  @Test("1 and -1 of any monotone map, and scipy.stats.spearmanr's value where there are ties")
  func values() throws {
    let x = [3.0, -1, 4, 1, 5, 9, 2, 6]
    #expect(rankCorrelation(x, x.map { $0 * $0 * $0 - 7 }) == 1)
    #expect(rankCorrelation(x, x.map { -$0 / 3 }) == -1)
    let tied = try #require(rankCorrelation([1, 2, 2, 3, 5], [2, 1, 4, 4, 3]))
    // Ranks 1, 2.5, 2.5, 4, 5 and 2, 1, 4.5, 4.5, 3: 3.75 / 9.5.
    #expect(abs(tied - 3.75 / 9.5) < 1e-15)
    #expect(rankCorrelation([1, 1, 1], [1, 2, 3]) == nil && rankCorrelation([], []) == nil)
  }
}
