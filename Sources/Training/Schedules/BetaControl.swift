import RunConfiguration
import Foundation
import Kernels

/// Beta as an answer to what training does. Rank 0 moves it after each step, by means over all ranks: a resumed run and
/// any number of ranks go the same way.
package struct BetaControl: Sendable {
  /// What a checkpoint keeps of it; nil before the first step.
  package struct State: Sendable, Equatable, Codable {
    /// Of the coming step.
    package var beta: Double?
    /// Moving average of what recon is off.
    package var average: Double?
    package var integral: Double?

    package init() {}
  }

  private let objective: Configuration.Objective
  /// Steps in which the capacity rises.
  private let rise: Double
  private let elements: Double
  private var bounds: ClosedRange<Double> { objective.betaLow...objective.betaHigh }

  /// nil where beta goes by plan.
  package init?(_ objective: Configuration.Objective, rise: Double, elements: Int) {
    guard objective.betaSchedule.isControlled else { return nil }
    self.objective = objective
    self.rise = rise
    self.elements = Double(elements)
  }

  /// Beta of the coming step.
  package func value(_ state: State) -> Double {
    state.beta ?? (objective.betaSchedule == .capacity ? objective.betaEnd : clamped(objective.betaStart))
  }

  /// A step (counted from 0) had these means.
  package func advance(_ state: inout State, after step: Int, _ means: ELBOMeans) {
    guard means.negativeELBO.isFinite else { return }
    switch objective.betaSchedule {
    case .geco: state.beta = geco(means.reconstruction - objective.betaTarget, &state)
    case .controlvae: state.beta = proportionalIntegral(objective.betaTarget - means.kl, &state)
    case .capacity: state.beta = capacity(means.kl, at: step + 1)
    case .constant, .linear, .cyclical, .sigmoid: break
    }
  }

  /// Rezende and Viola, "Taming VAEs", 2018: the multiplier of the constraint recon <= target grows by
  /// exp(rate * average); beta is one over it.
  private func geco(_ excess: Double, _ state: inout State) -> Double {
    let average = state.average.map { 0.99 * $0 + 0.01 * excess } ?? excess
    state.average = average
    return clamped(value(state) * exp(-objective.betaRate * average / elements))
  }

  /// Shao et al., "ControlVAE", ICML 2020. The integral stays where it can act, so that it does not wind up.
  private func proportionalIntegral(_ error: Double, _ state: inout State) -> Double {
    let before = state.integral ?? value(state) - objective.betaLow
    let integral = min(max(before - objective.betaIntegral * error, 0), objective.betaHigh - objective.betaLow)
    state.integral = integral
    return clamped(objective.betaProportional / (1 + exp(error)) + integral + objective.betaLow)
  }

  /// Burgess et al., "Understanding disentangling in beta-VAE", 2018: the gradient of gamma |KL - C| is that of the KL,
  /// times gamma and the sign of KL - C; the sign is that of the step before.
  private func capacity(_ kl: Double, at step: Int) -> Double {
    let capacity = capacity(at: step)
    return kl == capacity ? 0 : kl > capacity ? objective.betaEnd : -objective.betaEnd
  }

  private func capacity(at step: Int) -> Double {
    objective.betaTarget * (rise > 0 ? min(1, Double(step) / rise) : 1)
  }

  /// gamma |KL - C| after so many steps, which capacity minimises where others have beta KL; nil for those.
  package func constraint(_ kl: Double, after steps: Int) -> Double? {
    objective.betaSchedule == .capacity ? objective.betaEnd * abs(kl - capacity(at: steps)) : nil
  }

  private func clamped(_ beta: Double) -> Double { min(max(beta, bounds.lowerBound), bounds.upperBound) }
}
