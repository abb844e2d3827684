import Autograd
import Kernels
import Layers
import Settings

/// Residual VAE. The encoder has stages of residual blocks, between which the image is halved, and a perceptron to
/// (mu, logvar). The decoder mirrors it with nearest-neighbour upsampling.
///
/// Sources: He et al., "Identity mappings in deep residual networks", ECCV 2016; Wu and He, "Group normalization", ECCV
/// 2018.
struct ResidualNetwork: OneLayerModel {
  let settings: ModelSettings
  /// The image shape in each stage of the encoder.
  private let stages: [ImageShape]

  fileprivate static let same = ConvolutionWindow(kernel: 3, padding: 1)
  private static let halving = ConvolutionWindow(kernel: 3, stride: 2, padding: 1)

  init(settings: ModelSettings) throws(Failure) {
    self.settings = settings
    stages = try settings.halvings()
  }

  func posterior(of x: Tensor, given y: Tensor?, in scope: ParameterScope) -> DiagonalGaussian {
    let encoder = scope["encoder"]
    var h = encoder["stem"].convolution(
      scope.graph.view(x, as: settings.image), to: stages[0].channels, window: Self.same)
    for (i, image) in stages.enumerated() {
      let stage = encoder["stages"]["\(i)"]
      if i > 0 { h = stage["reduce"].convolution(h, to: h.shape[3], window: Self.halving) }
      for block in 0..<settings[.blocks] { h = residual(h, to: image.channels, in: stage["blocks"]["\(block)"]) }
    }
    h = encoder["norm"].groupNorm(h, groups: settings[.normGroups], activation: settings[.activation])
    h = encoder["dense"].perceptron(
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
    let smallest = stages[stages.count - 1]
    h = scope.graph.view(decoder["image"].linear(h, to: smallest.count, image: smallest), as: smallest)
    for i in stages.indices {
      let stage = decoder["stages"]["\(i)"], image = stages[stages.count - 1 - i]
      let next = i + 1 < stages.count ? stages[stages.count - 2 - i] : image
      for block in 0..<settings[.blocks] {
        let isLast = block == settings[.blocks] - 1
        h = residual(h, to: isLast ? next.channels : image.channels, in: stage["blocks"]["\(block)"])
      }
      if next != image {
        h = stage["enlarge"].convolution(scope.graph.upsample(h, by: 2), to: next.channels, window: Self.same)
      }
    }
    h = decoder["norm"].groupNorm(h, groups: settings[.normGroups], activation: settings[.activation])
    h = decoder["output"].convolution(h, to: settings.outputs, window: Self.same)
    return scope.graph.view(h, [h.rows, h.columns])
  }

  /// A pre-activation residual block: x + convolution(f(norm(convolution(f(norm(x)))))), where f is the activation. If
  /// the number of channels changes, a 1x1 convolution projects x.
  private func residual(_ x: Tensor, to channels: Int, in scope: ParameterScope) -> Tensor {
    var h = scope["norm1"].groupNorm(x, groups: settings[.normGroups], activation: settings[.activation])
    h = scope["conv1"].convolution(h, to: channels, window: Self.same)
    h = scope["norm2"].groupNorm(h, groups: settings[.normGroups], activation: settings[.activation])
    h = scope.graph.dropout(h, probability: settings.dropout, stream: "dropout " + scope.path)
    let skip =
      x.shape[3] == channels ? x : scope["projection"].convolution(x, to: channels, window: .init(kernel: 1))
    h = scope["conv2"].convolution(h, to: channels, window: Self.same)
    return scope.graph.add(skip, to: h)
  }
}

extension ModelSettings {
  /// The image shapes of the stages, each half as high and wide as the previous one. Throws if the samples are not
  /// images, if a side is odd, if the groups do not divide the channels, or if a convolution is too large for 32-bit
  /// indices.
  func halvings() throws(Failure) -> [ImageShape] {
    try requireImages()
    var stages: [ImageShape] = []
    func chain() -> String { ([image] + stages).map(\.description).joined(separator: " -> ") }
    for (i, channels) in self[.channels].enumerated() {
      let last = stages.last ?? image
      if i > 0 && (last.rows % 2 != 0 || last.columns % 2 != 0) {
        throw Failure(
          .badConfiguration,
          "model.channels asks for \(self[.channels].count) stages, each of half the size, and the image cannot be "
            + "halved that often: \(chain()), and then \(last.rows)x\(last.columns) has an odd side",
          hint: "give \(i) channels, or images whose sides are multiples of \(1 << (self[.channels].count - 1))")
      }
      let scale = i == 0 ? 1 : 2
      let next = ImageShape(rows: last.rows / scale, columns: last.columns / scale, channels: channels)
      // The widest image of a stage is the input from a neighbouring stage or the decoder's output.
      let widest = ImageShape(
        rows: next.rows, columns: next.columns, channels: max(channels, last.channels, i == 0 ? outputs : 0))
      guard ResidualNetwork.same.isCountable(large: widest, small: next) else {
        throw Failure(
          .badConfiguration,
          "a convolution of stage \(i + 1) of model.channels, from \(widest) to \(next), is too large: it would have "
            + "2^31 or more values, weights or connections of pixels",
          hint: "give smaller images (data.image_size), or fewer channels")
      }
      stages.append(next)
      let groups = self[.normGroups]
      if channels % groups != 0 {
        throw Failure(
          .badConfiguration,
          "model.norm_groups is \(groups), which does not divide the \(channels) channels of stage \(i + 1): "
            + chain(),
          hint: "give a model.norm_groups that divides every one of model.channels, or multiples of \(groups)")
      }
    }
    return stages
  }
}

extension ModelMember {
  static var resnet: Self {
    Self("resnet", settings: networkSettings + [Setting.channels, Setting.blocks, Setting.normGroups]) {
      settings throws(Failure) in try ResidualNetwork(settings: settings)
    }
  }
}

extension Setting<Int> {
  package static var blocks: Self {
    Self("model.blocks", 2, "residual blocks of a stage (resnet)", "between 1 and 64") { (1...64).contains($0) }
  }
  package static var normGroups: Self {
    Self(
      "model.norm_groups", 8, "groups of channels that are normalised together; divides all of model.channels (resnet)",
      "between 1 and 4096"
    ) { (1...4096).contains($0) }
  }
}
