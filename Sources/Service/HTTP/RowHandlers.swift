#if Service
import Evaluation
import Foundation
import Kernels
import Persistence

/// Handlers that score, encode and reconstruct rows and that draw new samples.
struct RowHandlers: Sendable {
  let state: ServiceState

  @Sendable func score(_ inquiry: Inquiry) async throws -> Answer {
    let model = try state.requireModel()
    let rows = try model.decoder.decode(inquiry.body, type: inquiry.type)
    let scores = try await state.batcher.rows(.score, rows.x, count: rows.count)
    let calibration = model.calibration, anomalous = calibration.map { scores.map($0.isAnomalous) }
    state.metrics.scored(scores, above: anomalous?.count { $0 } ?? 0)
    model.monitor.note(scores, rows.x)
    if inquiry.wantsNPY { return Answer(npy: scores, [scores.count]) }
    return Answer(
      .object([
        ("score", .text(model.score.rawValue)), ("threshold", .optional(calibration?.threshold.value)),
        ("scores", .numbers(scores)), ("anomalous", anomalous.map { .array($0.map(JSON.flag)) } ?? .null),
        ("p_values", calibration.map { .numbers(scores.map($0.pValue)) } ?? .null),
      ]))
  }

  @Sendable func encode(_ inquiry: Inquiry) async throws -> Answer {
    let model = try state.requireModel(), latent = model.latent
    let rows = try model.decoder.decode(inquiry.body, type: inquiry.type)
    let found = try await state.batcher.rows(.encode, rows.x, count: rows.count)
    func part(_ first: Int) -> [[Float]] {
      (0..<rows.count).map { row in (0..<latent).map { Float(found[(2 * row + first) * latent + $0]) } }
    }
    let mu = part(0)
    if inquiry.wantsNPY { return Answer(npy: mu.flatMap { $0 }, [rows.count, latent]) }
    return Answer(.object([("mu", Self.rows(mu)), ("logvar", Self.rows(part(1)))]))
  }

  @Sendable func reconstruct(_ inquiry: Inquiry) async throws -> Answer {
    let model = try state.requireModel()
    let rows = try model.decoder.decode(inquiry.body, type: inquiry.type)
    return samples(try await state.batcher.rows(.reconstruct, rows.x, count: rows.count), inquiry, model)
  }

  @Sendable func sample(_ inquiry: Inquiry) async throws -> Answer {
    let model = try state.requireModel()
    let work = try Self.sampleWork(inquiry, model)
    return samples(try await state.batcher.sample(work), inquiry, model)
  }

  private static func sampleWork(_ inquiry: Inquiry, _ model: LoadedModel) throws -> SampleWork {
    var work = SampleWork(seed: model.seed)
    guard !inquiry.body.isEmpty else { return work }
    guard let asked = try? JSONDecoder().decode([String: Double].self, from: Data(inquiry.body)) else {
      throw HTTPError(
        400, "the request is not a JSON object of numbers", hint: #"write {"n": 16, "seed": 7, "temperature": 1.0}"#)
    }
    func number<T>(_ key: String, _ value: T?, _ range: ClosedRange<T>) throws -> T {
      guard let value, range.contains(value) else {
        throw HTTPError(400, "the request: '\(key)' is a number from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }
    for (key, value) in asked {
      switch key {
      case "n": work.count = try number(key, Int(exactly: value), 1...min(1024, model.decoder.mostRows))
      case "seed": work.seed = try number(key, UInt64(exactly: value), 0...(1 << 53))
      case "temperature": work.temperature = try number(key, Float(value), 0...1_000)
      default:
        throw HTTPError(
          400, "the request: the key '\(key.printable)' is not known", hint: "the keys are n, seed and temperature")
      }
    }
    return work
  }

  /// Formats samples in the units of the data, and samples of a mixed table as cells. values (count, elements), scaled
  private func samples(_ values: [Double], _ inquiry: Inquiry, _ model: LoadedModel) -> Answer {
    let form = model.decoder.form, shape = form.shape, width = shape.elementCount, count = values.count / width
    let x = model.decoder.scaling.undo(values.map { Float($0) })
    if inquiry.wantsNPY {
      return Answer(
        npy: x, shape.isImage ? [count, shape.height, shape.width, shape.channels] : [count, width])
    }
    let rows = (0..<count).map { x[$0 * width..<($0 + 1) * width] }
    guard let schema = form.schema else { return Answer(.object([("rows", Self.rows(rows))])) }
    let cells = rows.map { row -> JSON in
      .array(
        zip(schema.sampleColumns, schema.cells(of: row)).map { column, cell in
          cell.isEmpty ? .null : column.categories == nil ? Self.number(Float(cell) ?? .nan) : .text(cell)
        })
    }
    return Answer(
      .object([("columns", .array(schema.sampleColumns.map { .text($0.name) })), ("rows", .array(cells))]))
  }

  private static func rows(_ rows: [some Collection<Float>]) -> JSON {
    .array(rows.map { .array($0.map(number)) })
  }

  /// The number with the shortest decimal text that identifies the float32 value.
  private static func number(_ value: Float) -> JSON { .number(Double("\(value)") ?? Double(value)) }
}
#endif
