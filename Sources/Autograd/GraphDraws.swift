/// Several draws for the same inputs: what does not depend on drawn noise is computed once.
extension Graph {
  /// Operations whose results depend on noise that is drawn.
  var drawnOperations: [Int] {
    var tensors = Set<Int>()
    return operations.indices.filter { i in
      let operation = operations[i]
      guard operation is StandardNormal || operation.inputs.contains(where: { tensors.contains($0.index) }) else {
        return false
      }
      tensors.formUnion(operation.outputs.map(\.index))
      return true
    }
  }

  /// What operations that depend on drawn noise read of those that do not: the same for every draw.
  package var drawFrontier: [Tensor] {
    let drawn = drawnOperations, own = Set(drawn.flatMap { operations[$0].outputs.map(\.index) })
    var known = Set<Int>(), frontier: [Tensor] = []
    for tensor in drawn.flatMap({ operations[$0].inputs }) where !own.contains(tensor.index) {
      switch origin(of: tensor) {
      case .parameter, .constant: continue
      case .input, .recorded: if known.insert(tensor.index).inserted { frontier.append(tensor) }
      }
    }
    return frontier
  }

  /// Noise that is drawn, with the hash of its stream.
  package var noise: [(tensor: Tensor, streamHash: UInt64)] {
    operations.compactMap { $0 as? StandardNormal }.map { ($0.eps, $0.streamHash) }
  }

  /// Another draw for the same inputs: computes what depends on drawn noise, after a `forward` that computed the rest.
  package func redraw(_ replay: Replay) {
    precondition(redraws, "a graph that keeps nothing for other draws")
    self.replay = replay
    let memory = memory
    for index in drawn { operations[index].forward(memory) }
  }
}
