import Autograd
import Foundation
import Kernels
import Layers
import Optimizers
import Training

/// A small classifier with the same settings for all sets that are compared: 64 hidden units and 2,000 updates by Adam.
///
/// The result is determined by the rows, labels and seed, because the order and the initial weights are keyed.
package final class RowClassifier {
  private static let batch = 64
  private static let hidden = 64
  private static let updates = 2_000
  private static let rate = 0.003

  private let graph: Graph
  private let store = ParameterStore()
  private let x, target, logits, loss: Tensor
  private let classes: Int
  /// Mean of each column, which is subtracted. All columns share the one factor `scale`.
  private let center: [Float]
  private let scale: Float

  /// Trains the classifier.
  /// - rows: Training rows. (labels.count, width)
  /// - labels: The class of each row, in 0..<classes. There are at least two classes.
  package init(_ rows: [Float], labels: [Int], width: Int, classes: Int, seed: UInt64) {
    precondition(rows.count == labels.count * width && classes > 1, "\(labels.count) rows of \(classes) classes")
    self.classes = classes
    let moments = CodeVariances(rows, dimensions: width)
    center = moments.mean.map { Float($0) }
    let variance = moments.variance.reduce(0, +) / Double(width)
    scale = variance > 0 ? Float(1 / variance.squareRoot()) : 1
    graph = Graph(batch: Self.batch)
    let scope = ParameterScope(graph: graph, store: store)["classifier"]
    x = graph.input([Self.batch, width])
    target = graph.input([Self.batch, classes])
    let features = scope.perceptron(x, widths: [Self.hidden], activation: .relu, dropout: 0)
    logits = scope["output"].linear(features, to: classes)
    loss = graph.table(target, location: logits, raw: graph.constant(0), TableLayout(sizes: [classes]))
    graph.keep([logits])
    store.allocate(seed: seed)
    graph.finalize(parameters: store.values)
    learn(rows, labels, seed)
  }

  private func learn(_ rows: [Float], _ labels: [Int], _ seed: UInt64) {
    let optimizer = Optimizer(OptimizerSettings(), count: store.count), gradients = Buffer(count: store.count)
    let weights = [Float](repeating: 1 / Float(Self.batch), count: Self.batch)
    let generator = KeyedGenerator(seed: seed, stream: "classifier")
    let activity = Activity("training a classifier", of: Self.updates)
    defer { activity.end() }
    var order = KeyedPermutation(count: labels.count, generator: generator, epoch: 0, part: 0), next = 0, epoch = 0
    for update in 0..<Self.updates {
      graph[target].zero(Self.batch * classes)
      for place in 0..<Self.batch {
        if next == labels.count {
          (next, epoch) = (0, epoch + 1)
          order = KeyedPermutation(count: labels.count, generator: generator, epoch: UInt32(epoch), part: 0)
        }
        put(rows, order[next], at: place)
        graph[target][place * classes + labels[order[next]]] = 1
        next += 1
      }
      graph.forward()
      graph.backward(from: loss, seed: weights, gradients: gradients.base)
      // The learning rate decays to 0 along a cosine.
      let rate = Self.rate * 0.5 * (1 + cos(Double.pi * Double(update) / Double(Self.updates)))
      optimizer.step(store.values, gradient: gradients.base, rate: rate, scale: 1, update: update + 1)
      Activity.advance()
    }
  }

  private func put(_ rows: [Float], _ row: Int, at place: Int) {
    let width = center.count, input = graph[x] + place * width
    for j in 0..<width { input[j] = (rows[row * width + j] - center[j]) * scale }
  }

  /// The most likely class of each row. rows: (count, width)
  package func predict(_ rows: [Float]) -> [Int] {
    let count = rows.count / center.count
    var found: [Int] = []
    for first in stride(from: 0, to: count, by: Self.batch) {
      let filled = min(Self.batch, count - first)
      for place in 0..<filled { put(rows, first + place, at: place) }
      graph.forward()
      for place in 0..<filled {
        let row = UnsafeBufferPointer(start: graph[logits] + place * classes, count: classes)
        found.append(row.indices.max { row[$0] < row[$1] } ?? 0)
      }
    }
    return found
  }
}
