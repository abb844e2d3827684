import Kernels
import Persistence
import Settings

/// A number that is recorded for every epoch: its name in files and the field of the report that it is taken from.
///
/// The list `all` defines the lines of `metrics.jsonl` and how they are read, the columns of `epochs.csv`, and the
/// curves in TensorBoard.
package struct EpochNumber: Sendable {
  package enum Kind: Sendable { case real, whole }

  /// Path in a line of `metrics.jsonl`. With `_` in place of `.`, it is the name of the column in `epochs.csv`.
  package let name: String
  package let kind: Kind
  /// Name of the curve in TensorBoard; nil if there is none.
  package let tag: String?
  /// Returns the number of an epoch; nil if the epoch has no such number.
  package let value: @Sendable (EpochReport) -> Double?
  /// Stores the number in an epoch that is read from a file.
  let read: @Sendable (inout RunEpoch, Double?) -> Void

  private init(
    _ name: String, _ kind: Kind = .real, tag: String? = nil, _ value: @escaping @Sendable (EpochReport) -> Double?,
    read: @escaping @Sendable (inout RunEpoch, Double?) -> Void
  ) {
    (self.name, self.kind, self.tag, self.value, self.read) = (name, kind, tag, value, read)
  }

  /// All numbers, in the order of a line of `metrics.jsonl`.
  package static let all: [EpochNumber] = [
    EpochNumber("epoch", .whole, { Double($0.epoch) }) { $0.epoch = whole($1) ?? 0 },
    EpochNumber("step", .whole, { Double($0.step) }) { $0.step = whole($1) ?? 0 },
    EpochNumber("beta", tag: "optimizer/beta", { $0.beta }) { $0.beta = $1 ?? .nan },
    EpochNumber("learning_rate", tag: "optimizer/learning_rate", { $0.learningRate }) { $0.learningRate = $1 ?? .nan },
    EpochNumber("train.recon", tag: "train/recon", { $0.train.reconstruction }) {
      $0.train.reconstruction = $1 ?? .nan
    },
    EpochNumber("train.kl", tag: "train/kl", { $0.train.kl }) { $0.train.kl = $1 ?? .nan },
    EpochNumber("train.neg_elbo", tag: "train/neg_elbo", { $0.train.negativeELBO }) { _, _ in },
    EpochNumber(
      "train.bits_per_dimension", tag: "train/bits_per_dimension", { bits($0, $0.train) }
    ) { $0.trainBits = $1 },
    EpochNumber("valid.recon", tag: "valid/recon", { $0.valid.means.reconstruction }) {
      $0.valid.reconstruction = $1 ?? .nan
    },
    EpochNumber("valid.kl", tag: "valid/kl", { $0.valid.means.kl }) { $0.valid.kl = $1 ?? .nan },
    EpochNumber("valid.neg_elbo", tag: "valid/neg_elbo", { $0.valid.means.negativeELBO }) { _, _ in },
    EpochNumber(
      "valid.bits_per_dimension", tag: "valid/bits_per_dimension", { bits($0, $0.valid.means) }
    ) { $0.validBits = $1 },
    EpochNumber("valid.recon_of_mean", tag: "valid/recon_of_mean", { $0.valid.reconstructionOfMean }) {
      $0.reconstructionOfMean = $1 ?? .nan
    },
    EpochNumber(loss, .real, { $0.valid.loss }) { _, _ in },
    EpochNumber(activeUnits, .whole, tag: "latent/active_units", { Double($0.valid.activeUnits) }) {
      $0.activeUnits = whole($1)
    },
    EpochNumber("grad_norm", tag: "optimizer/grad_norm", { $0.gradientNorm }) { $0.gradientNorm = $1 ?? .nan },
    EpochNumber("samples_per_second", tag: "speed/samples_per_second", { $0.samplesPerSecond }) {
      $0.samplesPerSecond = $1 ?? .nan
    },
    EpochNumber("seconds", .real, { $0.seconds }) { $0.seconds = $1 ?? .nan },
    EpochNumber("ranks", .whole, { Double($0.ranks) }) { $0.ranks = whole($1) ?? 1 },
    EpochNumber("skipped", .whole, { Double($0.skipped) }) { $0.skipped = whole($1) ?? 0 },
    EpochNumber("rollbacks", .whole, { Double($0.rollbacks) }) { $0.rollbacks = whole($1) ?? 0 },
    EpochNumber("slowest_rank", .whole, { Double($0.slowestRank) }) { $0.slowestRank = whole($1) },
    EpochNumber("wait_share", tag: "speed/wait_share", { $0.waitShare }) { $0.waitShare = $1 ?? .nan },
  ]

  private static let loss = "valid.loss", activeUnits = "active_units"

  private static func bits(_ report: EpochReport, _ means: ELBOMeans) -> Double? {
    report.bits.map { $0(nats: means.negativeELBO) }
  }

  private static func whole(_ value: Double?) -> Int? { value.flatMap { Int(exactly: $0) } }

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
    value(report).map { kind == .whole ? "\(Int($0))" : decimalText($0) } ?? ""
  }

  static func row(_ report: EpochReport) -> String { columns.map { $0.cell(report) }.joined(separator: ",") }
}

extension ValidationReport {
  /// KL in nats for each group of latents, keyed by the names of the groups.
  package var klPerGroupJSON: JSON { .object(klPerGroup.map { ($0.name, .number($0.kl)) }) }
}
