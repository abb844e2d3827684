import Foundation
import Kernels
import RunConfiguration
import Settings
import TestSupport
import Testing

@Suite struct ConfigurationFileTests {
  @Test("Errors in a configuration name the file and the line")
  func lines() {
    let cases: [(yaml: String, start: String, hint: String)] = [
      ("version: 1\nmodel:\n  latent: 3\n  latnet: 4\n", "run.yaml:4: there is no key 'model.latnet'", "model.latent?"),
      ("model:\n\n  latent: none\n", "run.yaml:3: model.latent: 'none' is not a whole number", "size of z"),
      ("modell:\n  latent: 3\n", "run.yaml:1: there is no key 'modell'", ""),
      ("# x\nobjective:\n  beta: 4\n", "run.yaml:3: objective.beta is a section", "below it"),
      ("model:\n  latent:\n    size: 3\n", "run.yaml:2: model.latent is not a section", "one value"),
      ("version: 2\n", "run.yaml:1: version 2", "version 1"),
      ("- model\n- latent\n", "run.yaml: not a mapping", "version: 1"),
      ("just text\n", "run.yaml: not a mapping", ""),
      ("model:\n  latent: [3]\n", "run.yaml:2: model.latent: '[3]' is not a whole number", ""),
      ("model:\n  hidden: [[1], 2]\n", "run.yaml:2: model.hidden", ""),
      ("model: {latent: 3, latent: 4}\n", "run.yaml", ""),
      ("? [a]\n: 3\n", "run.yaml", ""),
      ("model:\n  latent: 3\n bad", "run.yaml", ""),
      ("model:\n\tlatent: 3\n", "run.yaml", ""),
    ]
    for (yaml, start, hint) in cases {
      let error = failure { () throws(Failure) in _ = try readYAML(yaml) }
      #expect(error?.status == .badConfiguration, "\(yaml)")
      #expect(error?.message.hasPrefix(start) == true, "\(error?.message ?? "") for \(yaml)")
      #expect(hint.isEmpty || error?.hint?.contains(hint) == true, "\(error?.hint ?? "") for \(yaml)")
    }
  }

  @Test("Empty files, comments and empty sections change nothing")
  func empty() throws {
    for yaml in [
      "", "\n", "# nothing\n", "version: 1\n", "---\n", "model:\n", "model: {}\n", "{}", "\u{feff}version: 1\n",
      "--- # nothing\n",
    ] {
      #expect(try readYAML(yaml) == Configuration(), "\(yaml.debugDescription)")
    }
  }

  @Test("Flow style, quotes, comments and any order of keys can be used as in YAML")
  func styles() throws {
    let c = try readYAML("{train: {seed: 3}, model: {hidden: [5, 6], 'latent': \"7\"}} # end")
    #expect(c.train.seed == 3 && c[.hidden] == [5, 6] && c.model.latent == 7)
    let block = try readYAML("model:\n  hidden:\n    - 5\n    - 6 # last\nobjective:\n  beta:\n    end: 4\n")
    #expect(block[.hidden] == [5, 6] && block.objective.betaEnd == 4)
  }

  @Test("Aliases are refused, because they can make a small file grow without bound", .timeLimit(.minutes(10)))
  func aliases() {
    let plain = failure { () throws(Failure) in _ = try readYAML("model:\n  latent: &n 3\ntrain:\n  seed: *n\n") }
    #expect(plain?.message.contains("aliases") == true)
    // The "billion laughs" attack, as a value and as a key.
    for key in [false, true] {
      var yaml = "a0: &a0 [x, x]\n"
      for i in 1...40 { yaml += "a\(i): &a\(i) [*a\(i - 1), *a\(i - 1)]\n" }
      if key { yaml += "? *a40\n: 1\n" }
      let error = failure { () throws(Failure) in _ = try readYAML(yaml) }
      #expect(error?.status == .badConfiguration)
    }
    for form in [
      "a: *x", "*x", "- *x", "- - *x", "? *x", "[*x]", "[a,*x]", "{a: *x}", "{\"a\":*x}", "{*x : 1}", "--- *x",
      "a:\n  *x",
      "a: 'it''s'\nb: *x", "a: \"\\\"\"\nb: *x", "a: don't\nb: *x", "a: &b !!str *x", "a: b # '\nc: *x",
      "a: x#'\nb: *x",
    ] {
      let error = failure { () throws(Failure) in _ = try readYAML(form) }
      #expect(error?.message.hasSuffix("aliases are not supported") == true, "\(form)")
    }
    // A star that is not an alias is kept.
    let configuration = try? readYAML("# *not* an alias\ndata:\n  source: \"*.csv\" # *a\n  validation: a*b *c\n")
    #expect(configuration?.data.source == "*.csv" && configuration?.data.validation == "a*b *c")
  }

  @Test("Deep nesting is refused without recursion", .timeLimit(.minutes(10)))
  func deepNesting() {
    let depth = 100_000
    var stairs = ""
    for level in 0..<1_400 { stairs += String(repeating: " ", count: level) + "a:\n" }
    let texts = [
      String(repeating: "[", count: depth),
      "model: " + String(repeating: "[", count: depth) + String(repeating: "]", count: depth),
      String(repeating: "{a: ", count: depth), String(repeating: "- ", count: depth) + "a",
      String(repeating: "? ", count: depth),
      stairs, "model:\n  hidden: " + String(repeating: "[", count: 900) + String(repeating: "]", count: 900),
    ]
    for text in texts {
      let error = failure { () throws(Failure) in _ = try readYAML(text) }
      #expect(error?.status == .badConfiguration, "\(text.prefix(20))")
      #expect((error?.description.count ?? 0) < 5_000)
    }
  }

  @Test("Files that are missing, too large, not text or not regular files are refused with the reason")
  func files() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "vae-dist-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func resolve(_ path: String) -> Failure? {
      failure { () throws(Failure) in
        _ = try Configuration.resolve(preset: nil, file: path, environment: [:], assignments: [], flags: [])
      }
    }
    let missing = folder.appending(path: "none.yaml").path
    #expect(resolve(missing)?.status == .missingInput && resolve(missing)?.message.contains(missing) == true)
    #expect(resolve(folder.path)?.status == .missingInput)
    var random = Random(state: 1)
    let contents: [(String, Data)] = [
      ("binary", Data((0..<4_096).map { _ in UInt8.random(in: 0...255, using: &random) })),
      ("latin1", Data([0x6d, 0xfc, 0x3a, 0x20, 0x31])), ("zeros", Data(repeating: 0, count: 100)),
      ("large", Data(repeating: 0x23, count: (1 << 20) + 1)), ("utf16", Data([0xff, 0xfe, 0x61, 0, 0x3a, 0])),
    ]
    for (name, data) in contents {
      let path = folder.appending(path: name).path
      try data.write(to: URL(filePath: path))
      let error = resolve(path)
      #expect(error?.status == .badConfiguration && error?.message.hasPrefix(path) == true, "\(name)")
      #expect(
        error?.message.allSatisfy { $0 == "\n" || $0.unicodeScalars.allSatisfy { $0.value >= 0x20 } } == true, "\(name)"
      )
    }
  }

  @Test("A mutated file gives a configuration or a failure with a message", .timeLimit(.minutes(2)))
  func fuzz() throws {
    let valid = Array(try readYAML("").yaml.utf8)
    var random = Random(state: 2024)
    let pieces = [
      "[", "]", "{", "}", ":", "- ", "&a ", "*a", "\"", "'", "\n", "\t", "#", "|", ">", "!", "%", "? ", "1e999", "~",
    ]
    .map { Array($0.utf8) }
    var accepted = 0, refused = 0
    for _ in 0..<3_000 {
      var bytes = valid
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.insert(contentsOf: pieces.randomElement(using: &random) ?? [], at: at)
        case 2: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...20, using: &random)))
        case 3:
          bytes.insert(
            contentsOf: bytes[at..<min(bytes.count, at + 40)], at: Int.random(in: 0..<bytes.count, using: &random))
        default: bytes = Array(bytes.prefix(max(1, at)))
        }
        if bytes.isEmpty { bytes = [0x0a] }
      }
      do throws(Failure) {
        let configuration = try readYAML(String(decoding: bytes, as: UTF8.self))
        accepted += 1
        // An accepted configuration can be printed and read back.
        let again = try readYAML(configuration.yaml)
        #expect(again == configuration)
      } catch {
        refused += 1
        #expect(error.status == .badConfiguration && error.message.hasPrefix("run.yaml"))
      }
    }
    #expect(accepted > 100 && refused > 1_000, "\(accepted) accepted, \(refused) refused")
  }
}
