import Communication
import Data
import Kernels
import VAE

/// The computation of a rank between two exchanges: microbatches that are loaded, replayed and accounted for by the
/// step engine.
package final class Workload {
  private let engine: StepEngine
  private let gradient: Buffer
  private let row: UnsafeMutablePointer<Double>
  private let slots: [Int]
  private var next = 0

  package init(_ engine: StepEngine) {
    self.engine = engine
    gradient = Buffer(count: engine.autoencoder.store.count)
    row = Buffer.allocate(Double.self, count: StepRow.width)
    slots = Array(engine.exchange.tree.range(of: engine.communicator.rank))
  }

  deinit { row.deallocate() }

  /// Computes the next microbatch of this rank.
  package func microbatch() throws(Failure) {
    let plan = engine.plan
    let step = next / slots.count % plan.stepsPerEpoch, slot = slots[next % slots.count]
    next += 1
    let filled = try engine.forward(BatchKey(slot: slot, step: step, epoch: 0, attempt: 0))
    engine.backward(into: gradient.base, share: 1 / Float(plan.batchSize))
    StepRow.write(engine.training, engine.batch.weights, filled: filled, into: row)
  }
}
