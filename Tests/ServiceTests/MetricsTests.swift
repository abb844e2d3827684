#if Service
import Foundation
import Testing

@testable import Service

@Suite struct MetricsTests {
  @Test("Histograms are cumulative and end at +Inf; labels are escaped; whole numbers have no point")
  func text() {
    var counts = Counts(bounds: [1, 2.5])
    for value in [0.5, 1, 2, 3, .infinity] { counts.add(value) }
    var text = MetricsText()
    text.add("hits", "counter", "All.", [([("path", "a\"\\\nb"), ("code", "200")], 3)])
    text.add("share", "gauge", "One.", 0.25)
    text.add("none", "gauge", "Nothing.", [])
    text.add("seconds", histograms: [([("path", "/x")], counts)], "Times.")
    #expect(
      text.text == """
        # HELP hits All.
        # TYPE hits counter
        hits{path="a\\"\\\\\\nb",code="200"} 3
        # HELP share One.
        # TYPE share gauge
        share 0.25
        # HELP seconds Times.
        # TYPE seconds histogram
        seconds_bucket{path="/x",le="1"} 2
        seconds_bucket{path="/x",le="2.5"} 3
        seconds_bucket{path="/x",le="+Inf"} 5
        seconds_sum{path="/x"} 6.5
        seconds_count{path="/x"} 5

        """)
  }

  @Test("Only the right token with its scheme is accepted, and token files that others may read are refused")
  func tokens() throws {
    let path = NSTemporaryDirectory() + "token-\(UUID().uuidString)", secret = "0123456789abcdef-XYZ"
    defer { try? FileManager.default.removeItem(atPath: path) }
    func write(_ text: String, _ mode: Int) throws {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
    try write(secret + "\nsecond line\n", 0o600)
    let token = try BearerToken(file: path)
    #expect(token.admits("Bearer " + secret) && token.admits("bearer " + secret))
    for wrong in [
      nil, "", "Bearer", "Bearer ", secret, "Basic " + secret, "Bearer " + secret + "x", "Bearer " + secret.dropLast(),
      "Bearer " + secret.uppercased(), "Bearer " + secret + secret, "Bearer 0",
    ] { #expect(!token.admits(wrong)) }
    try write(secret, 0o640)
    #expect(throws: (any Error).self) { try BearerToken(file: path) }
    try write("short\n", 0o600)
    #expect(throws: (any Error).self) { try BearerToken(file: path) }
    try write("with a space in it, long enough\n", 0o600)
    #expect(throws: (any Error).self) { try BearerToken(file: path) }
    #expect(throws: (any Error).self) { try BearerToken(file: path + "-none") }
  }

  @Test("Only names of this machine are accepted as Host, and other addresses need a token or --no-token")
  func hosts() {
    for own in ["localhost", "127.0.0.1", "[::1]:80", "10.0.0.7:8080", "a.localhost"] {
      #expect(Router.isOwn(Router.host(own)), "\(own)")
    }
    for other in ["evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "1.2.3.400", ""] {
      #expect(!Router.isOwn(Router.host(other)), "\(other)")
    }
    var configuration = ServiceConfiguration()
    #expect(configuration.isLoopback)
    for host in ["0.0.0.0", "::", "192.168.0.7", "127.evil.example"] {
      configuration.host = host
      #expect(throws: (any Error).self, "\(host)") { try configuration.requireGuard(isOpen: false) }
      #expect(throws: Never.self) { try configuration.requireGuard(isOpen: true) }
    }
  }
}
#endif
