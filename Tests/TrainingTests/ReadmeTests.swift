import Configuration
import Foundation
import Testing
import Training

@Suite struct ReadmeTests {
  @Test("The README lists every key with its default and meaning")
  func options() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
    for row in ConfigurationSchema.standard.markdown.split(separator: "\n") {
      #expect(readme.contains(row), "README.md lacks: \(row); `vae-dist train --print-options` prints the table")
    }
  }
}
