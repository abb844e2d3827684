import Foundation
import FoundationXML

/// A page that was parsed as XML.
final class ParsedPage: NSObject, XMLParserDelegate {
  private(set) var elements: [(name: String, attributes: [String: String])] = []
  private(set) var words = ""
  private(set) var error: String?

  init(_ text: String) {
    super.init()
    let parser = XMLParser(data: Data(text.utf8))
    parser.delegate = self
    if !parser.parse() {
      error = "line \(parser.lineNumber), column \(parser.columnNumber): \(parser.parserError.map { "\($0)" } ?? "?")"
    }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) { elements.append((name, attributes)) }

  func parser(_ parser: XMLParser, foundCharacters string: String) { words += string }

  func count(_ name: String) -> Int { elements.count { $0.name == name } }

  /// Parts that could run or load something: scripts, frames, handlers, and addresses except embedded pictures.
  var dangers: [String] {
    let harmless = Set([
      "html", "head", "meta", "title", "style", "body", "header", "section", "footer", "h1", "h2", "h3",
      "p", "b", "br", "span", "ul", "li", "div", "figure", "figcaption", "img", "svg", "path", "rect", "circle", "text",
      "g",
      "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "dl", "dt", "dd", "pre",
    ])
    return elements.flatMap { element -> [String] in
      var found = harmless.contains(element.name) ? [] : ["<\(element.name)>"]
      for (name, value) in element.attributes {
        let isPicture = name == "src" && value.hasPrefix("data:image/png;base64,")
        if name.hasPrefix("on") || ["style", "href", "srcdoc"].contains(name) || (name == "src" && !isPicture) {
          found.append("\(element.name) \(name)=\(value.prefix(60))")
        }
      }
      return found
    }
  }
}
