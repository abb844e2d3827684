import Testing

@testable import Data

@Suite struct SplitTests {
  @Test("Training and validation rows partition the source and are evenly spaced")
  func partition() {
    for n in 2...60 {
      for validation in 1..<n { check(n, validation) }
    }
    for (n, validation) in [(1000, 100), (1797, 359), (4099, 1), (4099, 4098), (5000, 1234)] { check(n, validation) }
  }

  private func check(_ n: Int, _ validation: Int) {
    let train = RowMap(rows: 0..<n, part: .training(validation: validation))
    let valid = RowMap(rows: 0..<n, part: .validation(validation))
    let trainRows = (0..<train.count).map(train.row)
    let validRows = (0..<valid.count).map(valid.row)
    let expected = (0..<n).filter { ($0 + 1) * validation / n > $0 * validation / n }
    #expect(validRows == expected)
    #expect((trainRows + validRows).sorted() == Array(0..<n))
    #expect(trainRows == trainRows.sorted())
    let half = train.count / 2..<train.count
    #expect(train.hull(half).contains(trainRows[half.lowerBound]) && train.hull(half).upperBound == trainRows.last! + 1)
  }

  @Test("Selected rows are split like the rows of a source, and another selection is another set")
  func chosen() throws {
    let table = (0..<40).filter { $0 % 3 == 1 }
    let train = RowMap(rows: 0..<table.count, part: .training(validation: 3), chosen: table)
    let valid = RowMap(rows: 0..<table.count, part: .validation(3), chosen: table)
    let all = (0..<train.count).map(train.row) + (0..<valid.count).map(valid.row)
    #expect(all.sorted() == table && valid.count == 3)
    #expect(valid.hull(0..<3) == valid.row(0)..<valid.row(2) + 1)
    let sets = try [[], [3], [8], [3, 8]].map { try openData("digits", validation: nil, classes: $0) }
    #expect(Set(sets.map(\.train.fingerprint)).count == 4)
    #expect(sets[1].train.count + sets[2].train.count == sets[3].train.count && sets[0].train.count == 1_500)
    #expect(try sets[1].valid.loadLabels())
    #expect((0..<sets[1].valid.count).allSatisfy { sets[1].valid.label(at: $0) == 3 })
  }

  @Test("Row numbers are exact if products need more than 64 bits")
  func largeProducts() {
    let n = 1 << 50
    let valid = RowMap(rows: 0..<n, part: .validation(1 << 49))
    #expect(valid.row((1 << 49) - 1) == n - 1)
    let train = RowMap(rows: 0..<n, part: .training(validation: 1 << 49))
    #expect(train.row((1 << 49) - 1) == n - 2)
  }

  @Test("Some rows of a part are the first ones, or evenly spaced")
  func few() {
    func rows(_ limit: Int, _ isSpaced: Bool) -> [Int] {
      let map = RowMap(rows: 100..<160, part: .validation(6), limit: limit, isSpaced: isSpaced)
      return (0..<map.count).map(map.row)
    }
    #expect(rows(3, false) == [109, 119, 129] && rows(3, true) == [109, 129, 149])
    #expect(rows(9, true) == rows(9, false) && rows(9, true).count == 6)
  }

  @Test("A split leaves at least one row on each side")
  func clamped() {
    #expect(validationCount(0.1, of: 2) == 1)
    #expect(validationCount(0.999, of: 10) == 9)
    #expect(validationCount(0.2, of: 1797) == 359)
  }

  @Test("Ranges are sorted, and merged if they touch")
  func merging() {
    #expect(merged([5..<7, 0..<2, 3..<3, 2..<3, 6..<9]) == [0..<3, 5..<9])
  }
}
