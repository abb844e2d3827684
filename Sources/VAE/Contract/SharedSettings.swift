import Autograd
import Settings

extension Activation: ConfigurationValue {}

// Settings that several models, priors or likelihoods read. Settings with one reader are declared in the reader's file.

extension Setting<[Int]> {
  package static var hidden: Self {
    Self("model.hidden", [400], "widths of the encoder's layers, first to last", widths) { areWidths($0) }
  }
  package static var decoderHidden: Self {
    Self("model.decoder_hidden", [], "widths of the decoder's layers; [] mirrors the encoder", widths) { areWidths($0) }
  }
  package static var channels: Self {
    Self(
      "model.channels", [32, 64], "channels after each convolution (conv), or in each stage of half the size (resnet)",
      "a list of 1 to 4096 channels"
    ) { $0.allSatisfy((1...4096).contains) && (1...32).contains($0.count) }
  }
  package static var priorHidden: Self {
    Self("model.prior_hidden", [64], "widths of the networks of a conditional or flow prior", widths) { areWidths($0) }
  }

  private static var widths: String { "a list of widths of 1 to 65536" }
  private static func areWidths(_ list: [Int]) -> Bool { list.allSatisfy((1...65_536).contains) && list.count <= 64 }
}

extension Setting<Activation> {
  package static var activation: Self {
    Self(
      "model.activation", .relu,
      "relu, leaky_relu, elu, tanh, sigmoid, softplus, silu, gelu (tanh form), identity")
  }
}

extension Setting<Double> {
  package static var dropout: Self {
    Self("model.dropout", 0, "probability that a hidden value is dropped", "between 0 and 0.999") {
      (0...0.999).contains($0)
    }
  }
  package static var sigma: Self {
    Self(
      "model.sigma", 1, "standard deviation of gaussian and columns; 0: rows^(-1/(columns + 4)) of a mixed table",
      "0, or between 1e-6 and 1e6"
    ) { $0 == 0 || (1e-6...1e6).contains($0) }
  }
  package static var logvarLow: Self {
    Self("model.logvar_low", -10, "lower limit of logvar", "between -30 and 0") { (-30...0).contains($0) }
  }
  package static var logvarHigh: Self {
    Self("model.logvar_high", 10, "upper limit of logvar", "between 0.001 and 30") { (0.001...30).contains($0) }
  }
}

/// The settings that every model of this package reads.
let networkSettings: [any SettingDeclaration] = [
  Setting.hidden, Setting.decoderHidden, Setting.activation, Setting.dropout, Setting.logvarLow, Setting.logvarHigh,
]

extension ModelSettings {
  /// Widths of the decoder's hidden layers, first to last.
  var decoderWidths: [Int] { self[.decoderHidden].isEmpty ? self[.hidden].reversed() : self[.decoderHidden] }
  var dropout: Float { Float(self[.dropout]) }
  var logvarBounds: ClosedRange<Float> { Float(self[.logvarLow])...Float(self[.logvarHigh]) }
}
