import Kernels
import Persistence
import Settings

/// A number that is recorded for every epoch: its name in files, and where to find it in the report of an epoch and in
/// an epoch that was read from a file.
///
/// The list `all` defines the lines of `metrics.jsonl` and how they are read, the columns of `epochs.csv`, and the
/// curves in TensorBoard. Reports on runs take the numbers of an epoch from it by name.
package struct EpochNumber: Sendable {
  package enum Kind: Sendable { case real, whole }

  /// Path in a line of `metrics.jsonl`. With `_` in place of `.`, it is the name of the column in `epochs.csv`.
  package let name: String
  package let kind: Kind
  /// Name of the curve in TensorBoard; nil if there is none.
  package let tag: String?
  /// Returns the number of an epoch; nil if the epoch has no such number.
  package let value: @Sendable (EpochReport) -> Double?
  /// Returns the number of an epoch that was read from a file; nil if the epoch has no such number.
  package let recorded: @Sendable (RunEpoch) -> Double?
  /// Stores the number in an epoch that is read from a file.
  let read: @Sendable (inout RunEpoch, Double?) -> Void

  /// All numbers, in the order of a line of `metrics.jsonl`.
  package static let all: [EpochNumber] = [
    EpochNumber(whole: "epoch", { $0.epoch }, \.epoch),
    EpochNumber(whole: "step", { $0.step }, \.step),
    EpochNumber("beta", tag: "optimizer/beta", { $0.beta }, \.beta),
    EpochNumber("learning_rate", tag: "optimizer/learning_rate", { $0.learningRate }, \.learningRate),
    EpochNumber("train.recon", tag: "train/recon", { $0.train.reconstruction }, \.train.reconstruction),
    EpochNumber("train.kl", tag: "train/kl", { $0.train.kl }, \.train.kl),
    EpochNumber("train.neg_elbo", tag: "train/neg_elbo", { $0.train.negativeELBO }, from: { $0.train.negativeELBO }),
    EpochNumber(
      "train.bits_per_dimension", tag: "train/bits_per_dimension", { bits($0, $0.train) }, optional: \.trainBits),
    EpochNumber("valid.recon", tag: "valid/recon", { $0.valid.means.reconstruction }, \.valid.reconstruction),
    EpochNumber("valid.kl", tag: "valid/kl", { $0.valid.means.kl }, \.valid.kl),
    EpochNumber(
      "valid.neg_elbo", tag: "valid/neg_elbo", { $0.valid.means.negativeELBO }, from: { $0.valid.negativeELBO }),
    EpochNumber(
      "valid.bits_per_dimension", tag: "valid/bits_per_dimension", { bits($0, $0.valid.means) }, optional: \.validBits),
    EpochNumber(
      "valid.recon_of_mean", tag: "valid/recon_of_mean", { $0.valid.reconstructionOfMean }, \.reconstructionOfMean),
    EpochNumber(loss, { $0.valid.loss }, from: { _ in nil }),
    EpochNumber(whole: activeUnits, tag: "latent/active_units", { $0.valid.activeUnits }, optional: \.activeUnits),
    EpochNumber("grad_norm", tag: "optimizer/grad_norm", { $0.gradientNorm }, \.gradientNorm),
    EpochNumber("samples_per_second", tag: "speed/samples_per_second", { $0.samplesPerSecond }, \.samplesPerSecond),
    EpochNumber("seconds", { $0.seconds }, \.seconds),
    EpochNumber(whole: "ranks", { $0.ranks }, \.ranks, otherwise: 1),
    EpochNumber(whole: "skipped", { $0.skipped }, \.skipped),
    EpochNumber(whole: "rollbacks", { $0.rollbacks }, \.rollbacks),
    EpochNumber(whole: "slowest_rank", { $0.slowestRank }, optional: \.slowestRank),
    EpochNumber("wait_share", tag: "speed/wait_share", { $0.waitShare }, \.waitShare),
  ]

  /// The number with this name in `all`.
  package static func named(_ name: String) -> EpochNumber {
    guard let number = all.first(where: { $0.name == name }) else { preconditionFailure("no epoch has a \(name)") }
    return number
  }

  private static let loss = "valid.loss", activeUnits = "active_units"

  private static func bits(_ report: EpochReport, _ means: ELBOMeans) -> Double? {
    report.bits.map { $0(nats: means.negativeELBO) }
  }

  // MARK: metrics.jsonl

  /// The object that contains the number, if any, and the number's key in it.
  var path: (group: String?, key: String) {
    let parts = name.split(separator: ".").map(String.init)
    return parts.count == 2 ? (parts[0], parts[1]) : (nil, name)
  }

  private func json(_ report: EpochReport) -> JSON? {
    value(report).map { kind == .whole ? .integer(Int($0)) : .number($0) }
  }

  /// The line of an epoch in `metrics.jsonl`.
  static func line(_ report: EpochReport) -> JSON {
    var entries: [(String, JSON)] = [("kind", .text("epoch"))], group: (name: String, entries: [(String, JSON)])?
    func close() {
      if let closed = group { entries.append((closed.name, .object(closed.entries))) }
      // The flag `best` follows the numbers of the validation that decides it.
      if group?.name == "valid" { entries.append(("best", .flag(report.isBest))) }
      group = nil
    }
    for number in all {
      let path = number.path
      if path.group != group?.name { close() }
      guard let json = number.json(report) else { continue }
      if let name = path.group {
        group = (name, (group?.entries ?? []) + [(path.key, json)])
      } else {
        entries.append((path.key, json))
      }
      if number.name == activeUnits {
        entries.append(("kl_per_unit", .numbers(report.valid.klPerUnit)))
        if report.valid.klPerGroup.count > 1 { entries.append(("kl_per_group", report.valid.klPerGroupJSON)) }
        entries.append(("variance_per_unit", .numbers(report.valid.variancePerUnit)))
      }
    }
    close()
    return .object(entries + [("rank_seconds", report.rankSeconds.json)])
  }

  // MARK: epochs.csv

  /// Columns in the order of the file. Numbers that exist for images only come last.
  private static let columns: [EpochNumber] = {
    let columns = all.filter { $0.name != loss }
    return columns.filter { !$0.isOfImages } + columns.filter(\.isOfImages)
  }()

  private var isOfImages: Bool { path.key == "bits_per_dimension" }

  static let header = columns.map { $0.name.replacing(".", with: "_") }.joined(separator: ",")

  private func cell(_ report: EpochReport) -> String {
    value(report).map { kind == .whole ? "\(Int($0))" : "\($0, .decimal)" } ?? ""
  }

  static func row(_ report: EpochReport) -> String { columns.map { $0.cell(report) }.joined(separator: ",") }
}

// MARK: Kinds of numbers

extension EpochNumber {
  private typealias Field<Value> = WritableKeyPath<RunEpoch, Value> & Sendable

  /// A real number. It is NaN in a file that does not have it.
  private init(
    _ name: String, tag: String? = nil, _ value: @escaping @Sendable (EpochReport) -> Double?, _ field: Field<Double>
  ) {
    self.init(name: name, kind: .real, tag: tag, value: value, recorded: { $0[keyPath: field] }) {
      $0[keyPath: field] = $1 ?? .nan
    }
  }

  /// A real number that some epochs do not have.
  private init(
    _ name: String, tag: String? = nil, _ value: @escaping @Sendable (EpochReport) -> Double?,
    optional field: Field<Double?>
  ) {
    self.init(name: name, kind: .real, tag: tag, value: value, recorded: { $0[keyPath: field] }) {
      $0[keyPath: field] = $1
    }
  }

  /// A real number that is not stored when it is read from a file, because it follows from others or is not needed.
  private init(
    _ name: String, tag: String? = nil, _ value: @escaping @Sendable (EpochReport) -> Double?,
    from recorded: @escaping @Sendable (RunEpoch) -> Double?
  ) {
    self.init(name: name, kind: .real, tag: tag, value: value, recorded: recorded) { _, _ in }
  }

  /// A whole number, which is `otherwise` in a file that does not have it.
  private init(
    whole name: String, _ value: @escaping @Sendable (EpochReport) -> Int, _ field: Field<Int>, otherwise: Int = 0
  ) {
    self.init(
      name: name, kind: .whole, tag: nil, value: { Double(value($0)) }, recorded: { Double($0[keyPath: field]) }
    ) {
      $0[keyPath: field] = $1.flatMap { Int(exactly: $0) } ?? otherwise
    }
  }

  /// A whole number that some epochs do not have.
  private init(
    whole name: String, tag: String? = nil, _ value: @escaping @Sendable (EpochReport) -> Int,
    optional field: Field<Int?>
  ) {
    self.init(
      name: name, kind: .whole, tag: tag, value: { Double(value($0)) },
      recorded: { $0[keyPath: field].map(Double.init) }
    ) {
      $0[keyPath: field] = $1.flatMap { Int(exactly: $0) }
    }
  }
}

extension ValidationReport {
  /// KL in nats for each group of latents, keyed by the names of the groups.
  package var klPerGroupJSON: JSON { .object(klPerGroup.map { ($0.name, .number($0.kl)) }) }
}
