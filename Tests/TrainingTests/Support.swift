import Kernels
import RunConfiguration
import Testing

/// Returns the failure that the work throws. If it throws none, an issue is recorded.
func failure(_ work: () throws(Failure) -> Void, _ location: SourceLocation = #_sourceLocation) -> Failure? {
  do throws(Failure) {
    try work()
    Issue.record("no failure", sourceLocation: location)
    return nil
  } catch {
    return error
  }
}

/// Returns the default configuration with the settings of a YAML text, which messages call `run.yaml`.
func readYAML(_ yaml: String) throws(Failure) -> Configuration {
  var configuration = Configuration()
  try configuration.apply(yaml: yaml, file: "run.yaml")
  return configuration
}
