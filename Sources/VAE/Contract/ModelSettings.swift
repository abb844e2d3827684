import Autograd
import Kernels
import Layers
import Settings

/// Values that are NaN in x.
package enum MissingValues: Sendable {
  case none
  /// In rows to come, though training had none.
  case possible
  /// In training: the encoder is told which values there are, as a second half of its input.
  case masked
}

/// What configuration and data say about a model and its prior.
package struct ModelSettings: Sendable, Equatable {
  package var kind = "mlp"
  package var latent = 20
  package var prior = PriorRegistry.standard
  package var values = SettingValues()
  /// Numbers that the model is told of a sample beside its values: set from the data.
  package var condition = 0
  /// Extents of a sample, one row of one channel for a vector: set from the data.
  package var image = ImageShape(rows: 1, columns: 0, channels: 1)
  /// What samples may lack, and the encoder sees as 0: set from the data.
  package var missing = MissingValues.none
  /// Values that the decoder gives for a pixel of all its channels: set from the likelihood.
  package var outputs = 1

  package init() {}

  package subscript<Value>(_ setting: Setting<Value>) -> Value {
    get { values[setting] }
    set { values[setting] = newValue }
  }

  /// Values of a sample.
  package var elements: Int { image.count }
  package var pixels: Int { image.rows * image.columns }

  /// For models of images: a vector is none.
  func requireImages() throws(Failure) {
    guard image.rows == 1 && image.channels == 1 else { return }
    throw Failure(
      .badConfiguration, "model.kind is \(kind), and the samples are rows of \(image.columns) values, not images",
      hint: "model.kind mlp is for them; images are arrays of (samples, rows, columns), with channels behind or without"
    )
  }
}

package typealias ModelMember = Member<ModelSettings, any LatentModel>

/// The models by name: one line each.
package enum ModelRegistry {
  package static let all = Registry<ModelSettings, any LatentModel>(
    "model", key: "model.kind",
    [
      .mlp,
      .conv,
      .resnet,
    ])
}
