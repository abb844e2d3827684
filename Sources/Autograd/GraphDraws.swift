/// Repeated draws of noise for the same inputs. Values that do not depend on the noise are computed only once.
extension Graph {
  /// The operations that depend on drawn noise.
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

  /// The tensors that drawn operations read from operations that do not depend on noise. They are the same for every
  /// draw.
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

  /// The noise tensors, each with the hash of its stream.
  package var noise: [(tensor: Tensor, streamHash: UInt64)] {
    operations.compactMap { $0 as? StandardNormal }.map { ($0.eps, $0.streamHash) }
  }

  /// Makes another draw for the same inputs. Computes only the values that depend on noise; call `forward` first.
  package func redraw(_ replay: Replay) {
    precondition(redraws, "the graph was not recorded for further draws")
    self.replay = replay
    let memory = memory
    for index in drawn { operations[index].forward(memory) }
  }
}
