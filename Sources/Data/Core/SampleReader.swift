import Kernels

/// Rows that can be read by number.
///
/// Each format has one file, with its own reader or a header parser for `ArrayReader`, and one line in `formats`.
package protocol SampleReader: AnyObject {
  /// The path as the user wrote it, for messages.
  var name: String { get }
  var count: Int { get }
  var shape: SampleShape { get }
  var element: ElementType { get }
  /// The header of a table.
  var columnNames: [String]? { get }
  /// What the columns of a mixed table are; its rows may hold NaN.
  var schema: TableSchema? { get }
  /// SHA-256 of the source's content, or of evenly spaced parts of a large one.
  var fingerprint: String { get }
  /// Makes the rows of `ranges` (sorted, disjoint) readable; no other row needs to be.
  func prepare(_ ranges: [Range<Int>]) throws(Failure)
  /// The stored values of a prepared row as float32, (elementCount).
  func read(row: Int, into target: UnsafeMutablePointer<Float>) throws(Failure)
  /// A prepared row in place where values are stored as u8 next to each other, else nil.
  func bytes(ofRow row: Int) -> UnsafePointer<UInt8>?
  /// The 1-based line of a row in a text file, else nil.
  func line(ofRow row: Int) -> Int?
  /// Whether a row is decoded whenever it is read: some milliseconds.
  var isDecoded: Bool { get }
  /// What each sample was made from, where that is known.
  var factorNames: [String]? { get }
  /// A whole number from 0 for each of `factorNames`.
  func factors(ofRow row: Int) -> [Int]
  /// When each row of a table was, in its own words; nil where that is not known.
  func times() throws(Failure) -> [String]?
  /// The names of the labels 0, 1, ..., where they have some.
  var classNames: [String]? { get }
}

extension SampleReader {
  package var columnNames: [String]? { nil }
  package var schema: TableSchema? { nil }
  package func bytes(ofRow row: Int) -> UnsafePointer<UInt8>? { nil }
  package func line(ofRow row: Int) -> Int? { nil }
  package var isDecoded: Bool { false }
  package var factorNames: [String]? { nil }
  package func factors(ofRow row: Int) -> [Int] { [] }
  package var classNames: [String]? { nil }
  package func times() throws(Failure) -> [String]? { nil }
}

/// Whole-number labels of a source's rows, read when first asked for.
final class Labels {
  private let read: () throws(Failure) -> [Int]
  private var values: [Int]?

  init(_ read: @escaping () throws(Failure) -> [Int]) {
    self.read = read
  }

  func load() throws(Failure) -> [Int] {
    if let values { return values }
    let loaded = try read()
    values = loaded
    return loaded
  }
}

extension Failure {
  /// Malformed content: the message names the file.
  static func malformed(_ name: String, _ what: String, hint: String? = nil) -> Failure {
    Failure(.badData, "\(name): \(what)", hint: hint)
  }
}

/// `ranges` sorted, merged where they touch, empty ones dropped.
func merged(_ ranges: [Range<Int>]) -> [Range<Int>] {
  var result: [Range<Int>] = []
  for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
    if let last = result.last, range.lowerBound <= last.upperBound {
      result[result.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
    } else {
      result.append(range)
    }
  }
  return result
}
