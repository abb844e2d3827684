import Data
import Kernels
import VAE

/// Prior samples from noise that never changes, and reconstructions of the first validation samples; rank 0 only.
package final class PictureMaker {
  package static let sampleCount = 64
  package static let stripCount = 16

  private let validator: Validator
  private let decoder: DecoderGraph
  private let shape: SampleShape
  private let seed: UInt64

  package init(_ autoencoder: VariationalAutoencoder, validator: Validator, shape: SampleShape, seed: UInt64) {
    self.validator = validator
    self.shape = shape
    self.seed = seed
    decoder = autoencoder.decoderGraph(batch: PictureMaker.sampleCount)
    let indices = (0..<PictureMaker.sampleCount).map(UInt64.init)
    KeyedGenerator(seed: seed, stream: "pictures").normal(
      into: decoder.graph[decoder.z], samples: indices, rows: indices.count, columns: decoder.z.columns, epoch: 0)
  }

  package func make(epoch: Int, step: Int) throws(Failure) -> PictureReport {
    decoder.graph.forward()
    let samples = Array(UnsafeBufferPointer(start: decoder.graph[decoder.mean], count: decoder.mean.count))
    let strip = try validator.reconstructions(PictureMaker.stripCount, seed: seed)
    return PictureReport(
      epoch: epoch, step: step, shape: shape, samples: samples, originals: strip.originals, reconstructions: strip.means
    )
  }
}
