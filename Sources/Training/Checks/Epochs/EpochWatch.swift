import RunConfiguration

/// Checks a run after each epoch. Reports each finding once, and again if it returns after a long absence. It is part
/// of a checkpoint.
package struct EpochWatch: Sendable, Equatable, Codable {
  package private(set) var history = EpochHistory()
  /// The last epoch in which each check had a finding, by the name of the check.
  private(set) var seen: [String: Int] = [:]
  private static let forgottenAfter = 10

  package init() {}

  /// Adds an epoch to the history and returns the findings that are new.
  ///
  /// - Parameters:
  ///   - elements: Dimensions of a sample.
  ///   - isCollapseTold: Whether a posterior collapse was already reported.
  package mutating func news(
    _ point: EpochHistory.Point, _ configuration: Configuration, elements: Int, isCollapseTold: Bool
  ) -> [Finding] {
    history.add(point)
    return EpochChecks.all.findings(in: EpochFacts(history, configuration, elements: elements)).filter { finding in
      let last = seen.updateValue(point.epoch, forKey: finding.check)
      let isNews = last.map { point.epoch - $0 > EpochWatch.forgottenAfter } ?? true
      return isNews && !(isCollapseTold && EpochChecks.ofCollapse.contains(finding.check))
    }
  }

  var fault: String? {
    history.fault ?? (seen.values.allSatisfy((0...1 << 53).contains) ? nil : "seen has an epoch that never was")
  }
}
