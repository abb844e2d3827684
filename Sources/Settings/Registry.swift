import Kernels

/// A member of a registry, such as a prior: its name, the settings that it reads, and a function that makes it.
package struct Member<Known, Product>: Sendable {
  package let name: String
  /// A short description for the help of the registry's key.
  package let help: String
  /// All settings that the member reads, including those that it shares with other members.
  package let settings: [any SettingDeclaration]
  package let make: @Sendable (Known) throws(Failure) -> Product

  package init(
    _ name: String, help: String = "", settings: [any SettingDeclaration] = [],
    make: @escaping @Sendable (Known) throws(Failure) -> Product
  ) {
    (self.name, self.help, self.settings, self.make) = (name, help, settings, make)
  }
}

/// The members that a configuration key chooses from, in the order in which they are listed.
package struct Registry<Known, Product>: Sendable {
  /// The kind of member, such as "prior" or "likelihood", for messages.
  private let noun: String
  /// The key that chooses a member.
  package let key: String
  package var members: [Member<Known, Product>]

  package init(_ noun: String, key: String, _ members: [Member<Known, Product>]) {
    (self.noun, self.key, self.members) = (noun, key, members)
  }

  package var names: [String] { members.map(\.name) }

  /// Makes the member of this name. Throws if the registry has no such member.
  package func make(_ name: String, _ known: Known) throws(Failure) -> Product {
    guard let member = members.first(where: { $0.name == name }) else {
      throw Failure(
        .badConfiguration, "there is no \(noun) '\(name)'",
        hint: "\(key) is one of: " + names.joined(separator: ", "))
    }
    return try member.make(known)
  }
}

/// The part of a registry that the configuration schema reads.
package protocol SettingSource: Sendable {
  /// The key that chooses a member.
  var key: String { get }
  var names: [String] { get }
  /// The settings of each member.
  var settings: [(name: String, settings: [any SettingDeclaration])] { get }
}

extension Registry: SettingSource {
  package var settings: [(name: String, settings: [any SettingDeclaration])] {
    members.map { ($0.name, $0.settings) }
  }
}
