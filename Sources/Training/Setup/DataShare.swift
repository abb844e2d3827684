import Communication
import RunConfiguration
import Data
import Kernels

/// Prepares the data that a rank reads: makes it readable, checks it, and applies the same scaling on all ranks.
struct DataShare {
  private let configuration: Configuration
  private let data: DataSplit
  private let plan: BatchPlan
  private let communicator: Communicator
  private let clock: PhaseClock
  private let slots: Range<Int>

  init(
    _ configuration: Configuration, _ data: DataSplit, _ plan: BatchPlan, _ communicator: Communicator,
    _ clock: PhaseClock
  ) {
    self.configuration = configuration
    self.data = data
    self.plan = plan
    self.communicator = communicator
    self.clock = clock
    slots = ReductionTree(leaves: plan.slots, ranks: communicator.size).range(of: communicator.rank)
  }

  /// Prepares this rank's share of the data. Collective.
  func prepare() throws(Failure) {
    let train = plan.strata(slots)
    let valid = Validator.share(
      of: Validator.count(of: data.valid, configuration), rank: communicator.rank, size: communicator.size)
    try communicator.together(keepingAlive: clock) { () throws(Failure) in
      try data.prepare(train: train, valid: valid)
    }
    let scaling = try findScaling(), requirement = try configuration.dataRequirement
    for set in [data.train, data.valid] {
      set.scaling = scaling
      set.requirement = requirement
    }
    try learnCondition()
    try communicator.together(keepingAlive: clock) { () throws(Failure) in
      let activity = Activity("checking \(data.train.name)", of: train.count + valid.count)
      defer { activity.end() }
      // A small share is checked now, because it is read in any case. A larger one is checked while it is used.
      if train.count * data.train.shape.elementCount <= DataShare.checkedElements { try data.train.check(train) }
      if valid.count * data.valid.shape.elementCount <= DataShare.checkedElements {
        try data.valid.check(valid)
      }
    }
  }

  /// Derives the condition from the training samples alone. Every rank reads all of their labels and attributes.
  private func learnCondition() throws(Failure) {
    try communicator.together(keepingAlive: clock) { () throws(Failure) in
      let condition = try data.train.learnCondition(configuration.model.condition)
      for set in [data.train, data.valid] { try set.adopt(condition) }
    }
    try communicator.agree(
      on: [("the condition of the model", data.train.condition.map { "\($0)" } ?? "nothing")], status: .badData,
      hint: "give every host the same labels and attributes")
  }

  private static let checkedElements = 1 << 26

  /// Computes the scaling from the training rows alone. The moments of the strata are merged in the order of the
  /// strata, so that the result does not depend on the number of ranks.
  private func findScaling() throws(Failure) -> Scaling {
    let mode = configuration.data.scale
    switch mode {
    case .none: return .identity
    case .unit: return Scaling(offset: [0], scale: [1 / 255])
    case .auto where data.train.element != .u8: return .identity
    case .auto:
      let largest = try communicator.together(keepingAlive: clock) { () throws(Failure) in
        let activity = Activity("finding the scale of \(data.train.name)", of: plan.strata(slots).count)
        defer { activity.end() }
        return try data.train.largestByte(of: plan.strata(slots))
      }
      return defaultScaling(element: data.train.element, maximum: Double(try communicator.maximum([Int64(largest)])[0]))
    case .minmax, .standardize: break
    }
    let mine = try communicator.together(keepingAlive: clock) { () throws(Failure) -> [Double] in
      let activity = Activity("finding the scale of \(data.train.name)", of: plan.strata(slots).count)
      defer { activity.end() }
      var all = [Double]()
      for slot in slots { all += try data.train.moments(of: plan.stratum(slot)).serialized }
      return all
    }
    let width = data.train.shape.elementCount
    var moments = Moments(width: width)
    for bytes in try communicator.gather(mine.withUnsafeBytes { [UInt8]($0) }) {
      let values = bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
      let size = Moments.serializedCount(width: width)
      for at in stride(from: 0, to: values.count, by: size) {
        moments.merge(Moments(serialized: Array(values[at..<at + size])))
      }
    }
    // One-hot columns keep their values 0 and 1.
    let isNumber = data.train.schema?.isNumber ?? [Bool](repeating: true, count: width)
    func scaling(_ element: (Int) -> (offset: Double, scale: Double)) -> Scaling {
      let parts = (0..<width).map { isNumber[$0] ? element($0) : (offset: 0, scale: 1) }
      return Scaling(offset: parts.map { Float($0.offset) }, scale: parts.map { Float($0.scale) })
    }
    if mode == .minmax {
      return scaling { j in
        let low = moments.minimum[j], high = moments.maximum[j]
        return (low.isFinite ? low : 0, high > low ? 1 / (high - low) : 1)
      }
    }
    // A constant column has no scale of its own. It is centred at 0 and carries no information.
    return scaling { j in
      (moments.mean[j], moments.variance(j) > 1e-24 ? 1 / moments.variance(j).squareRoot() : 1)
    }
  }
}

extension Configuration {
  /// The requirement that the values must meet after scaling.
  package var dataRequirement: Dataset.Requirement {
    get throws(Failure) {
      // With dynamic binarisation, values are probabilities. The drawn values suit every likelihood.
      if data.binarize == .dynamic { return .unitInterval }
      switch try likelihood.support {
      case .levels: return .levels
      case .unitInterval: return .unitInterval
      // The constants of structural similarity assume values in a range of 1.
      case .real: return objective.perceptual > 0 ? .unitInterval : data.table.isMixed ? .finiteOrMissing : .finite
      }
    }
  }

  /// Opens the training and validation sets that the configuration names.
  ///
  /// Rows are not read, except for finding the columns of a mixed table when `schema` is nil.
  package func openSets(schema: TableSchema? = nil) throws(Failure) -> DataSplit {
    do {
      let split = try openData(
        data.source, validation: data.validation == "auto" ? nil : data.validation,
        images: ImageOptions(size: data.imageSize, channels: data.channels), classes: data.classes, table: data.table,
        schema: schema)
      try data.requireAugmentable(split.train)
      return train.overfitBatches > 0 ? split.first(train.overfitBatches * train.batchSize) : split
    } catch {
      if error.status == .missingInput, data.validation != "auto", error.message.hasPrefix(data.validation + ":") {
        var failure = error
        failure.hint = "--valid (data.validation) names it: give a fraction such as 0.1, or an existing path"
        throw failure
      }
      guard error.status == .missingInput, data.source == ConfigurationSchema.source(ofPreset: preset)
      else { throw error }
      var failure = error
      failure.hint =
        "the preset \(preset) needs your own data: give --data PATH"
        + (preset == "mnist-mlp" ? " (`scripts/fetch-data mnist` downloads MNIST to data/mnist)" : "")
      throw failure
    }
  }
}
