import Communication
import RunConfiguration
import Data
import Kernels

/// What all ranks must have in common. Each part is agreed on before anything branches on it: ranks that take different
/// branches wait for each other for ever.
extension Communicator {
  /// Before anything else. Collective.
  func agree(on configuration: Configuration, _ resume: ResumeMode) throws(Failure) {
    try agree(on: [("program", programVersion)], hint: "start the same program on every host")
    let settings = configuration.schema.keys.map { (label: $0.path, value: $0.text(configuration)) }
    let others = [(label: "preset", value: configuration.preset), (label: "--resume", value: resume.text)]
    try agree(
      on: settings + others, status: .badConfiguration,
      hint: "give every rank the same arguments, configuration file and VAE_DIST_ variables")
  }

  /// As soon as it is open. Collective.
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

  /// What decides the bits beside configuration and data. - initial: digest of the parameters. Collective.
  package func agreeOnArithmetic(initial: String) throws(Failure) {
    try agree(
      on: [
        ("initial parameters", initial), ("matrix products", Products.description),
        ("product threads", "\(Products.threads)"), ("CPU level", "\(vd_cpu_level())"),
      ], hint: "give every rank the same libraries and kind of CPU")
  }
}
