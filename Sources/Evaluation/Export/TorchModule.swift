import Autograd
import RunConfiguration
import Data
import Foundation
import Kernels
import Training
import VAE

/// The text of a PyTorch module for one trained model: it loads the model file and computes the same ELBO.
package struct TorchModule {
  private let configuration: Configuration
  private let shape: SampleShape
  private let schema: TableSchema?
  private let condition: Condition?
  private let title: String
  /// Values that the decoder gives for a pixel.
  private let outputs: Int

  package init(_ model: TrainedModel) {
    configuration = model.configuration
    shape = model.shape
    schema = model.schema
    condition = model.condition
    outputs = model.autoencoder.likelihood.outputs(channels: shape.channels)
    title = "\(model.file.digest), step \(model.file.step)"
  }

  /// The models by name: fields, encoder and decoder.
  private static let models: [String: @Sendable (TorchModule) -> Body] = [
    "mlp": { $0.perceptron }, "conv": { $0.convolutional }, "resnet": { $0.residual },
  ]

  /// A model's own lines, indented as they stand in the class.
  private struct Body {
    var helpers = ""
    var fields: String
    var encode: String
    var decode: String
  }

  package var text: String {
    get throws(Failure) {
      let kind = configuration.model.kind, likelihood = configuration.model.likelihood
      guard configuration.model.prior == PriorRegistry.standard else {
        throw Failure(
          .badConfiguration, "there is no PyTorch text of the prior \(configuration.model.prior)",
          hint: "--format onnx has all priors")
      }
      guard let body = Self.models[kind]?(self), let (loss, mean) = likelihoodLines else {
        throw Failure(
          .badConfiguration, "there is no PyTorch text of the model \(kind) with the likelihood \(likelihood)",
          hint: "--format onnx has all models and likelihoods")
      }
      return """
        # A variational autoencoder by vae-dist \(programVersion): \(kind), \(likelihood); \(title)
        import itertools
        import json
        import math

        import torch
        import torch.nn.functional as F
        from safetensors import safe_open
        from safetensors.torch import load_file
        from torch import distributions, nn


        def linears(*widths):
            return nn.ModuleList(map(nn.Linear, widths, widths[1:]))

        \(body.helpers)
        class VAE(nn.Module):
            def __init__(self):
                super().__init__()
        \(body.fields)
                self.mu, self.logvar = nn.Linear(\(encoded), \(latent)), nn.Linear(\(encoded), \(latent))\(learned)

            def scaled(self, x):  # (batch, \(list(shape.extents))) in the units of the data
                x = (x.float().flatten(1) - self.offset) * self.scale
                return x\(turned)

            def encode(self, x\(given)):  # as `scaled` gives it\(meaningOfY)
        \(body.encode)
                return self.mu(h), self.logvar(h).clamp(\(bounds))

            def decode(self, z\(given)):  # the location of p(x | z)
        \(told == 0 ? "" : "        z = torch.cat([z, y], 1)\n")\(body.decode)

            def nll(self, x, location):  # -log p(x | location) of each sample, nats
        \(loss)

            def mean(self, location):  # E[x | location]
        \(mean)

            def elbo(self, x, eps\(given)):  # reconstruction and KL of each sample, nats; -ELBO is their sum
                mu, logvar = self.encode(x\(given))
                location = self.decode(mu + torch.exp(logvar / 2) * eps\(given))
                return self.nll(x, location), 0.5 * (mu**2 + torch.expm1(logvar) - logvar).sum(1)


        def load(path="model.safetensors"):
            model = VAE()
            model.load_state_dict(load_file(path))
            with safe_open(path, "pt") as file:
                scaling = json.loads(file.metadata()["vae_dist.scaling"])
            model.offset, model.scale = (torch.tensor(scaling[name]) for name in ("offset", "scale"))
            return model.eval()

        """
    }
  }

  // MARK: Sizes

  private var latent: Int { configuration.model.latent }
  private var hidden: [Int] { configuration[.hidden] }
  private var back: [Int] {
    configuration[.decoderHidden].isEmpty ? hidden.reversed() : configuration[.decoderHidden]
  }
  private var bounds: String { "\(configuration[.logvarLow]), \(configuration[.logvarHigh])" }
  private var encoded: Int { hidden.last ?? seen }
  private var decoded: Int { back.last ?? latent + told }
  private var told: Int { condition?.width ?? 0 }
  private var given: String { told == 0 ? "" : ", y" }
  private var meaningOfY: String {
    guard let condition else { return "" }
    let names = condition.names.joined(separator: ", ").printable
    return condition.classes > 0 ? "; y: one-hot of \(names)" : "; y: \(names), each brought to [0, 1] as in training"
  }
  /// Values that the first dense layer sees: of a table with missing values a mask, too, and what the model is told.
  private var seen: Int { (schema?.hasMissing == true ? 2 * flat : flat) + told }
  private func withY(_ values: String) -> String { told == 0 ? values : "torch.cat([\(values), y], 1)" }
  private var observed: String {
    guard let schema else { return withY("x") }
    let parts = ["x.nan_to_num()", schema.hasMissing ? "(~x.isnan()).float()" : "", told > 0 ? "y" : ""]
    return "torch.cat([\(parts.filter { !$0.isEmpty }.joined(separator: ", "))], 1)"
  }
  private func list(_ values: [Int]) -> String { values.map(String.init).joined(separator: ", ") }

  /// The images before and after each convolution, or of each stage; the sample itself for a model of rows.
  private var images: [ImageShape] {
    let image = ImageShape(rows: shape.height, columns: shape.width, channels: shape.channels)
    let window = ConvolutionWindow(
      kernel: configuration[.kernel], stride: configuration[.stride], padding: configuration[.padding])
    switch configuration.model.kind {
    case "conv":
      return configuration[.channels].reduce(into: [image]) { images, channels in
        let last = images[images.count - 1]
        images.append(
          ImageShape(
            rows: window.reduced(last.rows) ?? 0, columns: window.reduced(last.columns) ?? 0, channels: channels))
      }
    case "resnet":
      return configuration[.channels].enumerated().map { i, channels in
        ImageShape(rows: image.rows >> i, columns: image.columns >> i, channels: channels)
      }
    default: return [image]
    }
  }
  /// Values of the smallest image.
  private var flat: Int { images[images.count - 1].count }
  private var smallest: String {
    let image = images[images.count - 1]
    return "\(image.channels), \(image.rows), \(image.columns)"
  }

  private func activated(_ text: String) -> String {
    switch configuration[.activation] {
    case .identity: text
    case .tanh, .sigmoid: "torch.\(configuration[.activation].rawValue)(\(text))"
    case .gelu: "F.gelu(\(text), approximate=\"tanh\")"
    case .relu, .leakyReLU, .elu, .softplus, .silu: "F.\(configuration[.activation].rawValue)(\(text))"
    }
  }

  // MARK: Models

  private var perceptron: Body {
    Body(
      fields: """
                self.encoder, self.decoder = linears(\(list([seen] + hidden))), linears(\(list([latent + told] + back)))
                self.output = nn.Linear(\(decoded), \(shape.height * shape.width * outputs))
        """,
      encode: """
                h = \(observed)
                for layer in self.encoder:
                    h = \(activated("layer(h)"))
        """,
      decode: """
                for layer in self.decoder:
                    z = \(activated("layer(z)"))
                return self.output(z)
        """)
  }

  private var convolutional: Body {
    let images = images
    let window = ConvolutionWindow(
      kernel: configuration[.kernel], stride: configuration[.stride], padding: configuration[.padding])
    let sizes = list([window.kernel, window.stride, window.padding])
    let forth = zip(images, images.dropFirst()).map { "conv(\($0.channels), \($1.channels))" }
    let rear = zip(images, images.dropFirst()).enumerated().reversed().map { i, pair in
      // What the transposed convolution falls short of, where a stride had left something over.
      let (large, small) = pair
      let rest = [large.rows - window.enlarged(small.rows), large.columns - window.enlarged(small.columns)]
      return "back(\(small.channels), \(i == 0 ? outputs : large.channels), (\(list(rest))))"
    }
    return Body(
      fields: """
                conv = lambda a, b: nn.Conv2d(a, b, \(sizes))
                back = lambda a, b, rest: nn.ConvTranspose2d(a, b, \(sizes), rest)
                convs, backs = [\(forth.joined(separator: ", "))], [\(rear.joined(separator: ", "))]
                self.encoder = nn.ModuleDict({"conv": nn.ModuleList(convs), "dense": linears(\(list([seen] + hidden)))})
                self.decoder = nn.ModuleDict({"dense": linears(\(list([latent + told] + back))), "conv": nn.ModuleList(backs)})
                self.decoder["image"] = nn.Linear(\(decoded), \(flat))
        """,
      encode: """
                for layer in self.encoder["conv"]:
                    x = \(activated("layer(x)"))
                h = \(withY("x.flatten(1)"))
                for layer in self.encoder["dense"]:
                    h = \(activated("layer(h)"))
        """,
      decode: """
                for layer in [*self.decoder["dense"], self.decoder["image"]]:
                    z = \(activated("layer(z)"))
                *inner, last = self.decoder["conv"]
                h = z.unflatten(1, (\(smallest)))
                for layer in inner:
                    h = \(activated("layer(h)"))
                return last(h)
        """)
  }

  private var residual: Body {
    let groups = configuration[.normGroups], blocks = configuration[.blocks]
    let channelsOfStages = configuration[.channels], last = channelsOfStages.count - 1
    let down = channelsOfStages.enumerated().map { i, channels in
      let before = channelsOfStages[max(i - 1, 0)]
      let widths = [before] + Array(repeating: channels, count: blocks)
      return "stage([\(list(widths))]\(i == 0 ? "" : ", reduce=nn.Conv2d(\(before), \(before), 3, 2, 1)"))"
    }
    let up = channelsOfStages.indices.reversed().map { i in
      let next = channelsOfStages[max(i - 1, 0)]
      let widths = Array(repeating: channelsOfStages[i], count: blocks) + [next]
      return "stage([\(list(widths))]\(i == 0 ? "" : ", enlarge=nn.Conv2d(\(next), \(next), 3, 1, 1)"))"
    }
    return Body(
      helpers: """

        class Block(nn.Module):
            def __init__(self, a, b):
                super().__init__()
                self.norm1, self.norm2 = nn.GroupNorm(\(groups), a), nn.GroupNorm(\(groups), b)
                self.conv1, self.conv2 = nn.Conv2d(a, b, 3, padding=1), nn.Conv2d(b, b, 3, padding=1)
                self.projection = nn.Conv2d(a, b, 1) if a != b else nn.Identity()

            def forward(self, x):
                h = self.conv1(\(activated("self.norm1(x)")))
                return self.projection(x) + self.conv2(\(activated("self.norm2(h)")))


        def stage(widths, **way):
            return nn.ModuleDict({**way, "blocks": nn.ModuleList(map(Block, widths, widths[1:]))})


        """,
      fields: """
                self.encoder = nn.ModuleDict({
                    "stem": nn.Conv2d(\(shape.channels), \(channelsOfStages[0]), 3, padding=1),
                    "stages": nn.ModuleList([\(down.joined(separator: ", "))]),
                    "norm": nn.GroupNorm(\(groups), \(channelsOfStages[last])),
                    "dense": linears(\(list([seen] + hidden))),
                })
                self.decoder = nn.ModuleDict({
                    "dense": linears(\(list([latent + told] + back))),
                    "image": nn.Linear(\(decoded), \(flat)),
                    "stages": nn.ModuleList([\(up.joined(separator: ", "))]),
                    "norm": nn.GroupNorm(\(groups), \(channelsOfStages[0])),
                    "output": nn.Conv2d(\(channelsOfStages[0]), \(outputs), 3, padding=1),
                })
        """,
      encode: """
                h = self.encoder["stem"](x)
                for stage in self.encoder["stages"]:
                    h = stage["reduce"](h) if "reduce" in stage else h
                    for block in stage["blocks"]:
                        h = block(h)
                h = \(withY(activated("self.encoder[\"norm\"](h)") + ".flatten(1)"))
                for layer in self.encoder["dense"]:
                    h = \(activated("layer(h)"))
        """,
      decode: """
                for layer in self.decoder["dense"]:
                    z = \(activated("layer(z)"))
                h = self.decoder["image"](z).unflatten(1, (\(smallest)))
                for stage in self.decoder["stages"]:
                    for block in stage["blocks"]:
                        h = block(h)
                    h = stage["enlarge"](F.interpolate(h, scale_factor=2)) if "enlarge" in stage else h
                return self.decoder["output"](\(activated("self.decoder[\"norm\"](h)")))
        """)
  }

  // MARK: Likelihoods

  /// One more parameter, where the likelihood has one.
  private var learned: String {
    let numbers = max(1, schema?.isNumber.count { $0 } ?? shape.elementCount)
    let names = [
      "gaussian_learned": ("log_sigma", 1), "laplace": ("log_scale", 1), "columns_learned": ("log_sigma", numbers),
    ]
    return names[configuration.model.likelihood].map { name, count in
      "\n        self.likelihood = nn.ParameterDict({\"\(name)\": torch.zeros(\(count))})"
    } ?? ""
  }

  /// The lines of `nll` and of `mean`; nil for a likelihood that PyTorch cannot be told of in a few.
  private var likelihoodLines: (loss: String, mean: String)? {
    func lines(_ lines: String...) -> String { lines.map { "        " + $0 }.joined(separator: "\n") }
    func independent(_ distribution: String) -> String {
      lines("return -distributions.\(distribution).log_prob(x).flatten(1).sum(1)")
    }
    let pairs = "mean, raw = location.unflatten(1, (-1, 2)).unbind(2)"
    switch configuration.model.likelihood {
    case "bernoulli":
      return (
        lines("return F.binary_cross_entropy_with_logits(location, x, reduction=\"none\").flatten(1).sum(1)"),
        lines("return torch.sigmoid(location)")
      )
    case "continuous_bernoulli":
      let distribution = "ContinuousBernoulli(logits=location, validate_args=False)"
      return (independent(distribution), lines("return distributions.\(distribution).mean"))
    case "gaussian":
      return (independent("Normal(location, \(configuration[.sigma]))"), lines("return location"))
    case "gaussian_learned":
      return (independent("Normal(location, self.likelihood[\"log_sigma\"].exp())"), lines("return location"))
    case "laplace":
      return (independent("Laplace(location, self.likelihood[\"log_scale\"].exp())"), lines("return location"))
    case "gaussian_pixel":
      return (
        lines(pairs) + "\n" + independent("Normal(mean, torch.exp(F.softplus(raw + 6) - 6))"),
        lines("return location.unflatten(1, (-1, 2)).unbind(2)[0]")
      )
    case "gaussian_optimal":
      return (
        lines(
          "square = ((x - location) ** 2).flatten(1).mean(1)", "variance = square + 6.14421235e-6",
          "return \(shape.elementCount) / 2 * (torch.log(2 * math.pi * variance) + square / variance)"),
        lines("return location")
      )
    case "discretized_logistic":
      return (
        lines(
          pairs, "y, s = 2 * x - 1, torch.exp(raw.clamp(min=-7))",
          "a, b = (y - mean + 1 / 255) / s, (y - mean - 1 / 255) / s",
          "low, high, inside = F.logsigmoid(a), F.logsigmoid(-b), torch.log(-torch.expm1(-2 / 255 / s))",
          "log_p = torch.where(y < -0.998, low, torch.where(y > 0.998, high, low + high + inside))",
          "return -log_p.flatten(1).sum(1)"),
        lines(
          pairs, "s = torch.exp(raw.clamp(min=-7))",
          "y = s * (F.softplus((mean + 1) / s) - F.softplus((mean - 1) / s)) - 1", "return 0.5 + 0.5 * y.clamp(-1, 1)")
      )
    case "columns", "columns_learned": return tableLines
    default: return nil
    }
  }

  /// Column by column, each by its kind; missing values count for nothing.
  private var tableLines: (loss: String, mean: String) {
    let sizes = "[\(list(schema?.sizes ?? Array(repeating: 1, count: shape.elementCount)))]"
    let sigma = configuration[.sigma] == 0 ? schema?.kernelWidth ?? 0 : configuration[.sigma]
    let sigmas =
      configuration.model.likelihood == "columns"
      ? "itertools.repeat(\(sigma))" : "iter(torch.exp(F.softplus(self.likelihood[\"log_sigma\"] + 6) - 6))"
    return (
      """
              total, sigmas = 0, \(sigmas)
              for x, y in zip(x.split(\(sizes), 1), location.split(\(sizes), 1)):
                  if x.shape[1] == 1:
                      loss = -distributions.Normal(y, next(sigmas), validate_args=False).log_prob(x)
                  else:
                      loss = -x * F.log_softmax(y, 1)
                  total = total + loss.sum(1).where(~x[:, 0].isnan(), 0)
              return total
      """,
      """
              columns = location.split(\(sizes), 1)
              return torch.cat([y if y.shape[1] == 1 else torch.softmax(y, 1) for y in columns], 1)
      """
    )
  }

  /// PyTorch's order of axes.
  private var turned: String {
    guard configuration.model.kind != "mlp" else { return "" }
    return ".reshape(-1, \(shape.height), \(shape.width), \(shape.channels)).permute(0, 3, 1, 2)"
  }
}
