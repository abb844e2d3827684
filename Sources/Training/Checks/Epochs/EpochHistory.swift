import VAE

/// History of a run's epochs, of bounded size. It is part of a checkpoint.
package struct EpochHistory: Sendable, Equatable, Codable {
  /// The numbers of an epoch.
  package struct Point: Sendable, Equatable, Codable {
    package var epoch: Int
    package var step: Int
    package var beta: Double
    package var train: ELBOMeans
    package var valid: ELBOMeans
    package var activeUnits: Int
    package var seconds: Double
    package var ranks: Int
    package var slowestRank: Int
    package var waitShare: Double

    package init(
      epoch: Int, step: Int, beta: Double, train: ELBOMeans, valid: ELBOMeans, activeUnits: Int, seconds: Double,
      ranks: Int, slowestRank: Int, waitShare: Double
    ) {
      (self.epoch, self.step, self.beta, self.train, self.valid) = (epoch, step, beta, train, valid)
      (self.activeUnits, self.seconds) = (activeUnits, seconds)
      (self.ranks, self.slowestRank, self.waitShare) = (ranks, slowestRank, waitShare)
    }
  }

  package private(set) var first: Point?
  /// The epoch with the lowest validation -ELBO among those with the current beta.
  package private(set) var best: Point?
  /// The first of the consecutive epochs whose beta was within 1 % of the current one.
  package private(set) var steady: Point?
  /// The last epochs, in order.
  package private(set) var recent: [Point] = []
  /// The highest KL in nats since the posterior means have settled; values near the initialisation are not meaningful.
  /// `mostActive` is the highest number of active units in any epoch.
  package private(set) var highestKL: Double?
  package private(set) var mostActive: Int?
  static let most = 12

  package init() {}

  package var last: Point? { recent.last }
  /// The last `count` epochs; nil if there were fewer.
  package func last(_ count: Int) -> ArraySlice<Point>? { recent.count >= count ? recent.suffix(count) : nil }

  /// Adds an epoch. Epochs with a value that is not finite are ignored.
  package mutating func add(_ point: Point) {
    let numbers = [point.beta, point.train.negativeELBO, point.valid.negativeELBO, point.seconds, point.waitShare]
    guard numbers.allSatisfy(\.isFinite) else { return }
    // An epoch that was interrupted and later completed counts as one epoch.
    if recent.last?.epoch == point.epoch { recent.removeLast() }
    recent = Array((recent + [point]).suffix(EpochHistory.most))
    first = first ?? point
    if steady.map({ abs($0.beta - point.beta) > 0.01 * abs($0.beta) }) ?? true { (steady, best) = (point, nil) }
    if point.valid.negativeELBO < best?.valid.negativeELBO ?? .infinity { best = point }
    if point.step >= Coordinator.settlingSteps { highestKL = max(highestKL ?? 0, point.valid.kl) }
    mostActive = max(mostActive ?? 0, point.activeUnits)
  }

  /// Standard deviation of the validation -ELBO around its trend, in nats. It is estimated from the median absolute
  /// second difference, whose standard deviation is larger by a factor of the square root of 6.
  var scatter: Double {
    let values = recent.map(\.valid.negativeELBO)
    let bends = zip(values, zip(values.dropFirst(), values.dropFirst(2))).map { abs($0 - 2 * $1.0 + $1.1) }.sorted()
    return bends.isEmpty ? 0 : bends[bends.count / 2] / (0.6745 * 6.0.squareRoot())
  }

  /// Describes values that are impossible in a run; nil if there are none.
  var fault: String? {
    let points = [first, best, steady].compactMap { $0 } + recent, counters = 0...1 << 53
    let isSound = points.allSatisfy {
      [$0.epoch, $0.step, $0.activeUnits, $0.ranks, $0.slowestRank].allSatisfy(counters.contains)
        && [$0.beta, $0.train.negativeELBO, $0.valid.negativeELBO, $0.seconds, $0.waitShare].allSatisfy(\.isFinite)
    }
    let isBounded = recent.count <= EpochHistory.most && highestKL ?? 0 >= 0 && counters.contains(mostActive ?? 0)
    return isSound && isBounded ? nil : "history has numbers that no run arrives at"
  }
}

extension EpochHistory.Point {
  package init(_ report: EpochReport) {
    self.init(
      epoch: report.epoch, step: report.step, beta: report.beta, train: report.train, valid: report.valid.means,
      activeUnits: report.valid.activeUnits, seconds: report.seconds, ranks: report.ranks,
      slowestRank: report.slowestRank, waitShare: report.waitShare)
  }
}
