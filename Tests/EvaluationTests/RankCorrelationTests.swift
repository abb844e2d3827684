import Evaluation
import Testing

@Suite struct RankCorrelationTests {
  @Test("The rank correlation is 1 or -1 for monotone maps, and equals scipy.stats.spearmanr with ties")
  func values() throws {
    let x = [3.0, -1, 4, 1, 5, 9, 2, 6]
    #expect(rankCorrelation(x, x.map { $0 * $0 * $0 - 7 }) == 1)
    #expect(rankCorrelation(x, x.map { -$0 / 3 }) == -1)
    let tied = try #require(rankCorrelation([1, 2, 2, 3, 5], [2, 1, 4, 4, 3]))
    // The ranks are 1, 2.5, 2.5, 4, 5 and 2, 1, 4.5, 4.5, 3, which gives 3.75 / 9.5.
    #expect(abs(tied - 3.75 / 9.5) < 1e-15)
    #expect(rankCorrelation([1, 1, 1], [1, 2, 3]) == nil && rankCorrelation([], []) == nil)
  }
}
