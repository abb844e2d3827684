import Autograd
import Communication
import Data
import Kernels
import Optimizers
import Settings
import VAE

/// All settings of a run. Keys, help texts and checks are in `ConfigurationSchema`.
package struct Configuration: Sendable, Equatable {
  package struct Data: Sendable, Equatable {
    package var source = "digits"
    package var validation = "auto"
    package var classes: [Int] = []
    package var scale = Scale.auto
    package var imageSize = 0
    package var channels = 0
    package var flip = false
    package var shift = 0
    package var binarize = Binarization.none
    package var prefetch = Prefetch.auto
    package var columns = ColumnKind.numbers
    package var label = ""
    package var drop: [String] = []
    package var categorical: [String] = []
    package var window = 0
    package var stride = 1
    package var time = ""

    /// The options for reading a table.
    package var table: TableOptions {
      var options = TableOptions()
      options.isMixed = columns == .mixed
      (options.label, options.dropped, options.categorical) = (label, drop, categorical)
      options.time = time
      if window > 0 { options.windows = Windows(length: window, stride: stride) }
      return options
    }
  }

  package struct Model: Sendable, Equatable {
    package var kind = "mlp"
    package var latent = 20
    package var condition = ConditionKind.none
    package var prior = PriorRegistry.standard
    package var likelihood = "bernoulli"
  }

  package struct Objective: Sendable, Equatable {
    /// The task. A new task sets its own beta, so set the task before beta.
    package var task = ModelTask.none { didSet { betaEnd = task == oldValue ? betaEnd : task.beta ?? betaEnd } }
    package var betaSchedule = BetaShape.linear
    package var betaStart = 0.1
    package var betaEnd = 1.0
    package var betaUnit = TimeUnit.epoch
    package var betaWarmup = 0.0
    package var betaCycles = 4
    package var betaCycleRise = 0.5
    package var betaTarget = 0.0
    package var betaRate = 0.1
    package var betaProportional = 0.01
    package var betaIntegral = 0.0001
    package var betaLow = 0.001
    package var betaHigh = 1000.0
    package var freeBits = 0.0
    package var reconstruction = Reduction.sum
    package var perceptual = 0.0
    package var totalCorrelation = 0.0
    package var mmd = 0.0
  }

  package struct Optimizer: Sendable, Equatable {
    package var kind = "adam"
    package var learningRate = 0.001
    package var clipNorm = 1.0
    package var ema = 0.0
    package var sharding = Sharding.auto
  }

  package struct Schedule: Sendable, Equatable {
    package var kind = RateShape.constant
    package var warmupSteps = 0
    package var minimumFactor = 0.0
    package var stepEpochs = 10
    package var stepFactor = 0.5
  }

  package struct Train: Sendable, Equatable {
    package var seed = 1
    package var batchSize = 128
    package var microbatch = 0
    package var maxEpochs = 50
    package var maxSteps = 0
    package var overfitBatches = 0
    package var maxTime = Duration.none
    package var watchdog = Watchdog.Limit.auto
    package var threads = 1
    package var exchange = ExchangeRoute.auto
    package var buckets = 0
    package var wire = WireFormat.float32
    package var products = Products.Library.auto
    package var initFrom = "none"
    package var initPartial = false
  }

  package struct Monitor: Sendable, Equatable {
    package var collapseKL = 0.01
    package var collapseEpochs = 5
    package var activeVariance = 0.01
    package var failOnCollapse = false
    package var onCollapse = CollapseResponse.warn
    package var maxTreatments = 2
    package var maxRollbacks = 3
    package var picturesEvery = 1
    package var metric = EpochMetric.negativeELBO
    package var patience = 0
    package var minimumDelta = 0.0
  }

  package struct Checkpoint: Sendable, Equatable {
    package var everyEpochs = 1
    package var everySteps = 0
    package var keep = 3
  }

  package struct Log: Sendable, Equatable {
    package var progress = ProgressStyle.auto
    package var everySteps = 0
    package var tensorboard = true
  }

  package var data = Data()
  package var model = Model()
  package var objective = Objective()
  package var optimizer = Optimizer()
  package var schedule = Schedule()
  package var train = Train()
  package var monitor = Monitor()
  package var checkpoint = Checkpoint()
  package var log = Log()
  /// Settings that models, priors, likelihoods and optimisers declare.
  package var settings = SettingValues()
  package let schema: ConfigurationSchema
  /// Name of the preset on which the configuration is based, for the run directory.
  package var preset = "digits"

  /// Whether the run only checks that everything works. This is not a configuration key.
  package private(set) var isTrial = false

  package init(_ schema: ConfigurationSchema = .standard) { self.schema = schema }

  package subscript<Value>(_ setting: Setting<Value>) -> Value {
    get { settings[setting] }
    set { settings[setting] = newValue }
  }

  /// Returns the configuration for a trial run: one step, one chunk of validation, pictures and a checkpoint.
  package func trial() -> Configuration {
    var trial = self
    trial.isTrial = true
    (trial.checkpoint.everyEpochs, trial.checkpoint.everySteps) = (1, 0)
    trial.monitor.picturesEvery = 1
    trial.log.progress = .none
    return trial
  }
}

extension Configuration {
  /// A duration, written as 3h50m, 90s, 2d or none.
  package struct Duration: Sendable, Equatable {
    package var seconds: Double
    package static let none = Duration(seconds: 0)
    package init(seconds: Double) { self.seconds = seconds }
  }
}

extension Configuration {
  /// The settings of the model for samples of this shape, for the columns of a table, and for a condition.
  package func modelSettings(
    _ shape: SampleShape, _ schema: TableSchema? = nil, _ condition: Condition? = nil
  ) -> ModelSettings {
    var settings = ModelSettings()
    settings.kind = model.kind
    settings.latent = model.latent
    settings.condition = condition?.width ?? 0
    settings.prior = model.prior
    settings.values = self.settings
    settings.image = ImageShape(rows: shape.height, columns: shape.width, channels: shape.channels)
    settings.missing = schema.map { $0.hasMissing ? .masked : .possible } ?? .none
    return settings
  }

  package var likelihood: any Likelihood {
    get throws(Failure) { try likelihood(nil) }
  }

  /// The likelihood p(x | z). `schema` describes the columns of a table.
  package func likelihood(_ schema: TableSchema?) throws(Failure) -> any Likelihood {
    var settings = LikelihoodSettings()
    settings.values = self.settings
    settings.columns = schema?.sizes ?? []
    settings.kernelWidth = schema.map { Float($0.kernelWidth) }
    return try self.schema.registries.likelihoods.make(model.likelihood, settings)
  }

  package var optimizerSettings: OptimizerSettings {
    get throws(Failure) {
      var result = OptimizerSettings(rule: try schema.optimizers.make(optimizer.kind, settings))
      (result.clipNorm, result.ema) = (optimizer.clipNorm, optimizer.ema)
      return result
    }
  }

  package var objectiveSettings: VAE.Objective {
    var settings = VAE.Objective()
    settings.freeBits = Float(objective.freeBits)
    settings.raisesFreeBits = monitor.onCollapse == .freeBits
    settings.reduction = objective.reconstruction
    settings.perceptual = Float(objective.perceptual)
    settings.totalCorrelation = Float(objective.totalCorrelation)
    settings.discrepancy = Float(objective.mmd)
    return settings
  }
}
