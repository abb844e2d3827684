import Autograd
import Kernels
import Layers
import Training
import VAE

/// Generates the source of a PyTorch module for a trained model. The module loads the model file and computes the same
/// ELBO. Its methods are printed from the model's recorded graphs operator by operator, so this works for every model
/// and likelihood.
package struct TorchModule {
  private let model: TrainedModel
  private let program: TorchProgram
  private var autoencoder: VariationalAutoencoder { model.autoencoder }

  package init(_ model: TrainedModel) {
    self.model = model
    program = TorchProgram(over: model.autoencoder.store)
  }

  package var text: String {
    get throws(Failure) {
      let methods = [try encode, try decode, try nll, try mean, try elbo, try draw].joined(separator: "\n")
      let settings = model.configuration.model, y = model.condition == nil ? "" : ", y"
      return """
        # A variational autoencoder by vae-dist \(programVersion): \(settings.kind), \(settings.likelihood), \
        \(settings.prior) prior; \(model.file.digest), step \(model.file.step)
        #
        # Samples are (batch, \(model.shape.elementCount)), an image row by row with its channels last.\(meaningOfY)
        import json

        import torch
        import torch.nn.functional as F
        from safetensors import safe_open
        from safetensors.torch import load_file
        from torch import nn

        PARAMETERS = {
        \(program.parameterLines)
        }


        class VAE(nn.Module):
            def __init__(self):
                super().__init__()
                for name, shape in PARAMETERS.items():
                    *scopes, last = name.split(".")
                    module = self
                    for scope in scopes:
                        if scope not in module._modules:
                            module.add_module(scope, nn.Module())
                        module = module._modules[scope]
                    module.register_parameter(last, nn.Parameter(torch.zeros(shape)))
                self.register_buffer("offset", torch.zeros(1), persistent=False)
                self.register_buffer("scale", torch.ones(1), persistent=False)
        \(program.constantLines)
            def scaled(self, x):  # samples in the units of the data -> (batch, elements), as all methods take them
                return (x.float().flatten(1) - self.offset) * self.scale

            def unscaled(self, x):  # what `mean` gives -> samples in the units of the data
                return (x / self.scale + self.offset).reshape(-1, \(list(model.shape.extents)))

            def forward(self, x\(y)):  # E[x | z = mu]
                return self.mean(self.decode(self.encode(x\(y))[0]\(y)))

        \(methods)

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

  private var meaningOfY: String {
    guard let condition = model.condition else { return "" }
    let names = condition.names.joined(separator: ", ").printable
    return "\n# y is (batch, \(condition.width)): "
      + (condition.classes > 0 ? "one-hot of \(names)." : "\(names), each brought to [0, 1] as in training.")
  }

  private func list(_ values: [Int]) -> String { values.map(String.init).joined(separator: ", ") }

  // MARK: Methods

  private var encode: String {
    get throws(Failure) {
      try autoencoder.latents.requireGaussian(for: "the PyTorch text of an encoder")
      let recorded = autoencoder.scoringGraph(batch: 1, [.code, .logvar])
      let method = Method(recorded.graph, autoencoder.store, program)
      method.input("x", recorded.x)
      method.input("y", recorded.y)
      try method.outputs([("mu", recorded[.code]), ("logvar", recorded[.logvar])])
      return try program.method("encode", method.graph, about: "mean and log variance of the posterior")
    }
  }

  private var decode: String {
    get throws(Failure) {
      let recorded = autoencoder.generationGraph(batch: 1, from: .latents, [.location])
      let method = Method(recorded.graph, autoencoder.store, program)
      method.input("z", recorded.input)
      method.input("y", recorded.y)
      try method.outputs([("location", recorded[.location])])
      return try program.method("decode", method.graph, about: "the location of p(x | z)")
    }
  }

  private var nll: String {
    get throws(Failure) {
      let graph = Graph(batch: 1, recordsGradients: false), method = Method(graph, autoencoder.store, program)
      let x = graph.input([1, autoencoder.elements]), location = graph.input([1, locations])
      let loss = autoencoder.likelihood.negativeLogLikelihood(
        x, location: location, channels: model.shape.channels,
        in: ParameterScope(graph: graph, store: autoencoder.store))
      method.input("x", x)
      method.input("location", location)
      try method.outputs([("loss", loss)])
      return try program.method("nll", method.graph, about: "-log p(x | location) of each sample, nats")
    }
  }

  private var mean: String {
    get throws(Failure) {
      let graph = Graph(batch: 1, recordsGradients: false), method = Method(graph, autoencoder.store, program)
      let location = graph.input([1, locations])
      let mean = autoencoder.likelihood.mean(location: location, channels: model.shape.channels, in: graph)
      method.input("location", location)
      try method.outputs([("mean", mean)])
      return try program.method("mean", method.graph, about: "E[x | location]")
    }
  }

  private var elbo: String {
    get throws(Failure) {
      let recorded = autoencoder.scoringGraph(batch: 1, [.reconstruction, .kl])
      let noise = recorded.graph.noise.map(\.tensor), method = Method(recorded.graph, autoencoder.store, program)
      method.input("x", recorded.x)
      method.input("eps", columnsOf: noise)
      method.input("y", recorded.y)
      try method.outputs([("reconstruction", recorded[.reconstruction]), ("kl", recorded[.kl])])
      return try program.method(
        "elbo", method.graph, about: "reconstruction and KL of each sample, nats; -ELBO is their sum")
    }
  }

  private var draw: String {
    get throws(Failure) {
      let recorded = autoencoder.generationGraph(batch: 1, from: .prior, [.z])
      let method = Method(recorded.graph, autoencoder.store, program)
      method.input("noise", recorded.input)
      method.input("y", recorded.y)
      try method.outputs([("z", recorded[.z])])
      return try program.method(
        "draw", method.graph, about: "z ~ p(z), of standard normal noise (batch, \(recorded.input.columns))")
    }
  }

  /// Number of values in the location of one sample.
  private var locations: Int {
    model.shape.height * model.shape.width * autoencoder.likelihood.outputs(channels: model.shape.channels)
  }
}

/// Converts one recorded graph to a portable graph. All inputs and outputs are rows.
private final class Method {
  private let writer = PortableWriter()
  private let translation: Translation
  var graph: PortableGraph { writer.graph }

  init(_ graph: Graph, _ store: ParameterStore, _ program: TorchProgram) {
    translation = Translation(of: graph, into: writer) { (store.name(at: $0), program.places(at: $0)) }
  }

  func input(_ name: String, _ tensor: Tensor?) {
    if let tensor { translation[tensor] = writer.input(name, [tensor.columns]) }
  }

  /// Adds one input whose columns are divided among several tensors.
  func input(_ name: String, columnsOf tensors: [Tensor]) {
    let all = writer.input(name, [tensors.reduce(0) { $0 + $1.columns }])
    var first = 0
    for tensor in tensors {
      let columns = first..<first + tensor.columns
      translation[tensor] = tensors.count == 1 ? all : all.slice(columns, axis: 1)
      first = columns.upperBound
    }
  }

  func outputs(_ results: [(name: String, tensor: Tensor)]) throws(Failure) {
    try translation.write(results.map(\.tensor))
    for (name, tensor) in results {
      let isPerSample = tensor.shape.rank == 1
      writer.output(
        isPerSample ? translation[tensor] : translation[rows: tensor], as: name, isPerSample ? [] : [tensor.columns])
    }
  }
}
