import RunConfiguration
import Data
import Foundation
import Kernels
import Persistence
import TestSupport
import Testing
@testable import Reporting
@testable import Training

/// Tests of the files for TensorBoard, without TensorBoard.
@Suite struct TensorBoardTests {
  private let scratch: Scratch
  private var directory: String { scratch.path + "/tensorboard" }

  init() throws { scratch = try Scratch() }

  private func writer(everySteps: Int = 0) -> TensorBoardWriter {
    TensorBoardWriter(runDirectory: scratch.path, everySteps: everySteps)
  }

  private func started(at step: Int?) -> TrainingEvent {
    .started(
      StartReport(
        configuration: Configuration(), dataName: "x", shape: .vector(2), trainSamples: 10, validSamples: 2,
        parameters: 1, ranks: 1, plan: BatchPlan(count: 10, batchSize: 2, microbatch: 1), totalSteps: 10,
        exchange: "none", resumedFrom: step))
  }

  private func epoch(_ step: Int) -> TrainingEvent {
    let means = ELBOMeans(reconstruction: 2, kl: 1)
    return .epoch(
      EpochReport(
        epoch: step / 10, step: step, beta: 1, learningRate: 0.5, train: means,
        valid: ValidationReport(
          means: means, reconstructionOfMean: 1.5, loss: 3, klPerUnit: [0.75, 0, 0.25], variancePerUnit: [1, 0, 1],
          activeUnits: 2),
        gradientNorm: 3, samplesPerSecond: 100, seconds: 1, ranks: 1, skipped: 0, rollbacks: 0, isBest: false,
        slowestRank: 0, slowestHost: "a", waitShare: 0))
  }

  private func step(_ step: Int) -> TrainingEvent {
    .step(
      StepReport(
        step: step, epoch: 0, beta: 1, learningRate: 0.5, train: ELBOMeans(reconstruction: 2, kl: 1), loss: 3,
        gradientNorm: 3, samples: 2))
  }

  private var files: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).filter { $0.hasPrefix("events.") }
      .sorted()
  }

  /// The steps of the records of each file, in the order of TensorBoard. A start is given as minus its step.
  private func steps() throws -> [[Int]] {
    try files.map { name in
      var steps: [Int] = []
      try RecordLog.cut(directory + "/" + name) { record in
        let step = TensorBoardEvent.step(of: record) ?? -1
        // The record ends with a SessionLog of START.
        steps.append(record.suffix(4) == [0x3a, 2, 8, 1] ? -step : step)
        return true
      }
      return steps
    }
  }

  @Test("Every start writes a new file, and removes records after the step that it resumes from")
  func resumes() throws {
    let first = writer()
    for event in [started(at: nil), epoch(10), epoch(20), epoch(30)] { try first.observe(event) }
    #expect(try steps() == [[0, -1, 10, 20, 30]])
    let second = writer()
    for event in [started(at: 20), epoch(30), epoch(40)] { try second.observe(event) }
    #expect(try steps() == [[0, -1, 10, 20], [0, -21, 30, 40]])
    // The run is killed within a record, twice, and resumes before all records.
    let path = directory + "/" + files[1]
    var bytes = try Foundation.Data(contentsOf: URL(fileURLWithPath: path))
    bytes.removeLast(5)
    try bytes.write(to: URL(fileURLWithPath: path))
    try writer().observe(started(at: 30))
    try writer().observe(started(at: 30))
    #expect(try steps() == [[0, -1, 10, 20], [0, -21, 30], [0, -31]])
    try writer().observe(started(at: 5))
    #expect(try steps() == [[0, -1], [0, -6]])
  }

  @Test("A rollback also begins a new file")
  func rollsBack() throws {
    let writer = writer()
    for event in [started(at: nil), epoch(10), epoch(20)] { try writer.observe(event) }
    try writer.observe(
      .rollback(
        RollbackReport(
          failingStep: 25, restoredStep: 10, attempt: 1, learningRateFactor: 0.5, rank: 0, microbatch: 0,
          operation: "exp", samples: [])))
    try writer.observe(epoch(20))
    #expect(try steps() == [[0, -1, 10], [0, -11, 20]])
  }

  @Test("Files are read in the order in which they were written, for any time of the clock")
  func order() throws {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let later = "events.out.tfevents.\(Int(Date().timeIntervalSince1970) + 5_000).elsewhere.1"
    let old = try RecordLog(creating: directory + "/" + later)
    for event in [TensorBoardEvent.version, TensorBoardEvent(step: 3, [.scalar("a", 1)])] {
      try old.append(event.bytes)
    }
    let writer = writer()
    for event in [started(at: 3), epoch(10)] { try writer.observe(event) }
    #expect(files.first == later && files.count == 2)
    #expect(try steps() == [[0, 3], [0, -4, 10]])
  }

  @Test("Steps are recorded as often as in metrics.jsonl")
  func everySteps() throws {
    let writer = writer(everySteps: 3)
    try writer.observe(started(at: nil))
    for number in 1...10 { try writer.observe(step(number)) }
    try writer.observe(.stopped(.finished, step: 10, epoch: 1))
    #expect(try steps() == [[0, -1, 3, 6, 9]])
  }

  @Test("A failed write is reported, and later records are tried again")
  func failures() throws {
    try writeFile([], at: directory)
    let writer = writer()
    #expect(throws: Failure.self) { try writer.observe(started(at: nil)) }
    #expect(throws: Failure.self) { try writer.observe(epoch(10)) }
    try FileManager.default.removeItem(atPath: directory)
    try writer.observe(epoch(20))
    #expect(try steps() == [[0, -1, 20]])
    // The directory is removed with its contents.
    try FileManager.default.removeItem(atPath: directory)
    try writer.observe(epoch(30))
    #expect(try steps() == [[0, -21, 30]])
  }

  @Test("Empty bins at the ends of a histogram are omitted")
  func histogram() throws {
    let value = TensorBoardEvent.Value.histogram("h", Histogram(edges: [0, 1, 2, 3, 4], counts: [0, 3, 0, 0]))
    let event = TensorBoardEvent(step: 1, [try #require(value)])
    var expected = ProtocolBuffer(), histogram = ProtocolBuffer()
    for (field, number) in [(1, 1.0), (2, 2), (3, 3), (4, 4.5), (5, 6.75)] { histogram.add(field, number) }
    histogram.add(6, [2.0])
    histogram.add(7, [3.0])
    expected.add(1, "h")
    expected.add(5, histogram)
    #expect(Array(event.bytes.suffix(expected.bytes.count)) == expected.bytes)
    #expect(TensorBoardEvent.Value.histogram("h", Histogram(edges: [0, 1], counts: [0])) == nil)
    #expect(TensorBoardEvent.Value.histogram("h", Histogram(edges: [], counts: [])) == nil)
  }

  @Test("The files of the projector have a line and a picture for each sample")
  func projector() throws {
    let report = EmbeddingReport(
      units: 2, mu: [0.5, -1, 2, 3e-9, 0, 1], columns: ["sample", "label"],
      rows: [["0", "a\tb"], ["1", "c\nd"], ["2", "e"]], shape: .image(height: 1, width: 2, channels: 1),
      pixels: [10, 20, 30, 40, 50, 60])
    let writer = writer()
    for event in [started(at: nil), .embedding(report)] { try writer.observe(event) }
    func text(_ name: String) throws -> String {
      String(decoding: try DurableFile.read(directory + "/" + name), as: UTF8.self)
    }
    #expect(try text("mu.tsv") == "0.5\t-1.0\n2.0\t3e-09\n0.0\t1.0\n")
    #expect(try text("metadata.tsv") == "sample\tlabel\n0\ta\\tb\n1\tc\\nd\n2\te\n")
    let configuration = try text("projector_config.pbtxt")
    #expect(configuration.contains("sprite.png") && configuration.filter { $0 == "{" }.count == 2)
    #expect(FileManager.default.fileExists(atPath: directory + "/sprite.png"))
    var plain = report
    (plain.columns, plain.rows, plain.pixels) = (["sample"], [["0"], ["1"], ["2"]], [])
    try writer.observe(.embedding(plain))
    #expect(try text("metadata.tsv") == "0\n1\n2\n")
    #expect(!(try text("projector_config.pbtxt")).contains("sprite"))
  }
}
