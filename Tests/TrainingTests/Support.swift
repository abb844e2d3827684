import Kernels
import Testing

/// The failure that the work ends with; an issue when it ends well.
func failure(_ work: () throws(Failure) -> Void, _ location: SourceLocation = #_sourceLocation) -> Failure? {
  do throws(Failure) {
    try work()
    Issue.record("no failure", sourceLocation: location)
    return nil
  } catch {
    return error
  }
}
