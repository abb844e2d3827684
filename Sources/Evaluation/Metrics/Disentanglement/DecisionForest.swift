import Kernels

/// A forest of classification trees on bootstrap samples (Breiman, "Random forests", 2001). Each split is the one with
/// the largest decrease in Gini impurity. All features are considered at every split, so that the importance of a
/// feature does not depend on which other features were excluded by chance.
struct DecisionForest {
  private static let trees = 10
  private static let mostDepth = 12
  private static let leastLeaf = 5
  /// Number of quantile steps that features are discretized to. They fit in a byte and are more than any factor needs.
  private static let steps = 128

  /// Each feature's share of the total impurity decrease. The shares sum to 1, or to 0 if nothing was split.
  let importance: [Double]
  private let forest: [Tree]
  private let edges: [[Float]]
  private let classes: Int

  private struct Node {
    var feature = -1
    /// Rows go to the left child if the feature's step is at most this value.
    var step: UInt8 = 0
    /// Index of the left child. The right child follows it.
    var child = 0
    var majority = 0
  }

  private struct Tree { var nodes: [Node] = [] }

  /// Trains the forest.
  /// - features: The features of each row. (rows, width)
  /// - labels: The class of each row, in 0..<classes.
  init(_ features: [Float], width: Int, labels: [Int], classes: Int, seed: UInt64) {
    let rows = labels.count
    let edges = (0..<width).map { feature in
      let sorted = stride(from: feature, to: features.count, by: width).map { features[$0] }.sorted()
      return (1..<Self.steps).map { sorted[$0 * rows / Self.steps] }
    }
    var growth = Growth(
      steps: (0..<rows * width).map { Self.step(of: features[$0], edges[$0 % width]) }, width: width, labels: labels,
      classes: classes)
    var draws = KeyedDraws(seed: seed, "forest")
    forest = (0..<Self.trees).map { _ in growth.tree((0..<rows).map { _ in draws.next(below: rows) }) }
    let total = growth.importance.reduce(0, +)
    importance = growth.importance.map { total > 0 ? $0 / total : 0 }
    self.edges = edges
    self.classes = classes
  }

  /// The number of edges below a value, found by bisection.
  private static func step(of value: Float, _ edges: [Float]) -> UInt8 {
    var low = 0, high = edges.count
    while low < high {
      let middle = (low + high) / 2
      if edges[middle] < value { low = middle + 1 } else { high = middle }
    }
    return UInt8(low)
  }

  /// The class that most trees predict.
  func classify(_ row: ArraySlice<Float>) -> Int {
    let steps = zip(row, edges).map { Self.step(of: $0, $1) }
    var votes = [Int](repeating: 0, count: classes)
    for tree in forest {
      var node = tree.nodes[0]
      while node.feature >= 0 { node = tree.nodes[node.child + (steps[node.feature] <= node.step ? 0 : 1)] }
      votes[node.majority] += 1
    }
    return votes.indices.max { (votes[$0], $1) < (votes[$1], $0) } ?? 0
  }

  /// The training set and the importances accumulated while trees grow.
  private struct Growth {
    /// Discretized features. (rows, width)
    let steps: [UInt8]
    let width: Int
    let labels: [Int]
    let classes: Int
    var importance: [Double]

    init(steps: [UInt8], width: Int, labels: [Int], classes: Int) {
      (self.steps, self.width, self.labels, self.classes) = (steps, width, labels, classes)
      importance = [Double](repeating: 0, count: width)
    }

    mutating func tree(_ rows: [Int]) -> Tree {
      var tree = Tree(nodes: [Node()])
      var waiting = [(node: 0, rows: rows, depth: 0)]
      while let (node, rows, depth) = waiting.popLast() {
        var counts = [Int](repeating: 0, count: classes)
        for row in rows { counts[labels[row]] += 1 }
        tree.nodes[node].majority = counts.indices.max { (counts[$0], $1) < (counts[$1], $0) } ?? 0
        guard depth < mostDepth, let split = split(rows, counts) else { continue }
        importance[split.feature] += split.gain
        let child = tree.nodes.count
        tree.nodes[node].feature = split.feature
        tree.nodes[node].step = split.step
        tree.nodes[node].child = child
        tree.nodes += [Node(), Node()]
        var left: [Int] = [], right: [Int] = []
        for row in rows {
          if steps[row * width + split.feature] <= split.step { left.append(row) } else { right.append(row) }
        }
        waiting.append((child, left, depth + 1))
        waiting.append((child + 1, right, depth + 1))
      }
      return tree
    }

    /// The split with the largest impurity decrease, in units of rows; nil if no split decreases the impurity.
    private func split(_ rows: [Int], _ counts: [Int]) -> (feature: Int, step: UInt8, gain: Double)? {
      let n = rows.count
      guard n >= 2 * leastLeaf, !counts.contains(n) else { return nil }
      let squares = counts.reduce(0) { $0 + $1 * $1 }
      var best: (feature: Int, step: UInt8, gain: Double)?
      var starts = [Int](repeating: 0, count: DecisionForest.steps + 1), sorted = [Int](repeating: 0, count: n)
      for feature in 0..<width {
        // Counting sort of the rows by step.
        for step in starts.indices { starts[step] = 0 }
        for row in rows { starts[Int(steps[row * width + feature]) + 1] += 1 }
        for step in 1..<starts.count { starts[step] += starts[step - 1] }
        for row in rows {
          let step = Int(steps[row * width + feature])
          sorted[starts[step]] = row
          starts[step] += 1
        }
        var left = [Int](repeating: 0, count: classes), right = counts, leftSquares = 0, rightSquares = squares
        for place in 0..<n - 1 {
          let row = sorted[place], label = labels[row]
          leftSquares += 2 * left[label] + 1
          rightSquares -= 2 * right[label] - 1
          left[label] += 1
          right[label] -= 1
          let taken = place + 1, step = steps[row * width + feature]
          guard taken >= leastLeaf, n - taken >= leastLeaf, steps[sorted[taken] * width + feature] != step
          else { continue }
          let gain =
            Double(leftSquares) / Double(taken) + Double(rightSquares) / Double(n - taken)
            - Double(squares) / Double(n)
          if gain > 1e-9, gain > best?.gain ?? 0 { best = (feature, step, gain) }
        }
      }
      return best
    }
  }
}
