#if Service
import HTTPTypes
import NIOCore
import Persistence

/// An HTTP response.
struct Answer: Sendable {
  var status = HTTPResponse.Status.ok
  var type: String
  var body: ByteBuffer
  var fields: HTTPFields = [:]

  init(_ type: String, _ body: ByteBuffer) { (self.type, self.body) = (type, body) }

  init(_ json: JSON) { self.init("application/json", ByteBuffer(string: json.text + "\n")) }

  init(text: String, type: String) { self.init(type, ByteBuffer(string: text)) }

  init(_ refusal: HTTPError) {
    self.init(refusal.json)
    status = HTTPResponse.Status(code: refusal.status)
    if let seconds = refusal.retryAfter { fields[.retryAfter] = "\(seconds)" }
    if let allowed = refusal.allowed { fields[.allow] = allowed }
    if refusal.status == 401 { fields[.wwwAuthenticate] = "Bearer" }
  }

  /// A NumPy array of float32 values; the next initializer takes float64 values.
  /// - extents: Shape of the array.
  init(npy values: [Float], _ extents: [Int]) {
    self.init(header: "<f4", extents)
    for value in values { body.writeInteger(value.bitPattern, endianness: .little) }
  }

  init(npy values: [Double], _ extents: [Int]) {
    self.init(header: "<f8", extents)
    for value in values { body.writeInteger(value.bitPattern, endianness: .little) }
  }

  private init(header type: String, _ extents: [Int]) {
    self.init("application/x-npy", ByteBuffer(bytes: NPYFile.header(type, extents)))
  }

  var head: HTTPResponse {
    var fields = fields
    fields[.contentType] = type
    fields[.contentLength] = "\(body.readableBytes)"
    fields[.cacheControl] = "no-store"
    fields[.xContentTypeOptions] = "nosniff"
    return HTTPResponse(status: status, headerFields: fields)
  }
}
#endif
