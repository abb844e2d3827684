import Autograd
import Data
import Kernels
import VAE

/// The likelihoods that suit a data set scaled with `data.scale: auto`, and the one to start with.
package struct LikelihoodAdvice {
  /// All likelihoods in the order of the configuration's choices. `reason` is empty for those that suit the data.
  package let kinds: [(kind: String, suits: Bool, reason: String)]
  package let advised: String
  package let settings: String
  package let reason: String

  package init(_ inspection: Inspection) {
    let fits = inspection.fitsUnitInterval
    let image = ImageShape(
      rows: inspection.shape.height, columns: inspection.shape.width, channels: inspection.shape.channels)
    kinds = LikelihoodRegistry.all.members.map { member in
      var obstacle = ""
      do throws(Failure) {
        let likelihood = try member.make(LikelihoodSettings())
        switch likelihood.support {
        case .unitInterval where !fits: obstacle = "values leave [0, 1]: data.scale=minmax brings them there"
        case .levels where !fits || inspection.element != .u8: obstacle = "values are not bytes"
        default: try likelihood.requireSuits(image)
        }
      } catch { obstacle = error.message }
      return (member.name, obstacle.isEmpty, obstacle)
    }
    if fits, inspection.isBinary {
      (advised, settings, reason) = ("bernoulli", "", "every value is 0 or 1")
    } else if fits, inspection.shape.isImage, inspection.shape.channels == 1, GreyBernoulli.isGrey(inspection.greyShare)
    {
      (advised, settings, reason) = (
        "continuous_bernoulli", "", "grey levels in [0, 1], most of them neither 0 nor 1"
      )
    } else if fits, inspection.shape.isImage, inspection.shape.channels == 1 {
      (advised, settings, reason) = ("bernoulli", "", "grey levels in [0, 1], taken as probabilities")
    } else if inspection.shape.isImage {
      (advised, settings, reason) =
        inspection.element == .u8
        ? ("logistic_mixture", "", "colours in 256 levels")
        : ("gaussian_learned", "", "colours, or values of any size")
    } else {
      (advised, settings, reason) = ("gaussian_learned", "data.scale=standardize", "columns of real numbers")
    }
  }
}

extension Inspection {
  /// Share of the values that are neither nearly 0 nor nearly 1, after scaling with `data.scale: auto`.
  package var greyShare: Double {
    let scaling = defaultScaling(element: element, maximum: moments.largest)
    return GreyBernoulli.greyShare(sampled.map { ($0 - scaling.offset[0]) * scaling.scale[0] })
  }

  /// Number of principal components that justify a unit of z.
  package var components: Int? { spectrum?.components(holding: WideLatent.share) }
}
