import RunConfiguration

/// Something that goes wrong in training and shows in the history of its epochs. One file each, one line in
/// `Signs.all`.
package protocol Sign: Sendable {
  var name: String { get }
  /// Whether a collapse, once it is told, says it too.
  var isOfCollapse: Bool { get }
  /// What is to be said, while it holds.
  func examine(_ history: EpochHistory, _ context: SignContext) -> Finding?
}

extension Sign {
  package var isOfCollapse: Bool { false }
}

package struct SignContext: Sendable {
  package var configuration: Configuration
  /// Dimensions of a sample.
  package var elements: Int

  package init(_ configuration: Configuration, elements: Int) {
    (self.configuration, self.elements) = (configuration, elements)
  }
}

/// Tells each sign once, and again when it had been gone for a while.
package struct Signs: Sendable, Equatable, Codable {
  package static let all: [any Sign] = [
    DeadFromStart(), Collapsing(), ExplodingKL(), StuckReconstruction(), Overfitting(), SlowRank(),
  ]

  package private(set) var history = EpochHistory()
  /// The last epoch in which each was seen.
  private(set) var seen: [String: Int] = [:]
  private static let forgottenAfter = 10

  package init() {}

  /// The findings that are news. `isCollapseTold`: the collapse itself has been.
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
