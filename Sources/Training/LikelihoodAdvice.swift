import Data

/// Which likelihoods can be trained on a data set as `data.scale: auto` leaves it, and which to begin with.
package struct LikelihoodAdvice {
  /// In the order of the configuration's choices; `reason` is empty where nothing is in the way.
  package let kinds: [(kind: LikelihoodKind, suits: Bool, reason: String)]
  package let advised: LikelihoodKind
  package let settings: String
  package let reason: String

  package init(_ inspection: Inspection) {
    let fits = inspection.fitsUnitInterval
    kinds = LikelihoodKind.allCases.map { kind in
      var configuration = Configuration()
      configuration.model.likelihood = kind
      let suits = !configuration.likelihood.requiresUnitInterval || fits
      return (kind, suits, suits ? "" : "values leave [0, 1]: data.scale=minmax brings them there")
    }
    if fits, inspection.isBinary {
      (advised, settings, reason) = (.bernoulli, "", "every value is 0 or 1")
    } else if fits, inspection.shape.isImage, inspection.shape.channels == 1 {
      (advised, settings, reason) = (.bernoulli, "", "grey levels in [0, 1], taken as probabilities")
    } else if inspection.shape.isImage {
      (advised, settings, reason) = (.gaussianLearned, "", "colours, or values of any size")
    } else {
      (advised, settings, reason) = (.gaussianLearned, "data.scale=standardize", "columns of real numbers")
    }
  }
}
