import ArgumentParser
import Communication
import RunConfiguration
import Data
import Foundation
import Kernels
import Reporting
import Training

struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Inspect data, or convert it to memory-mapped NumPy arrays.",
    discussion: """
      vae-dist data inspect photos/ --image-size 64
      vae-dist data convert photos/ --image-size 64 -o photos.npy
      """,
    subcommands: [Inspect.self, Convert.self])

  struct Source: ParsableArguments {
    @Argument(help: "As train's --data: a word such as digits or shapes:1000, or a path.") var spec: String
    @Option(help: "Side that PNG and JPEG images are resized to; 0: all have one size (data.image_size).")
    var imageSize = 0
    @Option(help: "Channels of PNG and JPEG images: 1 or 3; 0: as stored (data.channels).") var channels = 0

    func images() throws(Failure) -> ImageOptions {
      let configuration = try Configuration.resolve(
        preset: nil, file: nil, environment: [:],
        assignments: ["data.image_size=\(imageSize)", "data.channels=\(channels)"], flags: [])
      return ImageOptions(size: configuration.data.imageSize, channels: configuration.data.channels)
    }
  }

  struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Read all of a data set: counts, values, faults, classes, and which likelihood suits it.",
      discussion: """
        vae-dist data inspect table.csv
        vae-dist data inspect photos/ --image-size 64 --json     status 65 where a sample is not readable or not finite
        """)

    @OptionGroup var source: Source
    @OptionGroup var progress: ProgressOption
    @Flag(help: "One JSON object.") var json = false

    func run() throws {
      guard Launcher.expectedRank == 0 else { return }
      progress.show()
      let sets = try openWhole(source.spec, images: try source.images())
      let train = try Inspection(sets.train)
      let valid = try sets.valid.map { data throws(Failure) in try Inspection(data) }
      let report = InspectionReport(train: train, valid: valid)
      try Output.result((json ? report.json.text : report.text) + "\n")
      if !report.isSound { Foundation.exit(Failure.Status.badData.rawValue) }
    }
  }

  struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write a data set and its labels as .npy files, so that training need not decode it.",
      discussion: """
        vae-dist data convert photos/ --image-size 64 -o photos.npy     photos.npy and photos-labels.npy
        vae-dist data convert cifar/ -o cifar.npy                       and cifar-valid.npy, the held-out part
        """)

    @OptionGroup var source: Source
    @OptionGroup var progress: ProgressOption
    @Option(name: [.short, .customLong("output")], help: ArgumentHelp("Where to.", valueName: "file.npy"))
    var output: String
    @Flag(help: "Overwrite existing files.") var force = false

    func run() throws {
      guard Launcher.expectedRank == 0 else { return }
      progress.show()
      let conversion = try DataConversion(
        source.spec, images: try source.images(), to: output, overwrites: force)
      let written = try conversion.run()
      try Output.result(written.map { "\($0.path)  \($0.summary)\n" }.joined())
    }
  }
}
