import Foundation
import Kernels
import Persistence
import Training

/// Produces `report.html`, a self-contained file without scripts that is well-formed XML.
package enum ReportPage {
  /// Returns the page of one run, or of several runs side by side.
  package static func text(_ runs: [RunRecord], now: Date = Date()) -> String {
    precondition(!runs.isEmpty, "ReportPage: no run")
    let title = runs.count == 1 ? runs[0].name : "\(runs.count) runs"
    let body = runs.count == 1 ? RunSections(run: runs[0]).markup : Comparison(runs: runs).markup
    return self.text(title: title, body, now: now)
  }

  /// Returns a page with the given title and body.
  package static func text(title: String, _ body: Markup, now: Date = Date()) -> String {
    let made = "Made by vae-dist \(programVersion), \(ISO8601DateFormatter().string(from: now))."
    // The policy forbids loading and scripts, whatever the names in a run contain.
    let policy: Markup = "default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;; img-src data:"
    let head: Markup = """
      <head>
      <meta charset="utf-8"/>
      <meta http-equiv="Content-Security-Policy" content="\(policy)"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <title>\(title) – vae-dist</title>
      <style>
      \(ReportStyle.sheet)
      </style>
      </head>
      """
    let page: Markup = """
      <!DOCTYPE html>
      <html lang="en" xmlns="http://www.w3.org/1999/xhtml">
      \(head)
      <body>
      \(body)
      <footer>\(made)</footer>
      </body>
      </html>

      """
    return page.text
  }

  /// Writes the page atomically.
  package static func write(_ runs: [RunRecord], to path: String) throws(Failure) {
    try DurableFile.write(text(runs), to: path)
  }

  /// Writes the page of a run that has ended to the run's directory.
  package static func write(ofRun path: String) throws(Failure) {
    do throws(Failure) { try write([try RunRecord(path)], to: path + "/report.html") } catch {
      throw Failure(error.status, "no report: \(error.message)", hint: "vae-dist report \(path) writes it again")
    }
  }

  /// Returns a section; empty if its body is empty.
  package static func section(_ title: String, _ body: Markup) -> Markup {
    body.text.isEmpty ? "" : "<section><h2>\(title)</h2>\n\(body)</section>\n"
  }

  package static func charts(_ figures: Markup) -> Markup {
    figures.text.isEmpty ? "" : "<div class=\"charts\">\n\(figures)</div>\n"
  }

  /// Returns a table that scrolls horizontally if it is wider than the page. The first `words` columns are text, the
  /// others numbers.
  package static func table(_ header: [String], _ rows: [[String]], words: Int = 1) -> Markup {
    func cells(_ row: [String], _ open: (String) -> Markup, _ close: Markup) -> [Markup] {
      row.enumerated().map { open($0.offset < words ? "name" : "number") + "\($0.element)" + close }
    }
    let head = cells(header, { "<th class=\"\($0)\">" }, "</th>")
    let body = rows.map { row -> Markup in "<tr>\(cells(row, { "<td class=\"\($0)\">" }, "</td>"))</tr>\n" }
    return "<div class=\"scroll\"><table><thead><tr>\(head)</tr></thead><tbody>\n\(body)</tbody></table></div>\n"
  }
}
