import Data
import Foundation
import Kernels
import Persistence
import Settings
import Training

/// The results of `data inspect` as text and JSON.
package struct InspectionReport {
  private let parts: [(name: String, inspection: Inspection)]
  private let advice: LikelihoodAdvice

  package init(train: Inspection, valid: Inspection?) {
    parts = [("samples", train)] + (valid.map { [("validation", $0)] } ?? [])
    advice = LikelihoodAdvice(train)
  }

  /// Whether every row is readable and finite.
  package var isSound: Bool { parts.allSatisfy(\.inspection.isSound) }

  // MARK: Text

  private static let columnsShown = 40, constantsShown = 5

  package var text: String {
    var lines = parts.flatMap { Self.lines($0.name, $0.inspection) }
    func line(_ name: String, _ text: String) { lines.append(Self.line(name, text)) }
    for (number, entry) in advice.kinds.enumerated() {
      let verdict = entry.suits ? "suits" : "does not suit: \(entry.reason)"
      line(number == 0 ? "likelihood" : "", "\(entry.kind): \(verdict)")
    }
    let settings = advice.settings.isEmpty ? "" : " with \(advice.settings)"
    line("advised", "model.likelihood=\(advice.advised)\(settings) (\(advice.reason))")
    if let components = parts[0].inspection.components {
      line("", "model.latent=\(components) at most: this number of principal components explains 99 % of the variance")
    }
    return lines.joined(separator: "\n")
  }

  private static func line(_ name: String, _ text: String) -> String { name.padding(to: 12) + text }

  private static func lines(_ name: String, _ found: Inspection) -> [String] {
    let moments = found.moments, shape = found.shape
    var lines = [line(name, "\(found.name.printable): \(found.count) x \(shape) \(found.element.rawValue)")]
    if moments.count > 0 {
      let all = found.overall()
      let kind = found.isBinary ? ", all 0 or 1" : found.isWhole ? ", whole numbers" : ""
      lines.append(
        line(
          "values",
          "\(moments.smallest, .significant(6)) to \(moments.largest, .significant(6)), "
            + "mean \(all.mean, .significant(6)), standard deviation \(all.deviation, .significant(6))\(kind)"))
      if shape.channels > 1 {
        let means = (0..<shape.channels).map { channel in
          let one = found.overall(channel: channel)
          return "\(one.mean, .significant(6)) (\(one.deviation, .significant(6)))"
        }
        lines.append(line("channels", means.joined(separator: ", ")))
      }
    }
    if !shape.isImage { lines += columns(found) }
    lines.append(line("constant", constants(found)))
    lines += faults(found)
    if let pair = found.firstDuplicate {
      lines.append(
        line(
          "duplicates",
          "\(found.duplicates) rows equal an earlier row; the first: row \(pair.row) equals row \(pair.of)"))
    } else {
      lines.append(line("duplicates", "none"))
    }
    if let classes = found.classes {
      let shown = classes.prefix(columnsShown).map { "\(className($0.label, found)) \($0.count)" }
      let more = classes.count > columnsShown ? ", ..." : ""
      lines.append(line("classes", "\(classes.count): \(shown.joined(separator: ", "))\(more)"))
    }
    if let factors = found.factorNames { lines.append(line("factors", factors.joined(separator: ", "))) }
    return lines
  }

  private static func className(_ label: Int, _ found: Inspection) -> String {
    guard let names = found.classNames, names.indices.contains(label) else { return "\(label):" }
    return "\(names[label].printable):"
  }

  private static func columns(_ found: Inspection) -> [String] {
    let moments = found.moments
    guard moments.count > 0 else { return [] }
    let header = ["column", "minimum", "maximum", "mean", "deviation"].map { $0.padding(to: 12) }.joined()
    return [line("", header)]
      + (0..<min(moments.width, columnsShown)).map { j in
        let name = found.columnNames.map { $0[j].printable } ?? "\(j + 1)"
        let numbers = [moments.minimum[j], moments.maximum[j], moments.mean[j], moments.variance(j).squareRoot()]
        return line("", ([name] + numbers.map { "\($0, .significant(6))" }).map { $0.padding(to: 12) }.joined())
      } + (moments.width > columnsShown ? [line("", "... \(moments.width - columnsShown) more")] : [])
  }

  private static func constants(_ found: Inspection) -> String {
    let constants = found.constants
    guard !constants.isEmpty else { return "none" }
    let places = constants.prefix(constantsShown).map {
      "\(found.shape.place(of: $0, columnNames: found.columnNames)) is \(found.moments.minimum[$0], .significant(6))"
    }
    let more = constants.count > constantsShown ? ", ..." : ""
    return "\(constants.count) of \(found.moments.width): \(places.joined(separator: ", "))\(more)"
  }

  private static func faults(_ found: Inspection) -> [String] {
    guard !found.isSound else { return [line("faults", "none: every value is a finite number")] }
    var lines: [String] = []
    if found.brokenRows > 0 {
      lines.append(line("faults", "\(found.brokenRows) rows have values that are not finite; the first:"))
      lines += found.notFinite.map { line("", "row \($0.row), \($0.place): \($0.value)") }
    }
    if found.unreadableRows > 0 {
      lines.append(line("faults", "\(found.unreadableRows) samples cannot be read; the first:"))
      lines += found.unreadable.map { line("", $0.message) }
    }
    return lines
  }

  // MARK: JSON

  package var json: JSON {
    let settings = JSON.object([
      ("likelihood", .text(advice.advised)), ("settings", .text(advice.settings)),
      ("reason", .text(advice.reason)),
    ])
    return .object([
      ("train", Self.json(parts[0].inspection)), ("valid", parts.count > 1 ? Self.json(parts[1].inspection) : .null),
      (
        "likelihoods",
        .object(
          advice.kinds.map {
            ($0.kind, .object([("suits", .flag($0.suits)), ("reason", .text($0.reason))]))
          })
      ), ("advised", settings), ("components", parts[0].inspection.components.map(JSON.integer) ?? .null),
    ])
  }

  private static func json(_ found: Inspection) -> JSON {
    let moments = found.moments, shape = found.shape, all = found.overall(), isEmpty = moments.count == 0
    let extents = shape.isImage ? [shape.height, shape.width, shape.channels] : [shape.width]
    func number(_ value: Double) -> JSON { isEmpty ? .null : .number(value) }
    let channels = (0..<shape.channels).map { channel in
      let one = found.overall(channel: channel)
      return JSON.object([("mean", number(one.mean)), ("standard_deviation", number(one.deviation))])
    }
    let columns = (0..<(shape.isImage ? 0 : moments.width)).map { j in
      JSON.object([
        ("name", found.columnNames.map { .text($0[j]) } ?? .null), ("minimum", number(moments.minimum[j])),
        ("maximum", number(moments.maximum[j])), ("mean", number(moments.mean[j])),
        ("standard_deviation", number(moments.variance(j).squareRoot())),
      ])
    }
    let classes = found.classes?.map { entry in
      let names = found.classNames
      let name = names.flatMap { $0.indices.contains(entry.label) ? JSON.text($0[entry.label]) : nil } ?? .null
      return JSON.object([("label", .integer(entry.label)), ("name", name), ("count", .integer(entry.count))])
    }
    return .object([
      ("name", .text(found.name)), ("samples", .integer(found.count)), ("shape", .array(extents.map(JSON.integer))),
      ("type", .text(found.element.rawValue)), ("minimum", number(moments.smallest)),
      ("maximum", number(moments.largest)), ("mean", number(all.mean)), ("standard_deviation", number(all.deviation)),
      ("binary", .flag(!isEmpty && found.isBinary)), ("whole_numbers", .flag(!isEmpty && found.isWhole)),
      ("channels", .array(channels)), ("columns", .array(columns)),
      ("constant", .array(found.constants.map(JSON.integer))), ("rows_not_finite", .integer(found.brokenRows)),
      (
        "not_finite",
        .array(found.notFinite.map { .object([("row", .integer($0.row)), ("place", .text($0.place))]) })
      ), ("samples_unreadable", .integer(found.unreadableRows)),
      ("unreadable", .array(found.unreadable.map { .text($0.message) })), ("duplicates", .integer(found.duplicates)),
      ("classes", classes.map(JSON.array) ?? .null),
      ("factors", found.factorNames.map { .array($0.map(JSON.text)) } ?? .null),
    ])
  }
}
