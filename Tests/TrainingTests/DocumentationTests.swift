import Foundation
import Testing

/// Tests of the links and lengths of README.md, CONTRIBUTING.md and docs/.
@Suite struct DocumentationTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().standardizedFileURL

  static let pages: [String] = {
    let folder = FileManager.default.enumerator(atPath: root.appending(path: "docs").path)
    let found = folder?.compactMap { $0 as? String }.filter { $0.hasSuffix(".md") }.map { "docs/" + $0 } ?? []
    return ["README.md", "CONTRIBUTING.md"] + found.sorted()
  }()

  @Test("The pages of the documentation are found") func pagesExist() { #expect(Self.pages.count > 20) }

  @Test("Every relative link points to a file, and its anchor to a heading", arguments: pages)
  func links(page: String) throws {
    let folder = Self.root.appending(path: page).deletingLastPathComponent()
    for link in try Self.links(of: page) {
      let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let target = parts[0].isEmpty ? Self.root.appending(path: page) : folder.appending(path: parts[0])
      let file = target.standardizedFileURL
      #expect(FileManager.default.fileExists(atPath: file.path), "\(page) links to \(link), which does not exist")
      guard parts.count == 2, file.pathExtension == "md" else { continue }
      #expect(try Self.anchors(of: file).contains(parts[1]), "\(page) links to \(link), which is not a heading")
    }
  }

  @Test("Every page of docs/ is linked from another page")
  func reachable() throws {
    var linked: Set<String> = []
    for page in Self.pages {
      let folder = Self.root.appending(path: page).deletingLastPathComponent()
      for link in try Self.links(of: page) {
        let target = folder.appending(path: String(link.prefix { $0 != "#" })).standardizedFileURL
        if target.path != Self.root.appending(path: page).path { linked.insert(target.path) }
      }
    }
    for page in Self.pages where page.hasPrefix("docs/") {
      #expect(linked.contains(Self.root.appending(path: page).path), "no page links to \(page)")
    }
  }

  @Test(
    "README.md and docs/architecture.md stay short", arguments: [("README.md", 150), ("docs/architecture.md", 140)])
  func length(page: String, lines: Int) throws {
    #expect(try Self.text(page).split(separator: "\n", omittingEmptySubsequences: false).count - 1 <= lines)
  }

  private static func text(_ page: String) throws -> String {
    try String(contentsOf: root.appending(path: page), encoding: .utf8)
  }

  /// The targets of links and pictures of a page that are files of this repository.
  private static func links(of page: String) throws -> [String] {
    try text(page).matches(of: /\]\(([^)\s]+)\)/).map { String($0.output.1) }
      .filter { !$0.contains("://") && !$0.hasPrefix("mailto:") }
  }

  /// The anchors that GitHub gives to the headings of a page.
  private static func anchors(of file: URL) throws -> Set<String> {
    let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    return Set(
      lines.filter { $0.hasPrefix("#") }.map { line in
        line.drop { $0 == "#" }.dropFirst().lowercased()
          .filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_" }
          .replacingOccurrences(of: " ", with: "-")
      })
  }
}
