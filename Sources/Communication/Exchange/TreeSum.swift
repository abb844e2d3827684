import Kernels

extension Communicator {
  /// Returns the sum of `leaves` vectors of float64, (width), in the fixed reduction tree. It has the same bits on any
  /// number of ranks. Collective.
  ///
  /// - leaf: adds the values of leaf i to v, (width), which is zero at first. It is called for the leaves of this rank.
  package func treeSum(
    leaves: Int, width: Int, _ leaf: (Int, UnsafeMutablePointer<Double>) throws(Failure) -> Void
  ) throws(Failure) -> [Double] {
    let tree = ReductionTree(leaves: leaves, ranks: size)
    let program = tree.localProgram(of: rank)
    let local = Buffer.allocate(Double.self, count: max(1, program.buffers) * width)
    defer { local.deallocate() }
    func add(_ base: UnsafeMutablePointer<Double>, _ merge: ReductionTree.Merge) {
      for i in 0..<width { base[merge.into * width + i] += base[merge.from * width + i] }
    }
    for step in program.leaves {
      (local + step.buffer * width).zero(width)
      try leaf(step.index, local + step.buffer * width)
      for merge in step.merges { add(local, merge) }
    }
    let blocks = (0..<size).map(tree.blocks)
    let all = Buffer.allocate(Double.self, count: max(1, blocks.reduce(0) { $0 + $1.count }) * width)
    defer { all.deallocate() }
    try gather(local, counts: blocks.map { $0.count * width }, into: all)
    for merge in ReductionTree.merges(of: blocks.flatMap { $0 }) { add(all, merge) }
    return (0..<width).map { all[$0] }
  }

  /// Returns `width` numbers for each of `parts`. Each part is computed by one rank, and every rank receives all
  /// numbers. Collective.
  package func divided(
    parts: Int, width: Int, _ part: (Int) throws(Failure) -> [Double]
  ) throws(Failure) -> [[Double]] {
    guard parts > 0 else { return [] }
    let all = try treeSum(leaves: parts, width: parts * width) { index, row throws(Failure) in
      for (place, value) in try part(index).enumerated() { row[index * width + place] = value }
    }
    return (0..<parts).map { Array(all[$0 * width..<($0 + 1) * width]) }
  }
}
