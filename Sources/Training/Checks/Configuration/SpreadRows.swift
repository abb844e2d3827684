import Communication
import Data
import Kernels

/// Number of rows that are read from a data set in which decoding a row takes milliseconds.
private let decodedRows = 32

/// Returns samples that are evenly spaced over the first `count` samples of a data set, as many as the spectrum of the
/// data requires. The samples are row-major, as training sees them, with 0 in place of missing values, and the same on
/// every rank. Collective.
///
/// - Parameter share: The samples that this rank can read. Ranks have consecutive shares.
package func spreadRows(
  of data: Dataset, count: Int, share: Range<Int>, _ communicator: Communicator, _ clock: PhaseClock
) throws(Failure) -> [Float] {
  let whole = PrincipalSpectrum.samples(of: count, width: data.shape.elementCount)
  let wanted = data.isDecoded ? min(whole, decodedRows) : whole
  let indices = (0..<wanted).map { $0 * count / wanted }.filter(share.contains)
  let mine = try communicator.together(keepingAlive: clock) { () throws(Failure) in try rows(indices, of: data) }
  return try communicator.gather(mine.withUnsafeBytes { [UInt8]($0) }).flatMap { part in
    part.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }
}

private func rows(_ indices: [Int], of data: Dataset) throws(Failure) -> [Float] {
  let values = Buffer(count: indices.count * data.shape.elementCount)
  var failure: Failure?
  indices.withUnsafeBufferPointer { indices in
    do throws(Failure) { try data.fill(indices, into: values.base) } catch { failure = error }
  }
  if let failure { throw failure }
  vd_observed(values.base, nil, values.base, values.count)
  return Array(UnsafeBufferPointer(start: values.base, count: values.count))
}
