import Autograd
import Kernels
import Layers
import Settings

/// How missing values, which are NaN in x, are handled.
package enum MissingValues: Sendable {
  /// Values are never missing.
  case none
  /// Training data have no missing values, but later rows may have some. The encoder reads missing values as 0.
  case possible
  /// Training data have missing values. The encoder reads them as 0, and a mask of the present values follows as the
  /// second half of its input.
  case masked
}

/// Settings of a model and its prior, from the configuration and from the data.
package struct ModelSettings: Sendable, Equatable {
  package var kind = "mlp"
  package var latent = 20
  package var prior = PriorRegistry.standard
  package var values = SettingValues()
  /// Number of values that the model is conditioned on for each sample. Set from the data.
  package var condition = 0
  /// Shape of a sample. A vector has one row and one channel. Set from the data.
  package var image = ImageShape(rows: 1, columns: 0, channels: 1)
  /// How missing values are handled. Set from the data.
  package var missing = MissingValues.none
  /// Number of decoder outputs for each pixel, over all its channels. Set from the likelihood.
  package var outputs = 1

  package init() {}

  package subscript<Value>(_ setting: Setting<Value>) -> Value {
    get { values[setting] }
    set { values[setting] = newValue }
  }

  /// Number of values of a sample.
  package var elements: Int { image.count }
  package var pixels: Int { image.rows * image.columns }

  /// Throws if the samples are vectors and not images.
  func requireImages() throws(Failure) {
    guard image.rows == 1 && image.channels == 1 else { return }
    throw Failure(
      .badConfiguration, "model.kind is \(kind), and the samples are rows of \(image.columns) values, not images",
      hint: "set model.kind to mlp; images are arrays of (samples, rows, columns) or (samples, rows, columns, channels)"
    )
  }
}

package typealias ModelMember = Member<ModelSettings, any LatentModel>

/// The registered models.
package enum ModelRegistry {
  package static let all = Registry<ModelSettings, any LatentModel>(
    "model", key: "model.kind",
    [
      .mlp,
      .conv,
      .resnet,
    ])
}
