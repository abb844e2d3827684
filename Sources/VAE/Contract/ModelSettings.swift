import Autograd
import Kernels
import Layers

/// Values that are NaN in x.
package enum MissingValues: Sendable {
  case none
  /// In rows to come, though training had none.
  case possible
  /// In training: the encoder is told which values there are, as a second half of its input.
  case masked
}

/// What configuration says about a model.
package struct ModelSettings: Sendable, Equatable {
  package var kind = "mlp"
  package var hidden = [400]
  /// Widths of the decoder, first to last; empty: those of the encoder, reversed.
  package var decoderHidden: [Int] = []
  /// Channels after each convolution or in each stage of the encoder; the decoder mirrors them.
  package var channels: [Int] = []
  package var window = ConvolutionWindow(kernel: 4, stride: 2, padding: 1)
  /// Residual blocks of a stage, and groups of channels that are normalised together.
  package var blocks = 2
  package var normGroups = 8
  package var latent = 20
  /// Numbers that the model is told of a sample beside its values: set from the data.
  package var condition = 0
  package var prior = PriorRegistry.standard
  /// Widths of the prior's networks, and couplings of a flow.
  package var priorHidden = [64]
  package var flowLayers = 10
  package var activation = Activation.relu
  package var dropout: Float = 0
  package var logvarLow: Float = -10
  package var logvarHigh: Float = 10
  /// Extents of a sample, one row of one channel for a vector: set from the data.
  package var image = ImageShape(rows: 1, columns: 0, channels: 1)
  /// What samples may lack, and the encoder sees as 0: set from the data.
  package var missing = MissingValues.none
  /// Values that the decoder gives for a pixel of all its channels: set from the likelihood.
  package var outputs = 1

  package init() {}

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

/// The models by name: one line each.
package enum ModelRegistry {
  package static let models: [(name: String, make: @Sendable (ModelSettings) throws(Failure) -> any LatentModel)] =
    [
      ("mlp", { MLP(settings: $0) }),
      ("conv", { settings throws(Failure) in try Convolutional(settings: settings) }),
      ("resnet", { settings throws(Failure) in try ResidualNetwork(settings: settings) }),
    ]

  package static func make(_ settings: ModelSettings) throws(Failure) -> any LatentModel {
    if settings.kind == DeafDecoder.kind { return DeafDecoder(MLP(settings: settings)) }
    guard let model = models.first(where: { $0.name == settings.kind }) else {
      throw Failure(
        .badConfiguration, "there is no model '\(settings.kind)'",
        hint: "model.kind is one of: " + models.map(\.name).joined(separator: ", "))
    }
    return try model.make(settings)
  }
}
