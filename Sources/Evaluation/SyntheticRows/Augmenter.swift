import Communication
import Data
import Kernels
import Training

/// Options for generating synthetic rows.
package struct AugmentationOptions: Sendable {
  /// Number of rows. It applies to each class if `isPerClass` is true. Otherwise it is the total, divided among the
  /// classes in proportion to the training rows.
  package var count: Int
  package var isPerClass: Bool
  /// If nil, z is drawn from the prior. Otherwise z is drawn around training rows, with a standard deviation of `width`
  /// times that of the posterior.
  package var width: Double?
  /// Whether to generate E[x | z] instead of a draw from p(x | z).
  package var usesMean: Bool
  /// Share of real held-out rows with a score below the threshold, for each criterion of the gate.
  package var quantile: Double
  package var seed: UInt64
  /// Source of the run's data, if it has been moved.
  package var data: String?

  package init(
    count: Int, isPerClass: Bool, width: Double?, usesMean: Bool, quantile: Double, seed: UInt64, data: String?
  ) {
    (self.count, self.isPerClass, self.width, self.usesMean) = (count, isPerClass, width, usesMean)
    (self.quantile, self.seed, self.data) = (quantile, seed, data)
  }
}

/// Generates synthetic rows with a trained model and evaluates them.
package struct Augmenter {
  private let model: TrainedModel
  private let options: AugmentationOptions
  private let communicator: Communicator
  private let sets: DataSplit
  private let warnings: [String]

  /// Opens the training and validation sets and checks that they are the model's own. This call is collective.
  package init(_ model: TrainedModel, _ options: AugmentationOptions, _ communicator: Communicator) throws(Failure) {
    self.model = model
    self.options = options
    self.communicator = communicator
    let sets = try communicator.together { () throws(Failure) in try Augmenter.open(model, options.data) }
    try communicator.agree(
      on: [
        ("training samples", "\(sets.train.count)"), ("digest of the training data", sets.train.fingerprint),
        ("held-out samples", "\(sets.valid.count)"), ("digest of the held-out data", sets.valid.fingerprint),
      ], when: "before augmentation", status: .badData, hint: "give every host the same data files")
    let known = model.file.training?.dataFingerprint
    try communicator.together { () throws(Failure) in
      guard let known, known != sets.train.fingerprint else { return }
      throw Failure(
        .badData,
        "\(sets.train.name): these are not the rows that the model was trained on, which its rows must be compared with",
        hint: "name the run's own data: --data SPEC")
    }
    self.sets = sets
    warnings =
      known == nil
      ? ["the model file does not name its training data, so \(sets.train.name) is assumed"] : []
  }

  private static func open(_ model: TrainedModel, _ spec: String?) throws(Failure) -> DataSplit {
    guard model.schema?.windows == nil else {
      throw Failure(
        .usage, "samples of this model are windows of a sequence, and separately made windows do not form a sequence",
        hint: "train on the rows themselves, or draw windows with `vae-dist sample`")
    }
    var configuration = model.configuration
    if let spec { configuration.data.source = spec }
    // In a run that overfits a few batches, both sets would contain the same rows.
    configuration.train.overfitBatches = 0
    let sets: DataSplit
    do { sets = try configuration.openSets(schema: model.schema) } catch {
      guard error.status == .missingInput, spec == nil else { throw error }
      throw Failure(
        error.status, error.message,
        hint: "the run's own data has been moved or removed: give its new place with --data SPEC")
    }
    guard sets.train.shape == model.shape else {
      throw Failure(
        .badData,
        "\(sets.train.name): its samples are \(sets.train.shape), but the model was trained on \(model.shape)",
        hint: "name the run's own data: --data SPEC")
    }
    for set in [sets.train, sets.valid] {
      set.scaling = model.file.metadata.scaling
      set.requirement = try configuration.dataRequirement
      try set.adopt(model.condition)
    }
    return sets
  }

  /// Generates the rows. The encoder runs on all ranks and everything else on rank 0, which receives the report; the
  /// other ranks receive nil. This call is collective.
  package func run() throws(Failure) -> AugmentationReport? {
    let indices = RealRows.indices(of: sets.train)
    let posteriors = options.width == nil ? nil : try Encoder(model, sets.train, communicator).encode(indices)
    return try communicator.together { () throws(Failure) in
      communicator.isRoot ? try make(around: posteriors) : nil
    }
  }

  private func make(around posteriors: Posteriors?) throws(Failure) -> AugmentationReport {
    let real = try RealRows(sets, model), wanted = try wanted(real)
    let origin: CandidateSource.Origin
    if let posteriors, let width = options.width {
      let rows = wanted.indices.map { place in
        real.training.classes.indices.filter { real.training.classes[$0] == place }
      }
      origin = .around(posteriors, rows, width: Float(width))
    } else {
      origin = .prior
    }
    let given = try condition(real)
    let gate = QualityGate(model, real, quantile: options.quantile)
    let source = CandidateSource(model, origin, given, usesMean: options.usesMean, seed: options.seed)
    let synthesis = Synthesis(wanted, from: source, grid: real.grid, gate: gate, width: model.shape.elementCount)
    return AugmentationReport(
      model, sets.train, options, real, gate, synthesis, warnings: warnings)
  }

  /// What candidates are conditioned on. A draw from the prior is conditioned on the requested class.
  private func condition(_ real: RealRows) throws(Failure) -> CandidateSource.Condition {
    let isAround = options.width != nil
    switch model.condition {
    case .classes(let labels, _):
      return .classes(real.classes.map { known in labels.map { $0 == known.label ? 1 : 0 } })
    case .attributes(let names, _):
      guard isAround else {
        throw Failure(
          .usage, "the model is conditioned on attributes, which the prior cannot draw",
          hint: "use --around, which takes the attributes of training rows")
      }
      return .sources(real.trainingConditions, width: names.count)
    case nil:
      guard isAround || real.classes.count < 2 else {
        throw Failure(
          .usage,
          "the model is not conditioned on a class, so it is unknown which of the \(real.classes.count) classes a draw "
            + "from its prior belongs to",
          hint:
            "use --around, which draws around training rows of each class; or train with model.condition=label, or a model for "
            + "each class (data.classes: [3])")
      }
      return .nothing
    }
  }

  /// Number of rows to generate for each class.
  private func wanted(_ real: RealRows) throws(Failure) -> [Int] {
    guard !real.classes.isEmpty else {
      guard !options.isPerClass else {
        throw Failure(
          .usage, "\(sets.train.name) has no labels, so --per-class has no effect", hint: "omit --per-class")
      }
      return [options.count]
    }
    guard !options.isPerClass else { return real.classes.map { _ in options.count } }
    let counts = real.classes.indices.map { place in real.training.classes.count { $0 == place } }
    // Rows that remain after rounding down go to the classes with the largest remainders.
    let parts = counts.map { options.count.multipliedFullWidth(by: $0) }.map {
      real.training.count.dividingFullWidth($0)
    }
    var wanted = parts.map(\.quotient)
    let order = parts.indices.sorted { (parts[$0].remainder, $1) > (parts[$1].remainder, $0) }
    for place in order.prefix(options.count - wanted.reduce(0, +)) { wanted[place] += 1 }
    return wanted
  }
}
