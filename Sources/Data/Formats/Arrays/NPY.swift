import Glibc
import Kernels

extension Format {
  /// A NumPy array of shape (rows, columns), (rows, height, width) or (rows, height, width, channels). The labels of
  /// x.npy are read from x-labels.npy if that file exists.
  static let npy = Format(
    summary: "NumPy .npy",
    suffixes: [".npy"],
    matches: { $0.begins(with: NPYHeader.magic) },
    open: { candidate throws(Failure) in
      guard let file = candidate.file else { throw Failure.unopened(candidate.spec, 0) }
      let header = try NPYHeader(MappedStream(file))
      let layout = try header.layout(use: .samples, length: file.size, name: file.name)
      let reader = ArrayReader(
        name: file.name, layout: layout, fingerprint: try file.fingerprint(), backing: .file(file))
      guard file.name.hasSuffix(".npy") else { return Opened(Source(reader)) }
      let path = String(file.name.dropLast(4)) + "-labels.npy"
      guard access(path, F_OK) == 0 else { return Opened(Source(reader)) }
      return Opened(Source(reader, labels: Labels { () throws(Failure) in try npyLabels(path) }))
    })
}

private func npyLabels(_ path: String) throws(Failure) -> [Int] {
  let file = try InputFile(path)
  let layout = try NPYHeader(MappedStream(file)).layout(use: .labels, length: file.size, name: path)
  return try ArrayReader(name: path, layout: layout, fingerprint: "", backing: .file(file)).wholeNumbers()
}
