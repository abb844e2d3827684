import Settings

/// Warns about a Bernoulli likelihood for data whose values are mostly neither 0 nor 1. For such values, the Bernoulli
/// likelihood lacks a normalising constant.
///
/// Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli", NeurIPS 2019. About a tenth of the pixels of MNIST
/// and a third of those of the 8x8 digits are grey, which is harmless. In photographs, nearly all of them are.
package struct GreyBernoulli: Check {
  private static let most = 0.5, grey = Float(0.1)...Float(0.9)

  package init() {}

  /// Share of the values that are between 0.1 and 0.9.
  package static func greyShare(_ values: [Float]) -> Double {
    Double(values.count(where: grey.contains)) / Double(max(1, values.count))
  }

  /// Whether this share of grey values is too large for a Bernoulli likelihood.
  package static func isGrey(_ share: Double) -> Bool { share > most }

  package func findings(in facts: ConfigurationFacts) -> [Finding] {
    guard facts.configuration.model.likelihood == "bernoulli", let share = facts.greyShare, GreyBernoulli.isGrey(share)
    else { return [] }
    return [
      Finding(
        .warning, "grey data",
        "model.likelihood is bernoulli, a distribution of 0 and 1, and \(100 * share, .figures) % of the values "
          + "are between 0.1 and 0.9",
        settings: ["model.likelihood=continuous_bernoulli"], advice: "or --set data.binarize=dynamic")
    ]
  }
}
