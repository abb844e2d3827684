import Autograd
import Kernels
import Layers
import Settings

/// A RealNVP flow that maps z to u ~ N(0, I) through affine coupling layers. Each coupling scales and shifts some of
/// the units by factors that a perceptron computes from the other units and y. At initialisation the flow is the
/// identity.
///
/// Source: Dinh et al., "Density estimation using Real NVP", ICLR 2017. Units are not permuted between couplings.
/// Coupling k changes the units whose binary digit number k / 2 (modulo the number of digits) equals k mod 2. With
/// enough couplings, any two units are on different sides of some coupling. The log-determinant is kept separately for
/// each unit.
struct FlowPrior: Prior {
  private let settings: ModelSettings
  /// Bound on the absolute log scale of one coupling.
  private static let bound: Float = 2

  init(_ settings: ModelSettings) throws(Failure) {
    guard settings.latent > 1 else {
      throw Failure(
        .badConfiguration, "model.prior is flow, and z has one unit (model.latent)",
        hint: "a flow couples units with each other: give model.latent 2 or more, or model.prior: standard")
    }
    self.settings = settings
  }

  func distribution(given y: Tensor?, in scope: ParameterScope) -> any LatentDistribution {
    Distribution(flow: self, y: y, scope: scope)
  }

  private final class Distribution: LatentDistribution {
    private let flow: FlowPrior
    private let y: Tensor?
    private let scope: ParameterScope
    private var graph: Graph { scope.graph }

    init(flow: FlowPrior, y: Tensor?, scope: ParameterScope) { (self.flow, self.y, self.scope) = (flow, y, scope) }

    /// The image of u = 0 under the inverse flow.
    lazy var code: Tensor = draw(graph.constant(0, [graph.batch, flow.settings.latent]))
    var noiseColumns: Int { flow.settings.latent }

    func sample(_ noise: Noise) -> Tensor {
      switch noise {
      case .keyed(let stream): draw(graph.standardNormal(columns: noiseColumns, stream: stream))
      case .supplied(let u): draw(u)
      }
    }

    /// log N(u; 0, I) plus the log scales of all couplings, with one column for each unit.
    func logDensity(_ z: Tensor) -> Tensor {
      var u = z, terms: [Tensor] = []
      for coupling in 0..<flow.settings[.flowLayers] {
        let (next, logScale) = flow.couple(u, coupling, given: y, inverse: false, in: scope)
        u = next
        terms.append(logScale)
      }
      let one = graph.constant(1)
      return graph.weightedSum((terms + [graph.standardLogDensity(u)]).map { (one, $0) })
    }

    func rate(against prior: any LatentDistribution, at z: Tensor) -> Tensor {
      sampledRate(against: prior, at: z, in: graph)
    }

    private func draw(_ u: Tensor) -> Tensor {
      (0..<flow.settings[.flowLayers]).reversed().reduce(u) { z, coupling in
        flow.couple(z, coupling, given: y, inverse: true, in: scope).y
      }
    }
  }

  private func couple(
    _ z: Tensor, _ coupling: Int, given y: Tensor?, inverse: Bool, in scope: ParameterScope
  ) -> (y: Tensor, logScale: Tensor) {
    let changed = FlowPrior.changed(coupling, of: settings.latent)
    let kept = (0..<settings.latent).filter { !changed.contains($0) }
    let graph = scope.graph, scope = scope["couplings"]["\(coupling)"]
    let h = scope["hidden"].perceptron(
      graph.beside(graph.columns(z, kept), y), widths: settings[.priorHidden], activation: settings[.activation],
      dropout: 0)
    let raw = scope["output"].linear(h, to: 2 * changed.count, startsAtZero: true)
    return graph.affineCoupling(z, raw: raw, changed: changed, bound: FlowPrior.bound, inverse: inverse)
  }

  /// The indices of the units that a coupling changes: at least one unit, but never all.
  static func changed(_ coupling: Int, of latent: Int) -> [Int] {
    let digits = Int.bitWidth - (latent - 1).leadingZeroBitCount
    let digit = coupling / 2 % digits
    return (0..<latent).filter { ($0 >> digit) & 1 == coupling % 2 }
  }
}

extension PriorMember {
  static var flow: Self {
    Self("flow", help: "RealNVP", settings: [Setting.priorHidden, Setting.flowLayers, Setting.activation]) {
      settings throws(Failure) in try FlowPrior(settings)
    }
  }
}

extension Setting<Int> {
  package static var flowLayers: Self {
    Self("model.flow_layers", 10, "affine couplings of the flow prior", "between 1 and 64") { (1...64).contains($0) }
  }
}
