import Foundation
import Persistence
import Testing

@Suite struct JSONTests {
  @Test("Texts are quoted so that they can be read back and stay on one line")
  func quoting() throws {
    for text in ["", "a", "\"", "\\", "\n\r\t\u{8}\u{c}\u{0}\u{1f}", "\u{7f}\u{2028}", "é日🧪", "\\u0041", "</script>"] {
      let line = JSON.object([(text, .text(text))]).text
      #expect(!line.unicodeScalars.contains { $0.value < 0x20 })
      #expect(try JSONDecoder().decode([String: String].self, from: Data(line.utf8)) == [text: text])
    }
  }

  @Test("Numbers can be read back to the same value, and values that are not finite become null")
  func numbers() throws {
    let values = [0, -1, 0.1, 1.0 / 3, 1e15, 999_999_999_999_999, 1e16, 1.5e300, 0x1p-1074, -2.5e-7, 1e22]
    let text = JSON.numbers(values).text
    #expect(try JSONDecoder().decode([Double].self, from: Data(text.utf8)) == values)
    #expect(JSON.numbers([.nan, .infinity, -.infinity]).text == "[null, null, null]")
    let mixed = JSON.array([.integer(.min), .flag(true), .null, .object([]), .array([])]).text
    #expect(mixed == "[-9223372036854775808, true, null, {}, []]")
  }
}
