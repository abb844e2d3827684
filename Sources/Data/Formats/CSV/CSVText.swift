import Glibc
import Kernels

/// The mapped text of a table, and the rules for parsing its cells.
struct CSVText {
  let name: String
  /// The offset after a byte order mark, and the end of the last line that is not blank.
  let start, end: Int
  private let text: UnsafePointer<UInt8>
  private let separator: UInt8
  private let numbers = NumberParser()

  private static let quote = UInt8(ascii: "\"")
  private static let newline = UInt8(ascii: "\n")
  private static let space = UInt8(ascii: " ")
  private static let carriageReturn = UInt8(ascii: "\r")

  init(_ file: InputFile) throws(Failure) {
    name = file.name
    text = try file.mapped().assumingMemoryBound(to: UInt8.self)
    let head = try file.bytes(at: 0, count: 3)
    if head.starts(with: [0xff, 0xfe]) || head.starts(with: [0xfe, 0xff]) {
      throw .malformed(name, "is UTF-16 text", hint: "save it as UTF-8")
    }
    start = head == [0xef, 0xbb, 0xbf] ? 3 : 0
    var end = file.size
    while end > start, [Self.newline, Self.carriageReturn, Self.space].contains(text[end - 1]) { end -= 1 }
    self.end = end
    guard end > start else { throw .malformed(name, "holds only blank lines") }
    separator = CSVText.sniff(UnsafeBufferPointer(start: text + start, count: end - start))
  }

  /// Determines the separator from the first line. Tabs take precedence over semicolons, and semicolons over commas,
  /// because names contain commas more often than tabs.
  private static func sniff(_ text: UnsafeBufferPointer<UInt8>) -> UInt8 {
    var (tab, semicolon, quoted) = (false, false, false)
    for character in text {
      if character == quote { quoted.toggle() }
      if character == newline { break }
      if quoted { continue }
      tab = tab || character == UInt8(ascii: "\t")
      semicolon = semicolon || character == UInt8(ascii: ";")
    }
    return tab ? UInt8(ascii: "\t") : semicolon ? UInt8(ascii: ";") : UInt8(ascii: ",")
  }

  /// Returns the range of the line that begins at `offset`, without its line feed.
  func line(at offset: Int) -> Range<Int> {
    guard let feed = memchr(text + offset, Int32(Self.newline), end - offset) else { return offset..<end }
    return offset..<offset + (UnsafeRawPointer(feed) - UnsafeRawPointer(text + offset))
  }

  /// Returns the number of cells in the first line.
  func width(_ line: Range<Int>) throws(Failure) -> Int {
    let width = cells(line).count
    guard width <= ArrayLayout.maximumElementCount else { throw .malformed(name, "line 1 has \(width) cells") }
    return width
  }

  /// Returns the names in the first line, or nil if the line holds numbers.
  func header(_ line: Range<Int>) throws(Failure) -> [String]? {
    let cells = cells(line)
    if cells.contains(where: { text[$0].contains(0) }) {
      throw .malformed(name, "line 1 holds NUL bytes: this is not text", hint: "name a table of numbers")
    }
    let numeric = cells.map { isNumber($0) }
    guard let name = numeric.firstIndex(of: false) else { return nil }
    let blank = cells.allSatisfy { trimmed($0).isEmpty }
    // A line of missing values only is not a header, but a single column may be called NA.
    if blank || numeric.contains(true) || cells.allSatisfy({ isMissing(text[unquoted($0)]) }) {
      throw cellFailure(cells[name], line: 1, row: nil, column: name, columnNames: nil)
    }
    return cells.map { String(decoding: text[unquoted($0)], as: UTF8.self) }
  }

  /// Parses one line into (width) values.
  func parse(
    _ line: Range<Int>, number: Int, row: Int, columnNames: [String]?, into target: UnsafeMutablePointer<Float>,
    width: Int
  ) throws(Failure) {
    let end = line.isEmpty || text[line.upperBound - 1] != Self.carriageReturn ? line.upperBound : line.upperBound - 1
    var at = line.lowerBound
    for column in 0..<width {
      let start = at
      guard let value = cell(&at, end: end), value.isFinite else {
        // If the line has the wrong number of cells, report that and not the empty or malformed cell that results from
        // it.
        try checkWidth(line, number: number, row: row, width: width)
        let cells = cells(line)
        let cell = column < cells.count ? cells[column] : start..<end
        throw cellFailure(cell, line: number, row: row, column: column, columnNames: columnNames)
      }
      target[column] = value
      if column < width - 1 ? at < end : at == end {
        at += 1
      } else {
        try checkWidth(line, number: number, row: row, width: width)
      }
    }
  }

  /// Returns the number in the cell at `at`, or nil if the cell holds none. Moves `at` to the separator or the end of
  /// the line.
  @inline(__always)
  private func cell(_ at: inout Int, end: Int) -> Float? {
    while at < end, text[at] == Self.space { at += 1 }
    let quoted = at < end && text[at] == Self.quote
    if quoted {
      at += 1
      while at < end, text[at] == Self.space { at += 1 }
    }
    guard let value = numbers.number(text, &at, end: end) else { return nil }
    while at < end, text[at] == Self.space { at += 1 }
    if quoted {
      guard at < end, text[at] == Self.quote else { return nil }
      at += 1
      while at < end, text[at] == Self.space { at += 1 }
    }
    return at == end || text[at] == separator ? value : nil
  }

  /// Returns the cells of a line, whatever they contain.
  func row(_ line: Range<Int>, number: Int, row: Int, width: Int) throws(Failure) -> CSVRow {
    try checkWidth(line, number: number, row: row, width: width)
    return CSVRow(text: self, cells: cells(line).map(unquoted))
  }

  /// Returns the number in an unquoted cell as `TableRow.number` does.
  func number(in cell: Range<Int>) -> Float? {
    if cell.isEmpty || isMissing(text[cell], but: infinities) { return .nan }
    if isMissing(text[cell]) { return .infinity }
    var at = cell.lowerBound
    guard let value = numbers.number(text, &at, end: cell.upperBound), at == cell.upperBound else { return nil }
    return value
  }

  /// Returns the characters of a cell. Two consecutive quotes in a quoted cell stand for one.
  func word(in cell: Range<Int>) -> String {
    let word = String(decoding: text[cell], as: UTF8.self)
    return word.contains("\"\"") ? word.replacing("\"\"", with: "\"") : word
  }

  private func checkWidth(_ line: Range<Int>, number: Int, row: Int, width: Int) throws(Failure) {
    let found = cells(line)
    if found.count == 1, trimmed(found[0]).isEmpty, width > 1 {
      throw .malformed(name, "line \(number) (row \(row + 1)) is blank", hint: "remove blank lines between the rows")
    }
    guard found.count == width else {
      throw .malformed(
        name, "line \(number) (row \(row + 1)) has \(found.count) columns, but line 1 has \(width)",
        hint: "give every row the same columns")
    }
  }

  private func cellFailure(
    _ cell: Range<Int>, line: Int, row: Int?, column: Int, columnNames: [String]?
  ) -> Failure {
    let content = Array(text[unquoted(cell)])
    let rowText = row.map { " (row \($0 + 1))" } ?? ""
    let place = "line \(line)\(rowText), \(SampleShape.vector(0).place(of: column, columnNames: columnNames))"
    if content.isEmpty {
      return .malformed(name, "\(place) is empty", hint: "fill the value in, or drop the row or the column")
    }
    if isMissing(content) {
      return .malformed(
        name, "\(place): '\(printable(content))' is not a finite number",
        hint: "fill the value in, or drop the row or the column")
    }
    var at = cell.lowerBound
    if self.cell(&at, end: cell.upperBound)?.isInfinite == true {
      return .malformed(name, "\(place): '\(printable(content))' is too large for a 32-bit number", hint: "rescale it")
    }
    let decimalComma = separator != UInt8(ascii: ",") && content.contains(UInt8(ascii: ","))
    return .malformed(
      name, "\(place): '\(printable(content))' is not a number",
      hint: decimalComma
        ? "write decimal points instead of decimal commas"
        : row == nil
          ? "a header line holds no numbers: give every column a name, or correct this cell"
          : "drop columns of text, or turn them into numbers")
  }

  /// Whether a cell holds a word for a missing, infinite or undefined number.
  private func isMissing(_ content: some Collection<UInt8>, but exceptions: Set<String> = []) -> Bool {
    guard content.count <= 9 else { return false }
    let word = String(decoding: content, as: UTF8.self).lowercased()
    return missingWords.contains(word) && !exceptions.contains(word)
  }

  /// Returns the cells of a line with their quotes and spaces. It is slow and is meant for headers and messages.
  private func cells(_ line: Range<Int>) -> [Range<Int>] {
    var (cells, start, quoted): ([Range<Int>], Int, Bool) = ([], line.lowerBound, false)
    for at in line {
      if text[at] == Self.quote { quoted.toggle() }
      if text[at] == separator, !quoted {
        cells.append(start..<at)
        start = at + 1
      }
    }
    cells.append(start..<line.upperBound)
    return cells
  }

  private func trimmed(_ cell: Range<Int>) -> Range<Int> {
    var (start, end) = (cell.lowerBound, cell.upperBound)
    while start < end, [Self.space, Self.carriageReturn].contains(text[start]) { start += 1 }
    while end > start, [Self.space, Self.carriageReturn].contains(text[end - 1]) { end -= 1 }
    return start..<end
  }

  private func unquoted(_ cell: Range<Int>) -> Range<Int> {
    let cell = trimmed(cell)
    guard cell.count >= 2, text[cell.lowerBound] == Self.quote, text[cell.upperBound - 1] == Self.quote else {
      return cell
    }
    return cell.lowerBound + 1..<cell.upperBound - 1
  }

  private func isNumber(_ cell: Range<Int>) -> Bool {
    let cell = trimmed(cell)
    var at = cell.lowerBound
    return self.cell(&at, end: cell.upperBound) != nil && at == cell.upperBound
  }
}

private let infinities: Set<String> = ["inf", "-inf", "+inf", "infinity", "-infinity"]
private let missingWords = infinities.union(["nan", "-nan", "na", "n/a", "null", "none", "?"])

/// The cells of one line.
struct CSVRow: TableRow {
  fileprivate let text: CSVText
  fileprivate let cells: [Range<Int>]

  func number(_ column: Int) -> Float? { text.number(in: cells[column]) }

  func text(_ column: Int) -> String { number(column)?.isNaN == true ? "" : text.word(in: cells[column]) }
}

extension UnsafePointer<UInt8> {
  fileprivate subscript(range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: self + range.lowerBound, count: range.count)
  }
}
