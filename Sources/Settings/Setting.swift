/// A configuration key: its path, default value, help text and valid values.
///
/// The code that reads a key declares it. A registry member declares its settings next to its `make`, as static
/// properties in an extension of `Setting`, so that `settings[.name]` reads a setting. A setting that several members
/// read is declared once.
package struct Setting<Value: ConfigurationValue>: SettingDeclaration {
  /// Section and name, such as `model.flow_layers`.
  package let path: String
  package let standard: Value
  package let help: String
  /// Describes the valid values, for messages.
  private let requirement: String
  private let holds: @Sendable (Value) -> Bool

  package init(
    _ path: String, _ standard: Value, _ help: String, _ requirement: String = "",
    where holds: @escaping @Sendable (Value) -> Bool = { _ in true }
  ) {
    (self.path, self.standard, self.help) = (path, standard, help)
    (self.requirement, self.holds) = (requirement, holds)
  }

  package var isListOfWords: Bool { Value.self == [String].self }

  package func set(_ text: String, in values: inout SettingValues) -> String? {
    read(text, into: &values[self], requirement: requirement, where: holds)
  }
  package func text(in values: SettingValues) -> String { values[self].configurationText }
}

/// A `Setting` of any value type.
package protocol SettingDeclaration: Sendable {
  var path: String { get }
  var help: String { get }
  var isListOfWords: Bool { get }
  /// Sets the value from the text of a YAML scalar. Returns an error message, or nil if the text is valid.
  func set(_ text: String, in values: inout SettingValues) -> String?
  func text(in values: SettingValues) -> String
}

/// The values of settings. A setting that was never set has its default value.
package struct SettingValues: Sendable, Equatable {
  /// The values that differ from the default, by path.
  private var values: [String: any ConfigurationValue] = [:]

  package init() {}

  package subscript<Value>(_ setting: Setting<Value>) -> Value {
    get { values[setting.path] as? Value ?? setting.standard }
    set { values[setting.path] = newValue == setting.standard ? nil : newValue }
  }

  package static func == (a: SettingValues, b: SettingValues) -> Bool {
    func isSame<Value: ConfigurationValue>(_ value: Value, _ other: any ConfigurationValue) -> Bool {
      other as? Value == value
    }
    return a.values.count == b.values.count
      && a.values.allSatisfy { path, value in b.values[path].map { isSame(value, $0) } ?? false }
  }
}

/// Reads a value from the text of a YAML scalar. Returns an error message, or nil if the text is valid.
package func read<Value: ConfigurationValue>(
  _ text: String, into place: inout Value, requirement: String, where holds: (Value) -> Bool
) -> String? {
  guard let value = Value(configurationText: text) else {
    return misfit(text, Value.expectation, among: Value.choices)
  }
  guard holds(value) else { return "\(text) is not \(requirement)" }
  place = value
  return nil
}
