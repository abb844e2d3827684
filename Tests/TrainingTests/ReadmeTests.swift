import Foundation
import Testing
import RunConfiguration
import Training

@Suite struct ReadmeTests {
  @Test("docs/reference/options.md has every key with its default and meaning, and no others")
  func options() throws {
    let page = try String(
      contentsOf: DocumentationTests.root.appending(path: "docs/reference/options.md"), encoding: .utf8)
    let table = page.components(separatedBy: "## All keys\n").last?.split(separator: "\n").filter { $0.hasPrefix("|") }
    let keys = ConfigurationSchema.standard.markdown.split(separator: "\n")
    for row in keys {
      #expect(
        table?.contains(row) == true, "options.md lacks: \(row); `vae-dist train --print-options` prints the table")
    }
    #expect(table?.count == keys.count, "options.md has keys that do not exist")
  }
}
