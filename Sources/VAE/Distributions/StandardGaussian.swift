import Autograd

/// The standard Gaussian N(0, I).
package final class StandardGaussian: LatentDistribution {
  private let units: Int
  private let graph: Graph

  package init(units: Int, in graph: Graph) { (self.units, self.graph) = (units, graph) }

  package lazy var code: Tensor = graph.constant(0, [graph.batch, units])
  package var noiseColumns: Int { units }

  /// Returns the noise itself.
  package func sample(_ noise: Noise) -> Tensor {
    switch noise {
    case .keyed(let stream): graph.standardNormal(columns: units, stream: stream)
    case .supplied(let tensor): tensor
    }
  }

  package func logDensity(_ z: Tensor) -> Tensor { graph.standardLogDensity(z) }

  package func rate(against prior: any LatentDistribution, at z: Tensor) -> Tensor {
    if prior is StandardGaussian { return graph.constant(0, z.shape) }
    return sampledRate(against: prior, at: z, in: graph)
  }
}
