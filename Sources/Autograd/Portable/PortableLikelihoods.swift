/// log(2 pi) / 2
let halfLog2Pi: Float = 0.918938533

/// Functions that several likelihoods share. They correspond to likelihood_math.h.
extension PortableValue {
  /// Splits a location with two contiguous numbers for each value. (batch, 2 n) -> (batch, n) twice
  func pairs(_ n: Int) -> (first: PortableValue, second: PortableValue) {
    let both = reshaped([n, 2])
    return (both.slice(0..<1).reshaped([n]), both.slice(1..<2).reshaped([n]))
  }

  /// log((1 - exp(-a)) / a) for a >= 0. Below 1 it is computed by its series, because the difference would lose
  /// precision.
  var logMeanExp: PortableValue {
    let z = self * self
    let series = z.polynomial([4.166666667e-2, -3.472222222e-4, 5.511463845e-6, -1.033399471e-7, 2.087675699e-9]) * z
    return isLess(than: 1).choose(series - 0.5 * self, ((1 - (-self).exp) / self).log)
  }

  /// The derivative of `logMeanExp`.
  var logMeanExpSlope: PortableValue {
    let z = self * self, e = (-self).exp, m = 1 - e
    let series = z.polynomial([8.333333333e-2, -1.388888889e-3, 3.306878307e-5, -8.267195767e-7, 2.087675699e-8])
    return isLess(than: 1).choose(series * self - 0.5, (e * self - m) / (m * self))
  }

  /// sum_k c_k x^k
  private func polynomial(_ coefficients: [Float]) -> PortableValue {
    coefficients.dropLast().reversed().reduce(writer.scalar(coefficients[coefficients.count - 1])) { $0 * self + $1 }
  }

  /// -log P of a value on [-1, 1] under a logistic with 256 bins. The outer two bins include the tails.
  func logisticBin(mean: PortableValue, logScale raw: PortableValue) -> PortableValue {
    let halfBin: Float = 1 / 255, s = raw.limited(-7), inverse = (-s).exp, d = self - mean
    let nothing = writer.scalar(0), isFirst = isLess(than: -0.998), isLast = isGreater(than: 0.998)
    let above = isLast.choose(nothing, (-((d + halfBin) * inverse)).softplus)
    let below = isFirst.choose(nothing, ((d - halfBin) * inverse).softplus)
    let inside = s + 4.84811636 - (2 * halfBin * inverse).logMeanExp
    return above + below + isFirst.choose(nothing, isLast.choose(nothing, inside))
  }

  /// The mean of a logistic with location `self`, clipped to [-1, 1].
  func clippedMean(logScale raw: PortableValue) -> PortableValue {
    let log = raw.limited(-7), inverse = (-log).exp
    let over = ((self + 1) * inverse).softplus, under = ((self - 1) * inverse).softplus
    return (log.exp * (over - under) - 1).limited(-1, 1)
  }
}
