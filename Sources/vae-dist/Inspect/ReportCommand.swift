import ArgumentParser
import Communication
import Kernels
import Reporting
import Training

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Write a report on one run, or on several side by side, as an HTML page.",
    discussion: """
      vae-dist report runs/a                         writes runs/a/report.html, as training does at its end
      vae-dist report runs/a runs/b runs/c -o compared.html
      """)

  @Argument(help: ArgumentHelp("Run directories, finished or running.", valueName: "run"))
  var places: [String]
  @Option(name: .shortAndLong, help: ArgumentHelp("The page to write.", valueName: "file"))
  var output: String?
  @OptionGroup var progress: ProgressOption

  func run() throws {
    guard Launcher.expectedRank == 0 else { return }
    guard places.count == 1 || output != nil else {
      throw Failure(.usage, "a report on \(places.count) runs needs a file name", hint: "give -o FILE.html")
    }
    progress.show()
    let runs = try places.map { place throws(Failure) in try RunRecord(place) }
    for run in runs {
      for damage in run.damage { Output.complain("vae-dist: warning: \(run.path.printable): \(damage.printable)\n") }
    }
    let file = output ?? places[0] + "/report.html"
    try ReportPage.write(runs, to: file)
    try Output.result(file + "\n")
  }
}
