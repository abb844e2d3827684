import RunConfiguration

/// A sign of a problem in the history of a run's epochs. Each sign has a file of its own and an entry in `Signs.all`.
package protocol Sign: Sendable {
  var name: String { get }
  /// Whether the report of a posterior collapse makes this sign redundant.
  var isOfCollapse: Bool { get }
  /// Returns the finding while the sign is present; otherwise nil.
  func examine(_ history: EpochHistory, _ context: SignContext) -> Finding?
}

extension Sign {
  package var isOfCollapse: Bool { false }
}

/// The facts besides the history that signs examine.
package struct SignContext: Sendable {
  package var configuration: Configuration
  /// Dimensions of a sample.
  package var elements: Int

  package init(_ configuration: Configuration, elements: Int) {
    (self.configuration, self.elements) = (configuration, elements)
  }
}

/// Reports each sign once, and again if it returns after a long absence.
package struct Signs: Sendable, Equatable, Codable {
  package static let all: [any Sign] = [
    DeadFromStart(), Collapsing(), ExplodingKL(), StuckReconstruction(), Overfitting(), SlowRank(),
  ]

  package private(set) var history = EpochHistory()
  /// The last epoch in which each sign was present.
  private(set) var seen: [String: Int] = [:]
  private static let forgottenAfter = 10

  package init() {}

  /// Adds an epoch to the history and returns the findings that are new.
  ///
  /// - Parameter isCollapseTold: Whether a posterior collapse was already reported.
  package mutating func news(
    _ point: EpochHistory.Point, _ context: SignContext, isCollapseTold: Bool
  ) -> [Finding] {
    history.add(point)
    return Signs.all.compactMap { sign in
      guard let finding = sign.examine(history, context) else { return nil }
      let last = seen.updateValue(point.epoch, forKey: sign.name)
      let isNews = last.map { point.epoch - $0 > Signs.forgottenAfter } ?? true
      return isNews && !(sign.isOfCollapse && isCollapseTold) ? finding : nil
    }
  }

  var fault: String? {
    history.fault ?? (seen.values.allSatisfy((0...1 << 53).contains) ? nil : "seen has an epoch that never was")
  }
}
