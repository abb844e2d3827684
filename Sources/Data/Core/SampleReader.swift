import Kernels

/// Rows that can be read by number.
///
/// Each format has one file, with a reader of its own or a header parser for `ArrayReader`, and one line in `formats`.
package protocol SampleReader: AnyObject {
  /// The path as the user wrote it, for messages.
  var name: String { get }
  var count: Int { get }
  var shape: SampleShape { get }
  var element: ElementType { get }
  /// Column names from the header of a table.
  var columnNames: [String]? { get }
  /// The columns of a mixed table, whose rows may hold NaN.
  var schema: TableSchema? { get }
  /// SHA-256 of the content of the source, or of evenly spaced parts of a large source.
  var fingerprint: String { get }
  /// Makes the rows of `ranges` (sorted, disjoint) readable. Other rows need not be readable.
  func prepare(_ ranges: [Range<Int>]) throws(Failure)
  /// Writes the stored values of a prepared row as float32, (elementCount).
  func read(row: Int, into target: UnsafeMutablePointer<Float>) throws(Failure)
  /// The bytes of a prepared row in place where its values are contiguous bytes; nil otherwise.
  func bytes(ofRow row: Int) -> UnsafePointer<UInt8>?
  /// The 1-based line of a row in a text file; nil for other sources.
  func line(ofRow row: Int) -> Int?
  /// Whether every read of a row decodes it, which takes some milliseconds.
  var isDecoded: Bool { get }
  /// Names of the generative factors where they are known.
  var factorNames: [String]? { get }
  /// Returns the value of each factor of a row as an integer from 0.
  func factors(ofRow row: Int) -> [Int]
  /// Returns the time of each row of a table as text; nil where there are no times.
  func times() throws(Failure) -> [String]?
  /// The names of the labels 0, 1, ..., where labels have names.
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

/// Integer labels of a source's rows. They are read on first use.
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
  /// A failure for malformed content; the message begins with the file's name.
  static func malformed(_ name: String, _ what: String, hint: String? = nil) -> Failure {
    Failure(.badData, "\(name): \(what)", hint: hint)
  }
}

/// Returns `ranges` in ascending order, without empty ranges and with ranges that touch or overlap merged.
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
