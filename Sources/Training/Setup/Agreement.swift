import Communication
import RunConfiguration
import Data
import Kernels

/// Checks that all ranks agree on what they must have in common. Each item is checked before any branch depends on it,
/// because ranks that take different branches would wait for each other forever.
extension Communicator {
  /// Checks program version, configuration and resume mode before anything else. Collective.
  func agree(on configuration: Configuration, _ resume: ResumeMode) throws(Failure) {
    try agree(on: [("program", programVersion)], hint: "start the same program on every host")
    let settings = configuration.schema.keys.map { (label: $0.path, value: $0.text(configuration)) }
    let others = [(label: "preset", value: configuration.preset), (label: "--resume", value: resume.text)]
    try agree(
      on: settings + others, status: .badConfiguration,
      hint: "give every rank the same arguments, configuration file and VAE_DIST_ variables")
  }

  /// Checks the data sets as soon as they are open. Collective.
  func agree(on data: DataSplit) throws(Failure) {
    func items(_ name: String, _ set: Dataset) -> [(label: String, value: String)] {
      [
        ("samples of the \(name) data", "\(set.count)"), ("shape of its samples", "\(set.shape)"),
        ("type of its values", "\(set.element)"), ("digest of the \(name) data", set.fingerprint),
      ]
    }
    try agree(
      on: items("training", data.train) + items("validation", data.valid), status: .badData,
      hint: "give every host the same data files")
  }

  /// Checks what determines the bits of the result besides configuration and data. Collective.
  ///
  /// - Parameter initial: Digest of the initial parameters.
  package func agreeOnArithmetic(initial: String) throws(Failure) {
    try agree(
      on: [
        ("initial parameters", initial), ("matrix products", Products.description),
        ("product threads", "\(Products.threads)"), ("CPU level", "\(vd_cpu_level())"),
      ], hint: "give every rank the same libraries and kind of CPU")
  }
}
