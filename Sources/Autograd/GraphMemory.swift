extension Graph {
  /// Plans memory from the lifetimes of all values and gradients. Time is the position in the sequence of forward
  /// operations followed by backward operations.
  func planMemory() -> (plan: MemoryPlan, values: [Int?], gradients: [Int?]) {
    let order = backwardOperations
    let end = operations.count + order.count
    var backwardTime = [Int](repeating: -1, count: operations.count)
    for (place, operation) in order.enumerated() { backwardTime[operation] = operations.count + place }
    // Inputs, constants and scratch tensors that no operation lists live during the whole replay. In a graph with
    // gradients, all values live until the end of forward, so that a failure in forward can be diagnosed.
    var values = [ClosedRange<Int>?](repeating: nil, count: entries.count)
    var gradients = values
    func stretch(_ life: inout ClosedRange<Int>?, _ time: Int) {
      life = life.map { min($0.lowerBound, time)...max($0.upperBound, time) } ?? time...time
    }
    for (i, operation) in operations.enumerated() {
      for tensor in operation.outputs + operation.kept {
        stretch(&values[tensor.index], i)
        if recordsGradients { stretch(&values[tensor.index], operations.count) }
      }
      for tensor in operation.inputs where values[tensor.index] != nil { stretch(&values[tensor.index], i) }
      guard backwardTime[i] >= 0 else { continue }
      for tensor in operation.inputs + operation.outputs + operation.kept where values[tensor.index] != nil {
        stretch(&values[tensor.index], backwardTime[i])
      }
      for tensor in operation.inputs + operation.outputs { stretch(&gradients[tensor.index], backwardTime[i]) }
    }
    // A tensor that no operation uses may be the root of backward.
    let used = Set(operations.flatMap { $0.inputs.map(\.index) })
    for index in entries.indices where !used.contains(index) && gradients[index] != nil {
      stretch(&gradients[index], operations.count)
    }
    for index in keptTensors { values[index] = 0...end }
    for index in inputs { (values[index], gradients[index]) = (0...end, 0...end) }
    var plan = MemoryPlan()
    var valuePlaces = [Int?](repeating: nil, count: entries.count), gradientPlaces = valuePlaces
    // Operations run one at a time. All of them therefore share one buffer for their first workspace tensor, one for
    // the second, and so on.
    var workspaces: [Int] = []
    for operation in operations {
      for (i, tensor) in operation.workspace.enumerated() {
        if i == workspaces.count { workspaces.append(0) }
        workspaces[i] = max(workspaces[i], tensor.count)
      }
    }
    let shared = workspaces.map { plan.add(floats: $0, life: 0...end) }
    for operation in operations {
      for (i, tensor) in operation.workspace.enumerated() { valuePlaces[tensor.index] = shared[i] }
    }
    for (i, entry) in entries.enumerated() {
      guard case .arena = entry.place, valuePlaces[i] == nil else { continue }
      let isDropped = droppedTensors.contains(i)
      valuePlaces[i] = plan.add(floats: isDropped ? 0 : entry.shape.count, life: values[i] ?? 0...end)
      if entry.needsGradient {
        gradientPlaces[i] = plan.add(floats: entry.shape.count, life: gradients[i] ?? 0...end)
      }
    }
    plan.place()
    return (plan, valuePlaces, gradientPlaces)
  }
}
