import Kernels

/// What a model is conditioned on: nothing, the label of a sample, or its attributes.
package enum ConditionKind: String, CaseIterable, Sendable { case none, label, attributes }

/// How the label or the attributes of a sample become the vector y that a model is conditioned on.
package enum Condition: Codable, Equatable, Sendable {
  /// y is a one-hot vector over these classes, whose labels are in ascending order.
  case classes(labels: [Int], names: [String])
  /// y holds the scaled attributes (a - offset) * scale.
  case attributes(names: [String], scaling: Scaling)

  /// Largest number of distinct labels that are treated as classes.
  package static let mostClasses = 1_000

  package var kind: ConditionKind { if case .classes = self { .label } else { .attributes } }

  /// Names of the classes or of the attributes.
  package var names: [String] {
    switch self {
    case .classes(_, let names), .attributes(let names, _): names
    }
  }

  /// Labels of the classes in ascending order; empty for attributes.
  package var labels: [Int] { if case .classes(let labels, _) = self { labels } else { [] } }

  /// Number of elements of y for one sample.
  package var width: Int { names.count }

  /// Number of classes; 0 for attributes.
  package var classes: Int { if case .classes = self { width } else { 0 } }

  /// Whether the fields are consistent with each other. A condition that was decoded from a file may not be.
  package var isSound: Bool {
    switch self {
    case .classes(let labels, let names):
      !labels.isEmpty && labels.count == names.count && zip(labels, labels.dropFirst()).allSatisfy { $0 < $1 }
    case .attributes(let names, let scaling):
      !names.isEmpty && scaling.offset.count == names.count && scaling.scale.count == names.count
    }
  }

  /// Returns the index of the class with this name or, failing that, with this label; nil if there is none.
  package func index(of text: String) -> Int? {
    guard case .classes(let labels, let names) = self else { return nil }
    return names.firstIndex(of: text) ?? Int(text).flatMap { labels.firstIndex(of: $0) }
  }

  /// Returns y for the class with this index, (width).
  package func oneHot(_ index: Int) -> [Float] { (0..<width).map { $0 == index ? 1 : 0 } }
}

extension Dataset {
  /// Learns the condition from all samples of the data set; returns nil for `none`.
  package func learnCondition(_ kind: ConditionKind) throws(Failure) -> Condition? {
    switch kind {
    case .none: nil
    case .label: try learnClasses()
    case .attributes: try learnAttributes()
    }
  }

  private func learnClasses() throws(Failure) -> Condition {
    guard try loadLabels() else { throw lacks("labels") }
    var found = Set<Int>()
    for index in 0..<count {
      if let label = label(at: index) { found.insert(label) }
      guard found.count <= Condition.mostClasses else {
        throw .malformed(
          name, "has more than \(Condition.mostClasses) different labels, which is too many for classes",
          hint: "set model.condition to attributes, which takes numbers, or to none")
      }
    }
    let labels = found.sorted()
    return .classes(
      labels: labels,
      names: labels.map { label in
        if let names = classNames, names.indices.contains(label) { names[label] } else { "\(label)" }
      })
  }

  private func learnAttributes() throws(Failure) -> Condition {
    guard let names = attributeNames else { throw lacks("attributes") }
    var low = [Float](repeating: .infinity, count: names.count), high = low.map { -$0 }
    for index in 0..<count {
      for (j, value) in try attributes(at: index).enumerated() {
        low[j] = min(low[j], value)
        high[j] = max(high[j], value)
      }
    }
    // The scale of a constant attribute is 0, so that it contributes nothing.
    let scale = zip(low, high).map { $1 > $0 ? 1 / ($1 - $0) : 0 }
    return .attributes(names: names, scaling: Scaling(offset: low, scale: scale))
  }

  private func lacks(_ what: String) -> Failure {
    .malformed(
      name, "has no \(what), which the model needs (model.condition)",
      hint: what == "labels"
        ? "give images in a folder for each class, MNIST's files, or an .npz with X and y; or set model.condition to none"
        : "give shapes, or an .npz with X and attributes; or set model.condition to none")
  }

  /// Takes over a condition, which `fillConditions` then applies to the samples of this data set.
  ///
  /// Throws where the labels or attributes of the samples do not match the condition.
  package func adopt(_ condition: Condition?) throws(Failure) {
    switch condition {
    case .classes(let labels, let names):
      guard try loadLabels() else { throw lacks("labels") }
      let own = classNames
      for index in 0..<count {
        guard let label = label(at: index) else { continue }
        if let place = labels.firstIndex(of: label) {
          // The labels of image folders are numbered within each data set, so equal labels may be different classes.
          guard let own, own.indices.contains(label), own[label] != names[place] else { continue }
          throw .malformed(
            name,
            "calls label \(label) '\(own[label].printable)', but the model knows it as '\(names[place].printable)'",
            hint:
              "give all classes of the training data with the same names; in a table or in "
              + "a folder of images, a class may have no samples")
        }
        throw .malformed(
          name,
          "sample \(index) has the label \(label), but the model knows only \(names.prefix(12).joined(separator: ", "))"
            + (names.count > 12 ? ", ..." : ""),
          hint: "the model can only be conditioned on classes of its training samples")
      }
    case .attributes(let names, _):
      guard let own = attributeNames else { throw lacks("attributes") }
      guard own == names else {
        throw .malformed(
          name,
          "has the attributes \(own.joined(separator: ", ")), but the model was trained with "
            + names.joined(separator: ", "), hint: "give the same attributes in the same order")
      }
      if count > 0 { _ = try attributes(at: 0) }
    case nil: break
    }
    self.condition = condition
  }

  /// Writes the vectors y that the model is conditioned on, row-major (indices.count, condition.width).
  package func fillConditions(_ indices: UnsafeBufferPointer<Int>, into y: UnsafeMutablePointer<Float>) {
    switch condition {
    case .classes(let labels, _):
      y.zero(indices.count * labels.count)
      for (row, index) in indices.enumerated() {
        guard let place = label(at: index).flatMap({ labels.firstIndex(of: $0) }) else {
          preconditionFailure("\(name): sample \(index) has no class, although all samples were checked")
        }
        y[row * labels.count + place] = 1
      }
    case .attributes(let names, let scaling):
      for (row, index) in indices.enumerated() {
        copyAttributes(of: index, into: y + row * names.count)
        for j in names.indices {
          y[row * names.count + j] = (y[row * names.count + j] - scaling.offset[j]) * scaling.scale[j]
        }
      }
    case nil: break
    }
  }

  /// Returns the vectors y of any samples, row-major (indices.count, condition.width); empty without a condition.
  package func conditions(of indices: [Int]) -> [Float] {
    guard let condition else { return [] }
    var y = [Float](repeating: 0, count: indices.count * condition.width)
    indices.withUnsafeBufferPointer { fillConditions($0, into: &y) }
    return y
  }
}
