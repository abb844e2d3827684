import Foundation
import TestSupport
import Testing
import Training

@testable import Reporting

/// The path of a Chromium, if there is one.
private let browser: String? = {
  if let named = ProcessInfo.processInfo.environment["VAE_DIST_TEST_BROWSER"], !named.isEmpty { return named }
  let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
  return folders.flatMap { folder in ["chromium", "chromium-browser", "google-chrome"].map { "\(folder)/\($0)" } }
    .first(where: FileManager.default.isExecutableFile)
}()

/// Tests of the layout of the report in a browser.
@Suite(.serialized, .enabled(if: browser != nil, "no chromium here; VAE_DIST_TEST_BROWSER names one"))
struct BrowserTests {
  /// The layout of the page, measured by a script in a copy of it.
  private struct Probe: Decodable {
    var width: Double
    var pageWidth: Double
    var errors: [String]
    /// Elements that reach beyond the sides of the page, except for those that scroll.
    var outside: [String]
    /// Words of a chart that overlap with another word or are cut.
    var clashes: [String]
    var charts: Int
    var words: Int
    var pictures: Int
    var brokenPictures: Int
    var background: String
    var smallestFont: Double
  }

  private static let script = """
    <script>
    const errors = [];
    addEventListener('error', e => errors.push(String(e.message)));
    addEventListener('securitypolicyviolation', e => errors.push(e.violatedDirective));
    addEventListener('load', () => {
      const width = document.documentElement.clientWidth;
      const name = e => e.tagName + '.' + e.getAttribute('class') + ' ' + (e.textContent || '').slice(0, 40);
      const outside = [...document.body.querySelectorAll('*')].filter(e => {
        if (e.closest('.scroll') && !e.matches('.scroll')) return false;
        const box = e.getBoundingClientRect();
        return box.width > 0 && (box.right > width + 0.5 || box.left < -0.5);
      }).map(name);
      const clashes = []; let words = 0, smallest = 100;
      const charts = [...document.querySelectorAll('svg[role=img]')];
      for (const chart of charts) {
        const frame = chart.getBoundingClientRect();
        const scale = frame.width / chart.viewBox.baseVal.width;
        const texts = [...chart.querySelectorAll('text')].filter(t => t.textContent);
        const boxes = texts.map(t => t.getBoundingClientRect());
        words += texts.length;
        boxes.forEach((a, i) => {
          smallest = Math.min(smallest, parseFloat(getComputedStyle(texts[i]).fontSize) * scale);
          const isWhole = a.left >= frame.left - 1 && a.right <= frame.right + 1 && a.top >= frame.top - 1
            && a.bottom <= frame.bottom + 1;
          if (!isWhole)
            clashes.push('cut: ' + texts[i].textContent);
          boxes.forEach((b, j) => {
            if (j > i && a.left < b.right && b.left < a.right && a.top < b.bottom - 1.5 && b.top < a.bottom - 1.5)
              clashes.push(texts[i].textContent + ' on ' + texts[j].textContent);
          });
        });
      }
      const pictures = [...document.images];
      const found = {width, pageWidth: document.documentElement.scrollWidth, errors, outside, clashes,
        charts: charts.length, words, pictures: pictures.length,
        brokenPictures: pictures.filter(p => !p.naturalWidth).length,
        background: getComputedStyle(document.body).backgroundColor, smallestFont: smallest};
      parent.postMessage(btoa(unescape(encodeURIComponent(JSON.stringify(found)))), '*');
    });
    </script>
    """

  private func probe(_ html: String, width: Int, isDark: Bool = false) throws -> Probe {
    let scratch = try Scratch()
    // No script may run in the page itself, so the copy allows and contains the script.
    let policy = try #require(
      html.range(of: #"<meta http-equiv="Content-Security-Policy"[^>]*/>"#, options: .regularExpression))
    let copy = html.replacingCharacters(in: policy, with: BrowserTests.script)
    _ = try scratch.write("page.html", Array(copy.utf8))
    // A window has a minimum width, but a frame has none.
    let frame = """
      <!DOCTYPE html><body><iframe src="page.html" style="border:0;width:\(width)px;height:20000px"></iframe><script>
      addEventListener('message', e => { document.body.append('PROBE' + e.data + 'END'); });
      </script></body>
      """
    let outer = try scratch.write("frame.html", Array(frame.utf8))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: browser ?? "")
    process.arguments =
      [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--allow-file-access-from-files", "--user-data-dir=\(scratch.path)/profile", "--window-size=1300,4000",
        "--virtual-time-budget=5000", "--dump-dom", "file://\(outer)",
      ] + (isDark ? ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] : [])
    let output = scratch.path + "/out"
    try writeFile([], at: output)
    process.standardOutput = FileHandle(forWritingAtPath: output)
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    let text = try String(contentsOfFile: output, encoding: .utf8)
    let found = try #require(text.firstMatch(of: /PROBE([A-Za-z0-9+\/=]+)END/), "no answer: \(text.suffix(300))")
    let answer = try #require(Data(base64Encoded: String(found.1)))
    return try JSONDecoder().decode(Probe.self, from: answer)
  }

  private func check(_ html: String, width: Int, charts: Int, sourceLocation: SourceLocation = #_sourceLocation) throws
  {
    let probe = try probe(html, width: width)
    #expect(probe.width == Double(width) && probe.pageWidth <= Double(width), sourceLocation: sourceLocation)
    #expect(probe.errors == [] && probe.outside == [], sourceLocation: sourceLocation)
    #expect(probe.clashes == [], sourceLocation: sourceLocation)
    #expect(probe.charts == charts && probe.words > 8 * charts, sourceLocation: sourceLocation)
    #expect(probe.brokenPictures == 0, sourceLocation: sourceLocation)
    #expect(probe.smallestFont >= 9.5, sourceLocation: sourceLocation)
  }

  @Test("No text of a report overlaps, is cut or reaches beyond the page", arguments: [390, 700, 1_200])
  func fits(width: Int) throws {
    let long = String(repeating: "long", count: 60)
    let run = try PlantedRun(
      units: 64, ranks: 64,
      events: [
        #"{"kind": "rollback", "step": 40, "failing_step": 44, "rank": 1, "operation": "\#(long)"}"#,
        #"{"kind": "resume", "step": 150, "ranks": 2, "data": "\#(long)"}"#,
      ])
    try run.write(
      "latent/map.csv", "# 500 points\nx,y,label\n" + (0..<500).map { "\($0 % 37),\($0 % 23),\($0 % 12)\n" }.joined())
    try run.write("command.txt", long)
    try run.append("config.yaml", Array("\(long): \(long)\n".utf8))
    try check(ReportPage.text([run.record()]), width: width, charts: 11)
  }

  @Test("Numbers of every size fit into the report", arguments: [1e-9, 1e-3, 1, 1e5, 1e12, -1e7])
  func sizes(scale: Double) throws {
    let run = try PlantedRun(epochs: 40, units: 3) { scale * (1 + 1 / Double($0)) }
    try check(ReportPage.text([run.record()]), width: 390, charts: 10)
    let unequal = try PlantedRun(epochs: 40, units: 3, train: { scale * (1 + 1 / Double($0)) })
    try check(ReportPage.text([unequal.record()]), width: 390, charts: 10)
  }

  @Test("Reports of one to ten thousand epochs fit into the page", arguments: [1, 2, 7, 10_000])
  func lengths(epochs: Int) throws {
    try check(ReportPage.text([PlantedRun(epochs: epochs).record()]), width: 390, charts: 10)
  }

  @Test("A report on several runs fits into the page", arguments: [390, 1_200])
  func several(width: Int) throws {
    let runs = try (0..<9).map { index in
      try PlantedRun(name: "a-run-with-a-rather-long-name-\(index)", units: 4 + index) {
        90 + Double(index) + 9 / Double($0)
      }
    }
    try check(ReportPage.text(runs.map { try $0.record() }), width: width, charts: 6)
  }

  @Test("A report is dark if the reader's system is")
  func dark() throws {
    let html = ReportPage.text([try PlantedRun().record()])
    #expect(try probe(html, width: 800).background == "rgb(255, 255, 255)")
    #expect(try probe(html, width: 800, isDark: true).background == "rgb(20, 24, 29)")
  }

  @Test("The script that measures the layout finds planted faults")
  func seesFaults() throws {
    let html = ReportPage.text([try PlantedRun().record()])
    let broken = html.replacingOccurrences(of: "<h2>Events</h2>", with: "<h2 style='width:2000px'>Events</h2>")
      .replacingOccurrences(of: "data:image/png;base64,", with: "data:image/png;base64,AAAA")
      .replacingOccurrences(of: "y=\"11\" class=\"unit\"", with: "y=\"30\" class=\"unit\"")
    let probe = try probe(broken, width: 390)
    #expect(!probe.outside.isEmpty && probe.brokenPictures == probe.pictures && probe.pageWidth > 390)
    #expect(probe.clashes.contains { $0.contains(" on ") } || probe.clashes.contains { $0.contains("cut") })
  }
}
