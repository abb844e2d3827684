import Kernels

extension Format {
  /// One NumPy array: (rows, columns), (rows, height, width) or (rows, height, width, channels).
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
      return Opened(Source(reader))
    })
}
