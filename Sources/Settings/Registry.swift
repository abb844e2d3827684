import Kernels

/// One of the things that a key chooses from by name, such as a prior: what it is called, which settings it reads, and how
/// it is made of what is known.
package struct Member<Known, Product>: Sendable {
  package let name: String
  /// In a few words, for the help of the key that chooses.
  package let help: String
  /// All that it reads, its own and those it shares with others.
  package let settings: [any SettingDeclaration]
  package let make: @Sendable (Known) throws(Failure) -> Product

  package init(
    _ name: String, help: String = "", settings: [any SettingDeclaration] = [],
    make: @escaping @Sendable (Known) throws(Failure) -> Product
  ) {
    (self.name, self.help, self.settings, self.make) = (name, help, settings, make)
  }
}

/// The members that a key chooses from, in the order in which they are listed.
package struct Registry<Known, Product>: Sendable {
  /// What a member is: a prior, a likelihood.
  private let noun: String
  /// The key that chooses.
  package let key: String
  package var members: [Member<Known, Product>]

  package init(_ noun: String, key: String, _ members: [Member<Known, Product>]) {
    (self.noun, self.key, self.members) = (noun, key, members)
  }

  package var names: [String] { members.map(\.name) }

  package func make(_ name: String, _ known: Known) throws(Failure) -> Product {
    guard let member = members.first(where: { $0.name == name }) else {
      throw Failure(
        .badConfiguration, "there is no \(noun) '\(name)'",
        hint: "\(key) is one of: " + names.joined(separator: ", "))
    }
    return try member.make(known)
  }
}

/// What the schema of configurations needs to know of a registry.
package protocol SettingSource: Sendable {
  /// The key that chooses.
  var key: String { get }
  var names: [String] { get }
  /// By member.
  var settings: [(name: String, settings: [any SettingDeclaration])] { get }
}

extension Registry: SettingSource {
  package var settings: [(name: String, settings: [any SettingDeclaration])] {
    members.map { ($0.name, $0.settings) }
  }
}
