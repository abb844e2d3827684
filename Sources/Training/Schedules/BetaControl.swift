import RunConfiguration
import Foundation
import Kernels

/// Controls beta by feedback from the training. Rank 0 changes beta after each step, from means over all ranks, so that
/// the result depends neither on the number of ranks nor on a resumption.
package struct BetaControl: Sendable {
  /// The part that is saved in a checkpoint. Values are nil before the first step.
  package struct State: Sendable, Equatable, Codable {
    /// Beta of the next step.
    package var beta: Double?
    /// Moving average of the difference between the reconstruction term and its target, in nats.
    package var average: Double?
    package var integral: Double?

    package init() {}
  }

  private let objective: Configuration.Objective
  /// Number of steps in which the capacity rises.
  private let rise: Double
  private let elements: Double
  private var bounds: ClosedRange<Double> { objective.betaLow...objective.betaHigh }

  /// Returns nil if beta follows a fixed schedule.
  package init?(_ objective: Configuration.Objective, rise: Double, elements: Int) {
    guard objective.betaSchedule.isControlled else { return nil }
    self.objective = objective
    self.rise = rise
    self.elements = Double(elements)
  }

  /// Beta of the next step.
  package func value(_ state: State) -> Double {
    state.beta ?? (objective.betaSchedule == .capacity ? objective.betaEnd : clamped(objective.betaStart))
  }

  /// Updates beta after a step, counted from 0, with the means of that step.
  package func advance(_ state: inout State, after step: Int, _ means: ELBOMeans) {
    guard means.negativeELBO.isFinite else { return }
    switch objective.betaSchedule {
    case .geco: state.beta = geco(means.reconstruction - objective.betaTarget, &state)
    case .controlvae: state.beta = proportionalIntegral(objective.betaTarget - means.kl, &state)
    case .capacity: state.beta = capacity(means.kl, at: step + 1)
    case .constant, .linear, .cyclical, .sigmoid: break
    }
  }

  /// Rezende and Viola, "Taming VAEs", 2018. The multiplier of the constraint recon <= target grows by exp(rate *
  /// average), and beta is its inverse.
  private func geco(_ excess: Double, _ state: inout State) -> Double {
    let average = state.average.map { 0.99 * $0 + 0.01 * excess } ?? excess
    state.average = average
    return clamped(value(state) * exp(-objective.betaRate * average / elements))
  }

  /// Shao et al., "ControlVAE", ICML 2020. The integral is limited to the range of beta to prevent windup.
  private func proportionalIntegral(_ error: Double, _ state: inout State) -> Double {
    let before = state.integral ?? value(state) - objective.betaLow
    let integral = min(max(before - objective.betaIntegral * error, 0), objective.betaHigh - objective.betaLow)
    state.integral = integral
    return clamped(objective.betaProportional / (1 + exp(error)) + integral + objective.betaLow)
  }

  /// Burgess et al., "Understanding disentangling in beta-VAE", 2018. The gradient of gamma |KL - C| is the gradient of
  /// the KL times gamma and the sign of KL - C. The sign of the previous step is used.
  private func capacity(_ kl: Double, at step: Int) -> Double {
    let capacity = capacity(at: step)
    return kl == capacity ? 0 : kl > capacity ? objective.betaEnd : -objective.betaEnd
  }

  private func capacity(at step: Int) -> Double {
    objective.betaTarget * (rise > 0 ? min(1, Double(step) / rise) : 1)
  }

  /// The value of gamma |KL - C| after `steps` steps, which the capacity objective minimises in place of beta KL; nil
  /// for other schedules.
  package func constraint(_ kl: Double, after steps: Int) -> Double? {
    objective.betaSchedule == .capacity ? objective.betaEnd * abs(kl - capacity(at: steps)) : nil
  }

  private func clamped(_ beta: Double) -> Double { min(max(beta, bounds.lowerBound), bounds.upperBound) }
}
