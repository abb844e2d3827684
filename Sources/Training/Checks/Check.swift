/// A check examines a subject, such as a configuration, the epochs of a run or a trained model, and returns findings.
///
/// Each check has a file of its own and one line in the list of its subject, for example `EpochChecks.all`.
package protocol Check<Subject>: Sendable {
  associatedtype Subject
  /// Returns what the check found, each with its evidence and advice; an empty array if there is nothing to report.
  func findings(in subject: Subject) -> [Finding]
}

extension Array {
  /// The findings of all checks of a list, in its order.
  package func findings<Subject>(in subject: Subject) -> [Finding] where Element == any Check<Subject> {
    flatMap { $0.findings(in: subject) }
  }
}
