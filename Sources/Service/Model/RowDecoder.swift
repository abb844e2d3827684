#if Service
import Data
import Kernels

/// Rows in the form that the model takes.
struct DecodedRows: Sendable {
  let count: Int
  /// Scaled values. (count, elements)
  let x: [Float]
}

/// Decodes the body of a request into rows. It uses the same readers, scaling and checks as for data files.
struct RowDecoder: Sendable {
  var form: ReceivedForm
  var scaling = Scaling.identity
  var requirement = Dataset.Requirement.finite
  var mostRows: Int

  static let kinds: [(type: String, kind: ReceivedKind)] = [
    ("application/json", .json), ("application/x-npy", .npy), ("application/npy", .npy), ("text/csv", .csv),
    ("image/png", .image), ("image/jpeg", .image),
  ]

  /// Decodes a request body. Throws an `HTTPError` when the body cannot be read or has the wrong shape or too many
  /// rows.
  /// - type: The content type of the body.
  func decode(_ body: [UInt8], type: String?) throws -> DecodedRows {
    let kind = try kind(type)
    let data: Dataset
    do throws(Failure) {
      data = try Dataset.received(body, as: kind, form, name: "the request")
      guard data.shape == form.shape else {
        throw Failure(
          .badData, "the request: its samples are \(data.shape), but the model was trained on \(form.shape)",
          hint: form.shape.isImage
            ? "give arrays of (rows, \(form.shape.height), \(form.shape.width), ...), or JSON" : nil)
      }
    } catch {
      throw HTTPError(error)
    }
    guard data.count <= mostRows else {
      throw HTTPError(
        413, "\(data.count) rows are more than the \(mostRows) of one request",
        hint: "send them in parts, or score the file: vae-dist score RUN FILE")
    }
    do throws(Failure) {
      data.scaling = scaling
      data.requirement = requirement
      try data.prepare(0..<data.count)
      return DecodedRows(count: data.count, x: try values(data))
    } catch {
      throw HTTPError(error)
    }
  }

  private func values(_ data: Dataset) throws(Failure) -> [Float] {
    let all = Array(0..<data.count)
    var x = [Float](repeating: 0, count: data.count * form.shape.elementCount), failure: Failure?
    all.withUnsafeBufferPointer { all in
      x.withUnsafeMutableBufferPointer { x in
        guard let base = x.baseAddress else { return }
        do throws(Failure) { try data.fill(all, into: base) } catch { failure = error }
      }
    }
    if let failure { throw failure }
    return x
  }

  private func kind(_ type: String?) throws -> ReceivedKind {
    let plain = type.map { $0.prefix { $0 != ";" }.lowercased().filter { $0 != " " } }
    if let found = Self.kinds.first(where: { $0.type == plain }) { return found.kind }
    let known = Self.kinds.map(\.type).joined(separator: ", ")
    throw HTTPError(
      415, type.map { "Content-Type \($0.printable) is not supported" } ?? "there is no Content-Type",
      hint: "one of \(known); with curl: -H 'Content-Type: application/json'")
  }
}
#endif
