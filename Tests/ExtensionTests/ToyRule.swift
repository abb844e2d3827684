import Optimizers
import Settings

/// An optimiser in one file: the sign of a momentum, m = c m + (1 - c) g; p -= rate sign(m).
private struct ToyRule: UpdateRule {
  let memory: Float
  let state = ["momentum"]

  func update(_ buffers: UpdateMemory, _ step: UpdateStep) {
    let p = buffers.parameters, m = buffers.state[0], rate = Float(step.rate)
    for i in buffers.range {
      m[i] = memory * m[i] + (1 - memory) * Float(step.scale) * buffers.gradient[i]
      p[i] -= m[i] > 0 ? rate : m[i] < 0 ? -rate : 0
      if let average = buffers.average { average[i] += step.average * (p[i] - average[i]) }
    }
  }
}

extension Member<SettingValues, any UpdateRule> {
  static var toy: Self {
    Self("toy_sign", settings: [Setting.toyMemory]) { ToyRule(memory: Float($0[.toyMemory])) }
  }
}

extension Setting<Double> {
  static var toyMemory: Self {
    Self("optimizer.toy_memory", 0.5, "decay of the toy optimiser's momentum", "in [0, 1)") { $0 >= 0 && $0 < 1 }
  }
}
