import Autograd
import Foundation
import Kernels
import Testing

/// A recorded case with its leaves filled, ready to replay.
final class Recording {
  let graph: Graph
  let root: Tensor
  let leaves: [(leaf: OpCase.Leaf, tensor: Tensor, offset: Int)]
  let parameters: Buffer
  /// The samples of the forward pass.
  var replay: Replay
  private let gradients: Buffer
  let samples: UnsafeMutablePointer<UInt64>

  init(_ opCase: OpCase) {
    let graph = Graph(batch: opCase.batch)
    // There is a gap between parameters, so that writes beyond one are noticed.
    func room(_ role: OpCase.Role) -> Int { opCase.leaves.reduce(0) { $0 + ($1.role == role ? $1.count + 3 : 0) } }
    let learned = room(.parameter), count = learned + room(.statistic)
    var offset = 0, behind = 0
    leaves = opCase.leaves.map { leaf in
      let shape = Shape(leaf.shape)
      switch leaf.role {
      case .data, .input: return (leaf, graph.input(shape, needsGradient: leaf.role == .input), 0)
      case .parameter:
        defer { offset += leaf.count + 3 }
        return (leaf, graph.parameter(shape, offset: offset), offset)
      case .statistic:
        defer { behind += leaf.count + 3 }
        return (leaf, graph.statistic(shape, offset: behind) { learned }, learned + behind)
      }
    }
    root = opCase.record(graph, leaves.map(\.tensor))
    parameters = Buffer(count: count)
    gradients = Buffer(count: count)
    samples = Buffer.allocate(UInt64.self, count: opCase.batch)
    for (i, sample) in OpCase.samples(opCase.batch).enumerated() { samples[i] = sample }
    graph.finalize(parameters: parameters.base)
    replay = .training(
      samples, filled: opCase.batch, seed: OpCase.seed, attempt: OpCase.attempt, epoch: OpCase.epoch)
    for (leaf, tensor, _) in leaves { graph[tensor].update(from: leaf.values, count: leaf.count) }
    self.graph = graph
  }

  deinit { samples.deallocate() }

  func forward() -> [Float] {
    graph.forward(replay)
    return Array(UnsafeBufferPointer(start: graph[root], count: root.count))
  }

  func zeroGradients() { gradients.base.zero(gradients.count) }

  /// The gradients of all leaves that have one, after a backward replay that adds to those of the parameters.
  func backward(_ seed: [Float]) -> [[Float]?] {
    graph.backward(from: root, seed: seed, gradients: gradients.base)
    return leaves.map { leaf, tensor, offset in
      switch leaf.role {
      case .data, .statistic: nil
      case .input: graph.gradient(tensor).map { Array(UnsafeBufferPointer(start: $0, count: leaf.count)) }
      case .parameter: Array(UnsafeBufferPointer(start: gradients.base + offset, count: leaf.count))
      }
    }
  }

  /// The gradient buffer at places that belong to no parameter.
  var strayGradients: [Float] {
    let owned = leaves.filter { [.parameter, .statistic].contains($0.leaf.role) }.map {
      $0.offset..<$0.offset + $0.leaf.count
    }
    return (0..<gradients.count).filter { i in !owned.contains { $0.contains(i) } }.map { gradients.base[$0] }
  }
}

private func seedVector(_ count: Int) -> [Float] { (0..<count).map { Float(sin(Double($0) * 1.7 + 0.3)) + 0.25 } }

@Suite struct OpTests {
  @Test("The values of every operation equal the reference, and its gradients finite differences", arguments: opCases)
  func operation(opCase: OpCase) {
    let recording = Recording(opCase)
    let y = recording.forward()
    let x = opCase.leaves.map { $0.values.map(Double.init) }
    let exact = opCase.reference(x)
    #expect(y.count == exact.count)
    // This allows the rounding of float32 over a few dozen terms that are at most the largest output or about 1.
    let scale = exact.reduce(1) { max($0, abs($1)) }
    for (y, exact) in zip(y, exact) { #expect(abs(Double(y) - exact) <= 1e-6 * scale) }

    guard recording.graph.needsGradient(recording.root) else {
      #expect(!opCase.leaves.contains { $0.role.hasGradient })
      return
    }
    let seed = seedVector(y.count)
    func objective(_ x: [[Double]]) -> Double { zip(opCase.reference(x), seed).reduce(0) { $0 + $1.0 * Double($1.1) } }
    let once = recording.backward(seed)
    for (i, gradient) in once.enumerated() where opCase.leaves[i].role.hasGradient {
      guard let gradient else {
        Issue.record("leaf \(i) has no gradient")
        continue
      }
      // Third derivatives are of order 1 here, so the difference is exact to 1e-9, and the rest is rounding of float32.
      let h = 1e-5
      let slopes = x[i].indices.map { j in
        var up = x, down = x
        up[i][j] += h
        down[i][j] -= h
        return (objective(up) - objective(down)) / (2 * h)
      }
      let largest = slopes.reduce(1e-3) { max($0, abs($1)) }
      for j in slopes.indices {
        #expect(abs(Double(gradient[j]) - slopes[j]) <= 1e-5 * largest, "leaf \(i), element \(j)")
      }
    }
    #expect(recording.strayGradients.allSatisfy { $0 == 0 })

    // Replays again without clearing the buffers, which must not change the gradients. Backward may have reused memory
    // of values that it no longer needed.
    _ = recording.forward()
    #expect(recording.backward(seed) == once)
  }

  @Test("Every replay of an operation gives the same bits", arguments: opCases)
  func replays(opCase: OpCase) {
    let recording = Recording(opCase), another = Recording(opCase)
    let y = recording.forward()
    #expect(recording.forward() == y && another.forward() == y)
    guard recording.graph.needsGradient(recording.root) else { return }
    let seed = seedVector(y.count)
    let first = recording.backward(seed)
    recording.zeroGradients()
    _ = recording.forward()
    #expect(recording.backward(seed) == first && another.backward(seed) == first)
  }

  @Test("Convolutions give the same values at every level of this CPU, up to rounding", arguments: convolutionCases)
  func levels(opCase: OpCase) {
    let recording = Recording(opCase)
    let seed = seedVector(recording.root.count)
    func results(_ level: Int32) -> [[Float]] {
      #expect(vd_conv_choose_level(level) == 1)
      defer { _ = vd_conv_choose_level(0) }
      return [recording.forward()] + recording.backward(seed).compactMap { $0 }
    }
    let best = results(0)
    for level in 2..<max(2, vd_cpu_level()) {
      for (ours, theirs) in zip(results(level), best) {
        let largest = theirs.reduce(0) { max($0, abs($1)) }
        #expect(zip(ours, theirs).allSatisfy { abs($0 - $1) <= 1e-5 * largest }, "level \(level)")
      }
    }
  }

  /// This test fails for an operation without a case, before its gradient could be wrong in a training.
  @Test("Every operation in Sources/Autograd/Ops has a test case")
  func everyOperationHasACase() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Sources/Autograd/Ops")
    var declared = Set<String>()
    let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
    for case let file as URL in files where file.pathExtension == "swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: #/(?:struct|class|enum)\s+(\w+)(?:<[^>]*>)?\s*:[^{]*\b(?:Noise)?Operation\b/#) {
        declared.insert(String(match.1))
      }
    }
    #expect(declared.count >= 12, "the scan found only \(declared)")
    let recorded = Set(opCases.flatMap { Recording($0).graph.operations.map { String(describing: type(of: $0)) } })
    #expect(declared.subtracting(recorded) == [], "operations without a case in OpCases.swift")
    #expect(recorded.subtracting(declared) == [], "operations that the scan of the sources does not see")
  }

  @Test("Outside training, dropout passes all values and gradients")
  func dropoutOutsideTraining() {
    for opCase in opCases where opCase.name.hasPrefix("dropout 0.8") {
      let recording = Recording(opCase)
      recording.replay = .deterministic
      #expect(recording.forward() == opCase.leaves[0].values)
      let seed = seedVector(opCase.leaves[0].count)
      #expect(recording.backward(seed)[0] == seed)
    }
  }

  @Test("With a noise scale of 0, z equals mu, and logvar gets no gradient")
  func posteriorMean() {
    for opCase in opCases where opCase.name.hasPrefix("reparameterize") {
      let recording = Recording(opCase)
      recording.replay = recording.replay.atMean
      #expect(recording.forward() == opCase.leaves[0].values)
      let seed = seedVector(opCase.leaves[0].count)
      let gradients = recording.backward(seed)
      #expect(gradients[0] == nil || gradients[0] == seed)
      #expect(gradients[1]?.allSatisfy { $0 == 0 } ?? true)
    }
  }
}
