import Foundation
import Synchronization
import TestSupport
import Testing

/// Rows of four columns, of which two depend on the others.
private func rows(_ count: Int, state: UInt64, shift: Float = 0) -> [[Float]] {
  var random = Random(state: state)
  return (0..<count).map { _ in
    let source = random.floats(2), noise = random.floats(2, in: -0.1...0.1)
    return [source[0] + shift, source[1], source[0] + source[1] + noise[0], source[0] - source[1] + noise[1]]
  }
}

private func csv(_ rows: [[Float]]) -> String {
  "a,b,c,d\n" + rows.map { $0.map { "\($0)" }.joined(separator: ",") + "\n" }.joined()
}

private func json(_ rows: some Collection<[Float]>) -> String {
  "{\"rows\": [" + rows.map { "[" + $0.map { "\($0)" }.joined(separator: ", ") + "]" }.joined(separator: ", ") + "]}"
}

extension CommandTests {
  /// Tests of the responses of `serve`, and that no request makes it fail.
  @Suite struct ServeTests {
    /// A run on normal rows, calibrated by default.
    private func trained(_ scratch: Scratch, _ arguments: [String] = [], isCalibrated: Bool = true) throws -> String {
      let data = try scratch.write("normal.csv", Array(csv(rows(1_500, state: 1)).utf8))
      let place = scratch.path + "/run"
      try train(
        place,
        ["--preset", "tabular", "--data", data, "--valid", "0.4", "--max-epochs", "10", "--set", "model.latent=2"]
          + arguments)
      if isCalibrated {
        let outcome = try run(["score", place, "--calibrate", "--quantile", "0.95"])
        try #require(outcome.status == 0, "\(outcome.errors)")
      }
      return place
    }

    /// The output of `score` for a file: scores, decisions and p-values.
    private func scored(
      _ place: String, _ data: String, _ arguments: [String] = [], environment: [String: String] = [:]
    ) throws -> [(score: Double, isAnomalous: Bool, pValue: Double)] {
      let outcome = try run(["score", place, data] + arguments, environment: environment)
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try outcome.lines.dropFirst().map { line in
        let cells = line.split(separator: ",").map(String.init)
        return (try #require(Double(cells[1])), cells[2] == "1", try #require(Double(cells[3])))
      }
    }

    @Test(
      "Requests of any size and kind give the scores of `score`, to the bit",
      arguments: [("auto", "neg_elbo", nil), ("openblas", "likelihood", "Haswell"), ("openblas", "squared_error", nil)]
        as [(String, String, String?)])
    func bits(products: String, score: String, core: String?) throws {
      let scratch = try Scratch(), environment = core.map { ["OPENBLAS_CORETYPE": $0] } ?? [:]
      let place = try trained(scratch, ["--set", "train.products=\(products)"], isCalibrated: false)
      let made = try run(
        ["score", place, "--calibrate", "--score", score, "--quantile", "0.9"], environment: environment)
      try #require(made.status == 0, "\(made.errors)")
      let all = rows(300, state: 5), text = csv(all)
      let expected = try scored(place, scratch.write("new.csv", Array(text.utf8)), environment: environment)
      let service = try Service([place], environment: environment)
      let whole = try service.post("/score", text, type: "text/csv")
      #expect(whole.json["score"] as? String == score)
      #expect(whole.numbers("scores") == expected.map(\.score))
      #expect((whole.json["anomalous"] as? [Bool]) == expected.map(\.isAnomalous))
      #expect(whole.numbers("p_values") == expected.map(\.pValue))
      #expect(Set(expected.map(\.isAnomalous)).count == 2)
      var first = 0
      for size in [1, 2, 3, 5, 8, 13, 17, 31, 64, 100] {
        let part = all[first..<min(first + size, all.count)]
        let reply = try service.post("/score", json(part))
        #expect(reply.numbers("scores") == expected[part.indices].map(\.score), "rows from \(first), \(size) at a time")
        first += size
      }
      let array = npy("<f4", [300, 4], words(all.joined().map(\.bitPattern)))
      let binary = try service.ask(
        request("POST", "/score", array, type: "application/x-npy", fields: ["Accept": "application/x-npy"]))
      #expect(binary.array(of: Double.self) == expected.map(\.score))
      service.stop()
    }

    @Test("For pictures, scores equal those of `score`, codes are near those of `embed`, and samples equal `sample`'s")
    func pictures() throws {
      let scratch = try Scratch(), place = scratch.path + "/run", file = scratch.path + "/digits.npy"
      try train(place, ["--max-epochs", "2"])
      #expect(try run(["score", place, "--calibrate"]).status == 0)
      #expect(try run(["data", "convert", "digits", "-o", file]).status == 0)
      let data = Array(try #require(FileManager.default.contents(atPath: file)))
      let expected = try scored(place, file)
      let service = try Service([place])
      let accept = ["Accept": "application/x-npy"]
      func ask(_ path: String, _ body: [UInt8], type: String = "application/x-npy") throws -> Reply {
        try service.ask(request("POST", path, body, type: type, fields: accept))
      }
      #expect(try ask("/score", data).array(of: Double.self) == expected.map(\.score))
      let codes = try ask("/encode", data).array(of: Float.self)
      #expect(try run(["embed", place, "--data", file, "-o", scratch.path + "/mu.npy"]).status == 0)
      let embedded = Reply(
        status: 0, fields: [:],
        body: Array(try #require(FileManager.default.contents(atPath: scratch.path + "/mu.npy"))))
      let mu = embedded.array(of: Float.self)
      #expect(codes.count == mu.count && zip(codes, mu).allSatisfy { abs($0 - $1) < 1e-4 })
      let made = try ask("/reconstruct", data).array(of: Float.self)
      #expect(made.count == 64 * expected.count && made.allSatisfy { (0...255.1).contains($0) })
      #expect(try run(["sample", place, "-n", "70", "--seed", "3", "-o", scratch.path + "/s.npy"]).status == 0)
      let stored = Reply(
        status: 0, fields: [:], body: Array(try #require(FileManager.default.contents(atPath: scratch.path + "/s.npy")))
      )
      let drawn = try ask("/sample", Array("{\"n\": 70, \"seed\": 3}".utf8), type: "application/json")
      #expect(drawn.array(of: Float.self) == stored.array(of: Float.self))
      let picture = PNGPicture(width: 8, channels: 1, (0..<64).map { UInt8(16 * ($0 % 2)) }).bytes
      #expect(try ask("/score", picture, type: "image/png").array(of: Double.self).count == 1)
      service.stop()
    }

    @Test("Each of 200 concurrent clients gets the scores of its own rows")
    func crowd() throws {
      let scratch = try Scratch(), place = try trained(scratch)
      let all = rows(1_000, state: 9)
      let expected = try scored(place, scratch.write("new.csv", Array(csv(all).utf8))).map(\.score)
      let service = try Service([place]), port = service.port
      let wrong = Mutex<[String]>([])
      let clients = DispatchGroup()
      for client in 0..<200 {
        clients.enter()
        Thread {
          defer { clients.leave() }
          do {
            let connection = try HTTPConnection(port, patience: 60)
            for turn in 0..<5 {
              let first = 5 * client + turn, size = 1 + (client + turn) % 4, part = first..<min(first + size, 1_000)
              connection.send(request("POST", "/score", Array(json(all[part]).utf8), type: "application/json"))
              let reply = connection.read()
              if reply?.status != 200 || reply?.numbers("scores") != Array(expected[part]) {
                wrong.withLock { $0.append("client \(client): \(reply?.text ?? "no answer")") }
              }
            }
          } catch { wrong.withLock { $0.append("client \(client): \(error)") } }
        }.start()
      }
      #expect(clients.wait(timeout: .now() + 60) == .success)
      #expect(wrong.withLock { $0 } == [])
      let metrics = try service.ask(request("GET", "/metrics")).text
      #expect(metrics.contains("vae_dist_requests_total{path=\"/score\",code=\"200\"} 1000\n"))
      service.stop()
    }

    @Test("Malformed, too large and wrong requests are refused with a message, and the service continues")
    func hostile() throws {
      let scratch = try Scratch(), place = try trained(scratch)
      let service = try Service([place, "--max-rows", "50", "--max-body", "1", "--timeout", "3"])
      let good = json(rows(1, state: 2))
      func refused(
        _ status: Int, _ reply: Reply, _ words: String = "", sourceLocation: SourceLocation = #_sourceLocation
      ) {
        #expect(reply.status == status, "\(reply.text)", sourceLocation: sourceLocation)
        let message = reply.json["error"] as? String ?? ""
        #expect(
          !message.isEmpty && (words.isEmpty || message.contains(words)), "\(reply.text)",
          sourceLocation: sourceLocation)
        #expect(reply.json.keys.contains("hint"), sourceLocation: sourceLocation)
      }
      refused(400, try service.post("/score", "{\"rows\": [[1, 2"), "byte")
      refused(400, try service.post("/score", "{\"rows\": [[1, 2, 3]]}"), "3 values")
      refused(400, try service.post("/score", "{\"rows\": [[1, 2, 3, NaN]]}"))
      refused(400, try service.post("/score", "{\"rows\": [[1, 2, 3, Infinity]]}"))
      refused(400, try service.post("/score", "{\"rows\": [[1, 2, 3, \"x\"]]}"), "'x'")
      refused(400, try service.post("/score", "a,b,c\n1,2,3\n", type: "text/csv"), "'d'")
      refused(400, try service.post("/encode", "{}"))
      refused(400, try service.post("/reconstruct", "\u{0}\u{1}"))
      refused(400, try service.post("/sample", "{\"n\": 0}"), "'n'")
      refused(400, try service.post("/sample", "{\"n\": 1e9}"), "'n'")
      refused(400, try service.post("/sample", "{\"m\": 1}"), "'m'")
      refused(400, try service.post("/sample", "[1]"))
      refused(413, try service.post("/score", json(rows(51, state: 3))), "50")
      refused(415, try service.post("/score", good, type: "text/plain"), "text/plain")
      refused(415, try service.ask(request("POST", "/score", Array(good.utf8))))
      refused(404, try service.ask(request("GET", "/nowhere")), "/nowhere")
      refused(404, try service.ask(request("GET", "/../../etc/passwd")))
      let method = try service.ask(request("GET", "/score"))
      refused(405, method)
      #expect(method.fields["allow"] == "POST")
      refused(405, try service.ask(request("DELETE", "/metrics")))
      refused(403, try service.ask(request("GET", "/metrics", fields: ["Host": "evil.example"])), "evil.example")
      refused(403, try service.ask(request("GET", "/metrics", fields: ["Origin": "http://evil.example"])))
      // One request announces a size above the limit and sends nothing; another exceeds the limit unannounced.
      refused(
        413,
        try service.ask(
          request("POST", "/score", [], type: "application/json", fields: ["Content-Length": "99999999999"])))
      let endless = try HTTPConnection(service.port)
      endless.send(
        "POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
      )
      let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 0x20, count: 0x10000) + Array("\r\n".utf8)
      for _ in 0..<20 where !endless.send(chunk) { break }
      refused(413, try #require(endless.read()))
      // Other clients send no HTTP, a head without an end, or close the connection early.
      for text in [
        "\r\n\r\n\r\n", "GET\r\n\r\n", "\u{16}\u{3}\u{1}", "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST /score HTTP/9.9\r\n\r\n",
      ] {
        let connection = try HTTPConnection(service.port)
        connection.send(text)
        let reply = text.hasPrefix("\u{16}") ? nil : connection.read()
        #expect(reply.map { $0.status >= 400 } ?? true, "\(text)")
      }
      let long = try HTTPConnection(service.port)
      long.send("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + String(repeating: "x", count: 100_000) + "\r\n\r\n")
      #expect(long.read().map { $0.status >= 400 } ?? true)
      for _ in 0..<50 {
        try HTTPConnection(service.port).send(request("POST", "/score", Array(good.utf8), type: "application/json"))
        try HTTPConnection(service.port).send("POST /score HTTP/1.1\r\nContent-Le")
      }
      // Many requests that are sent at once over one connection are answered in order.
      let several = try HTTPConnection(service.port)
      for path in ["/healthz", "/nowhere", "/readyz"] { several.send(request("GET", path)) }
      #expect((0..<3).map { _ in several.read()?.status } == [200, 404, 200])
      let polite = try HTTPConnection(service.port)
      polite.send(
        request(
          "POST", "/score", [], type: "application/json",
          fields: ["Expect": "100-continue", "Content-Length": "\(good.utf8.count)"]))
      #expect(polite.read()?.status == 100)
      polite.send(good)
      #expect(polite.read()?.status == 200)
      let asked = try HTTPConnection(service.port)
      asked.send(request("HEAD", "/healthz"))
      #expect(asked.readHead()?.contains("200") == true)
      try service.expectWell()
      #expect(try service.post("/score", good).status == 200)
      #expect(!service.child.errors.contains("Fatal"))
      service.stop()
    }

    @Test("A slow client is disconnected with 408 and does not delay others")
    func slow() throws {
      let scratch = try Scratch(), place = try trained(scratch), good = json(rows(1, state: 2))
      let service = try Service([place, "--timeout", "0.5"])
      let silent = try HTTPConnection(service.port), head = try HTTPConnection(service.port)
      let body = try HTTPConnection(service.port), port = service.port
      head.send("POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nConte")
      body.send(
        "POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"rows\""
      )
      let began = ContinuousClock.now
      let dripped = Mutex<Int?>(nil), thread = DispatchGroup()
      thread.enter()
      Thread {
        defer { thread.leave() }
        // Sending a byte from time to time does not extend the limit.
        guard let connection = try? HTTPConnection(port) else { return }
        connection.send("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        for _ in 0..<14 where connection.send("x") { usleep(50_000) }
        dripped.withLock { $0 = connection.read()?.status }
      }.start()
      #expect(try service.post("/score", good).status == 200)
      for connection in [silent, head, body] {
        #expect(connection.read()?.status == 408)
        #expect(connection.isClosed())
      }
      thread.wait()
      #expect(dripped.withLock { $0 } == 408)
      #expect(ContinuousClock.now - began < .seconds(5))
      // A request is answered even if its connection was silent for longer than a request may take.
      let patient = try HTTPConnection(service.port)
      #expect(try patient.ask(request("GET", "/healthz")).status == 200)
      usleep(900_000)
      #expect(try patient.ask(request("GET", "/healthz")).status == 200)
      service.stop()
    }

    @Test("With a token, only requests that send it are answered, and other machines need a token")
    func token() throws {
      let scratch = try Scratch(), place = try trained(scratch), good = Array(json(rows(1, state: 2)).utf8)
      let secret = "correct-horse-battery", file = try scratch.write("token", Array("\(secret)\n".utf8))
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
      let loose = try run(["serve", place, "--port", "0", "--token-file", file])
      #expect(loose.status == 64 && loose.errors.contains("chmod 600"))
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
      let open = try run(["serve", place, "--port", "0", "--host", "0.0.0.0"])
      #expect(open.status == 64 && open.errors.contains("--token-file"))
      let service = try Service([place, "--token-file", file, "--host", "0.0.0.0"])
      #expect(service.child.errors.contains("without encryption"))
      func score(_ fields: [String: String]) throws -> Reply {
        try service.ask(request("POST", "/score", good, type: "application/json", fields: fields))
      }
      let refused = try score([:])
      #expect(refused.status == 401 && refused.fields["www-authenticate"] == "Bearer")
      #expect(try score(["Authorization": "Bearer \(secret)x"]).status == 401)
      #expect(try score(["Authorization": "Bearer \(secret)"]).status == 200)
      #expect(try service.ask(request("GET", "/metrics")).status == 401)
      #expect(try service.ask(request("GET", "/status")).status == 401)
      for path in ["/", "/healthz", "/readyz"] { #expect(try service.ask(request("GET", path)).status == 200) }
      service.stop()
    }

    @Test("After SIGTERM the service answers earlier requests, accepts no others, and exits with 0")
    func stopping() throws {
      let scratch = try Scratch(), place = try trained(scratch), good = json(rows(1, state: 2))
      let service = try Service([place, "--timeout", "5"])
      let idle = try HTTPConnection(service.port), half = try HTTPConnection(service.port)
      #expect(try idle.ask(request("GET", "/readyz")).status == 200)
      half.send(
        "POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: \(good.utf8.count)\r\n\r\n"
      )
      half.send(String(good.prefix(10)))
      usleep(200_000)
      service.child.send(SIGTERM)
      usleep(400_000)
      #expect(idle.isClosed())
      #expect(throws: (any Error).self) { try HTTPConnection(service.port) }
      half.send(String(good.dropFirst(10)))
      #expect(half.read()?.status == 200)
      let outcome = service.child.wait(limit: 10)
      #expect(outcome.status == 0 && outcome.signal == 0, "\(outcome.errors)")
      let taken = try Service([place]), again = try run(["serve", place, "--port", "\(taken.port)"])
      #expect(again.status == 73 && again.errors.contains("--port"), "\(again.errors)")
      taken.child.send(SIGINT)
      #expect(taken.child.wait(limit: 10).status == 0)
      let missing = try run(["serve", scratch.path + "/none", "--port", "0"])
      #expect(missing.status == 66)
    }

    @Test("Without a calibration there are only scores; with one, the metrics report drift of new rows")
    func drift() throws {
      let scratch = try Scratch(), place = try trained(scratch, isCalibrated: false)
      let plain = try Service([place])
      #expect(plain.child.errors.contains("no calibration"))
      let reply = try plain.post("/score", json(rows(2, state: 4)))
      #expect(reply.status == 200 && reply.numbers("scores").count == 2)
      #expect(
        reply.json["threshold"] is NSNull && reply.json["anomalous"] is NSNull && reply.json["p_values"] is NSNull)
      #expect(!(try plain.ask(request("GET", "/metrics")).text.contains("vae_dist_threshold")))
      plain.stop()
      #expect(try run(["score", place, "--calibrate", "--quantile", "0.95"]).status == 0)
      let service = try Service([place, "--window", "400"])
      func metrics() throws -> String { try service.ask(request("GET", "/metrics")).text }
      func awaits(_ words: String) throws -> Bool { service.child.wait { (try? metrics().contains(words)) ?? false } }
      #expect(try service.post("/score", json(rows(400, state: 5))).status == 200)
      #expect(try awaits("vae_dist_drift{verdict=\"none\"} 1\n"))
      #expect(try service.post("/score", json(rows(400, state: 6, shift: 3))).status == 200)
      #expect(try awaits("vae_dist_drift{verdict=\"major\"} 1\n"))
      let text = try metrics()
      for name in [
        "vae_dist_score_count 800", "vae_dist_window_rows 400", "vae_dist_above_threshold_share", "vae_dist_threshold ",
      ] {
        #expect(text.contains(name), "\(name)")
      }
      let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
      #expect(lines.allSatisfy { $0.wholeMatch(of: /[a-z_]+(\{[^}]*\})? (-?[0-9.e+-]+|[+-]Inf|NaN)/) != nil })
      let page = try service.ask(request("GET", "/"))
      #expect(page.fields["content-type"] == "text/html; charset=utf-8" && page.text.contains("</html>"))
      #expect(page.fields["content-security-policy"]?.contains("default-src 'none'") == true)
      #expect(!page.text.contains("http://") || !page.text.contains("src="))
      let status = try service.ask(request("GET", "/status")).json
      #expect((status["recent"] as? [Any])?.count == 400)
      service.stop()
    }
  }
}
