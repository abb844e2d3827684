import Autograd
import Foundation
import Layers
import Settings

/// Likelihood for the columns of a table: Gaussian for numbers, categorical (softmax) for categories. Missing values
/// are left out of the loss.
///
/// Source: Nazabal et al., "Handling incomplete heterogeneous data using VAEs", 2020.
package struct Columns: Likelihood {
  package let support = Support.real
  package let nature = Nature.continuous
  /// Number of elements of each column. If it is empty, every element is a number.
  private let sizes: [Int]
  /// The standard deviation of all numbers. If it is nil, each number column has its own, learned as
  /// `likelihood.log_sigma` with a soft lower limit.
  private let sigma: Float?
  private static let lowestLogSigma: Float = -6

  package init(sizes: [Int], sigma: Float?) {
    self.sizes = sizes
    self.sigma = sigma
  }

  private var floor: Float { sigma == nil ? Columns.lowestLogSigma : -.infinity }

  private func layout(_ columns: Int) -> TableLayout {
    TableLayout(sizes: sizes.isEmpty ? [Int](repeating: 1, count: columns) : sizes)
  }

  private func logSigma(_ layout: TableLayout, in scope: ParameterScope) -> Tensor {
    if let sigma { return scope.graph.constant(log(sigma)) }
    // A table that has only categories needs no standard deviation, but a tensor must not be empty.
    return scope["likelihood"].parameter("log_sigma", [max(1, layout.numbers)], .zeros)
  }

  package func negativeLogLikelihood(
    _ x: Tensor, location: Tensor, channels: Int, in scope: ParameterScope
  ) -> Tensor {
    let layout = layout(x.columns)
    return scope.graph.table(x, location: location, raw: logSigma(layout, in: scope), floor: floor, layout)
  }

  package func mean(location: Tensor, channels: Int, in graph: Graph) -> Tensor {
    graph.tableMean(location, layout(location.columns))
  }

  package func sample(location: Tensor, channels: Int, stream: String, in scope: ParameterScope) -> Tensor {
    let layout = layout(location.columns)
    return scope.graph.tableSample(
      location, raw: logSigma(layout, in: scope), floor: floor, layout, stream: stream)
  }
}

extension LikelihoodMember {
  static var columns: Self {
    Self("columns", settings: [Setting.sigma]) { Columns(sizes: $0.columns, sigma: $0.sigma) }
  }
  static var columnsLearned: Self { Self("columns_learned") { Columns(sizes: $0.columns, sigma: nil) } }
}
