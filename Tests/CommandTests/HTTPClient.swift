import Foundation
import Testing

/// A response of a server.
struct Reply {
  var status: Int
  /// The header fields, with names in lower case.
  var fields: [String: String]
  var body: [UInt8]

  var text: String { String(decoding: body, as: UTF8.self) }
  var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] ?? [:] }
  /// Reads an array of numbers exactly, because Foundation's reader rounds some of them.
  func numbers(_ key: String) -> [Double] {
    let parts = text.components(separatedBy: "\"\(key)\": [")
    guard parts.count == 2, let list = parts[1].split(separator: "]").first else { return [] }
    return list.components(separatedBy: ", ").compactMap(Double.init)
  }
  /// The float32 or float64 values of an NPY body.
  func array<T: BitwiseCopyable>(of type: T.Type) -> [T] {
    guard body.count > 10 else { return [] }
    let start = 10 + Int(body[8]) + Int(body[9]) << 8
    return body[start...].withUnsafeBytes { bytes in
      (0..<bytes.count / MemoryLayout<T>.stride).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self)
      }
    }
  }
}

/// A connection to a port of this machine, over which arbitrary bytes can be sent at any pace.
final class HTTPConnection {
  private let descriptor: Int32
  private var received: [UInt8] = []

  /// - patience: Seconds to wait for bytes.
  init(_ port: Int, patience: Int = 20) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var limit = timeval(tv_sec: patience, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let code = withUnsafePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard code == 0 else {
      close(descriptor)
      throw ChildError(description: "port \(port): \(String(cString: strerror(errno)))")
    }
  }

  deinit { close(descriptor) }

  /// Returns false if the other side has closed the connection.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let part = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard part > 0 else { return false }
      sent += part
    }
    return true
  }

  @discardableResult
  func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  /// Reads the next response. Returns nil if the connection ends before.
  func read() -> Reply? {
    while true {
      if let end = headEnd, let reply = reply(end) { return reply }
      guard receive() else { return nil }
    }
  }

  /// Reads the head of a response without a body.
  func readHead() -> String? {
    while headEnd == nil { guard receive() else { return nil } }
    return String(decoding: received, as: UTF8.self)
  }

  /// Returns whether the other side closes without another byte.
  func isClosed() -> Bool { received.isEmpty && !receive() }

  private func receive() -> Bool {
    var part = [UInt8](repeating: 0, count: 1 << 16)
    let count = recv(descriptor, &part, part.count, 0)
    guard count > 0 else { return false }
    received += part[..<count]
    return true
  }

  private var headEnd: Int? {
    guard received.count >= 4 else { return nil }
    return (3..<received.count).first { received[$0 - 3...$0].elementsEqual([13, 10, 13, 10]) }.map { $0 + 1 }
  }

  private func reply(_ end: Int) -> Reply? {
    let lines = String(decoding: received[..<(end - 4)], as: UTF8.self).components(separatedBy: "\r\n")
    let pairs = lines.dropFirst().map { line in
      line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
    }
    let fields = Dictionary(pairs.map { ($0[0].lowercased(), $0.count > 1 ? $0[1] : "") }) { $1 }
    let length = Int(fields["content-length"] ?? "") ?? 0
    guard received.count >= end + length else { return nil }
    let status = Int(lines[0].split(separator: " ")[1]) ?? 0
    let body = Array(received[end..<end + length])
    received.removeFirst(end + length)
    return Reply(status: status, fields: fields, body: body)
  }
}

/// Returns the bytes of a request.
func request(
  _ method: String, _ path: String, _ body: [UInt8] = [], type: String? = nil, fields: [String: String] = [:]
) -> [UInt8] {
  var all = fields
  all["Host"] = all["Host"] ?? "127.0.0.1"
  if let type { all["Content-Type"] = type }
  if !body.isEmpty { all["Content-Length"] = all["Content-Length"] ?? "\(body.count)" }
  let head = all.map { "\($0): \($1)\r\n" }.sorted().joined()
  return Array("\(method) \(path) HTTP/1.1\r\n\(head)\r\n".utf8) + body
}
