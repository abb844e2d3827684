import Autograd
import Kernels
import Layers
import Settings

/// Convolutional VAE. The encoder has strided convolutions and a perceptron to (mu, logvar). The decoder mirrors it
/// with transposed convolutions.
///
/// Source: Burgess et al., "Understanding disentangling in beta-VAE", arXiv:1804.03599.
struct Convolutional: OneLayerModel {
  let settings: ModelSettings
  /// The image shapes before and after each convolution of the encoder.
  private let chain: [ImageShape]
  private var window: ConvolutionWindow { settings.window }

  init(settings: ModelSettings) throws(Failure) {
    self.settings = settings
    chain = try settings.reductions()
  }

  func posterior(of x: Tensor, given y: Tensor?, in scope: ParameterScope) -> DiagonalGaussian {
    var h = scope.graph.view(x, as: chain[0])
    for (i, image) in chain.dropFirst().enumerated() {
      h = scope["encoder"]["conv"]["\(i)"].convolution(
        h, to: image.channels, window: window, activation: settings[.activation])
    }
    h = scope["encoder"]["dense"].perceptron(
      h, beside: y, widths: settings[.hidden], activation: settings[.activation], dropout: settings.dropout)
    return DiagonalGaussian(
      of: h, beside: settings[.hidden].isEmpty ? y : nil, units: settings.latent,
      bounds: settings.logvarBounds, in: scope)
  }

  func decode(_ z: Tensor, given y: Tensor?, in scope: ParameterScope) -> Tensor {
    let widths = settings.decoderWidths
    let decoder = scope["decoder"]
    var h = decoder["dense"].perceptron(
      scope.graph.beside(z, y), widths: widths, activation: settings[.activation], dropout: settings.dropout)
    let smallest = chain[chain.count - 1]
    h = decoder["image"].linear(h, to: smallest.count, image: smallest, activation: settings[.activation])
    h = scope.graph.view(h, as: smallest)
    for (i, image) in chain.dropLast().reversed().enumerated() {
      let isLast = i == chain.count - 2
      h = decoder["conv"]["\(i)"].transposedConvolution(
        h,
        to: ImageShape(rows: image.rows, columns: image.columns, channels: isLast ? settings.outputs : image.channels),
        window: window, activation: isLast ? .identity : settings[.activation])
    }
    return scope.graph.view(h, [h.rows, h.columns])
  }
}

extension ModelSettings {
  /// The image shapes before and after each convolution of the encoder. Throws if the samples are not images, if a
  /// window does not fit (the message shows the shapes so far), or if a convolution is too large for 32-bit indices.
  func reductions() throws(Failure) -> [ImageShape] {
    try requireImages()
    var chain = [image]
    for (i, channels) in self[.channels].enumerated() {
      let last = chain[i]
      guard let rows = window.reduced(last.rows), let columns = window.reduced(last.columns) else {
        throw Failure(
          .badConfiguration,
          "model.channels asks for \(self[.channels].count) convolutions, and the image is too small for number \(i + 1): "
            + chain.map(\.description).joined(separator: " -> ")
            + ", and then a window of \(window.kernel) with padding "
            + "\(window.padding) does not fit",
          hint: i == 0 ? "give a smaller model.kernel" : "give \(i) channels, or a smaller model.kernel"
        )
      }
      let next = ImageShape(rows: rows, columns: columns, channels: channels)
      // The last transposed convolution returns the outputs of the likelihood instead of the channels of the image.
      let most = i == 0 ? max(last.channels, outputs) : last.channels
      let large = ImageShape(rows: last.rows, columns: last.columns, channels: most)
      guard window.isCountable(large: large, small: next) else {
        throw Failure(
          .badConfiguration,
          "convolution \(i + 1) of model.channels, from \(large) to \(next) with a window of \(window.kernel), is too "
            + "large: it would have 2^31 or more values, weights or connections of pixels",
          hint: "use a larger model.stride, fewer channels, or a smaller model.kernel")
      }
      chain.append(next)
    }
    return chain
  }
}

extension ModelMember {
  static var conv: Self {
    Self(
      "conv", settings: networkSettings + [Setting.channels, Setting.kernel, Setting.stride, Setting.padding]
    ) { settings throws(Failure) in try Convolutional(settings: settings) }
  }
}

extension Setting<Int> {
  package static var kernel: Self {
    Self("model.kernel", 4, "rows and columns of a convolution's window (conv)", "between 1 and 64") {
      (1...64).contains($0)
    }
  }
  package static var stride: Self {
    Self("model.stride", 2, "step of the window (conv)", "between 1 and 64") { (1...64).contains($0) }
  }
  package static var padding: Self {
    Self("model.padding", 1, "zeros around the image (conv)", "between 0 and 63") { (0...63).contains($0) }
  }
}

extension ModelSettings {
  var window: ConvolutionWindow {
    ConvolutionWindow(kernel: self[.kernel], stride: self[.stride], padding: self[.padding])
  }
}
