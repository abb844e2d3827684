import Glibc
import Kernels

extension Format {
  /// A folder with MNIST's file names: training images, and the validation images or, without them, the test images.
  static let mnistFolder = Format(
    summary: "a folder with MNIST's file names",
    matches: { candidate in
      candidate.isFolder
        && (["train"] + validationPrefixes).contains { find($0, "images", 3, in: candidate.spec) != nil }
    },
    open: { candidate throws(Failure) in try openFolder(candidate.spec) })
}

/// File name prefixes of the validation set. Data sets with both validation and test rows, such as binarized MNIST, use
/// "valid" for the former.
private let validationPrefixes = ["valid", "t10k"]

private func openFolder(_ folder: String) throws(Failure) -> Opened {
  guard let train = find("train", "images", 3, in: folder) else { throw missing("train", in: folder) }
  let held = validationPrefixes.lazy.compactMap { prefix in
    find(prefix, "images", 3, in: folder).map { (prefix: prefix, path: $0) }
  }.first
  guard let held else { throw missing("t10k", in: folder) }
  var opened = Opened(try source(train, "train", in: folder))
  let valid = try source(held.path, held.prefix, in: folder)
  opened.valid = (valid, 0..<valid.reader.count)
  return opened
}

private func source(_ images: String, _ prefix: String, in folder: String) throws(Failure) -> Source {
  let reader = try openIDX(InputFile(images), use: .samples)
  guard let path = find(prefix, "labels", 1, in: folder) else { return Source(reader) }
  let labels = Labels { () throws(Failure) in
    let labels = try openIDX(InputFile(path), use: .labels)
    guard labels.count == reader.count else {
      throw .malformed(path, "has \(labels.count) labels for the \(reader.count) images of \(images)")
    }
    return try labels.wholeNumbers()
  }
  return Source(reader, labels: labels)
}

private func names(_ prefix: String, _ kind: String, _ rank: Int) -> [String] {
  let stems = ["\(prefix)-\(kind)-idx\(rank)-ubyte", "\(prefix)-\(kind).idx\(rank)-ubyte"]
  return stems + stems.map { $0 + ".gz" }
}

private func find(_ prefix: String, _ kind: String, _ rank: Int, in folder: String) -> String? {
  let base = folder.hasSuffix("/") ? folder : folder + "/"
  return names(prefix, kind, rank).map { base + $0 }.first { access($0, F_OK) == 0 }
}

private func missing(_ prefix: String, in folder: String) -> Failure {
  Failure(
    .missingInput,
    "\(folder): a folder without \(prefix == "train" ? "training" : "validation") images; looked for "
      + names(prefix, "images", 3).joined(separator: ", "),
    hint: "name a file in it, or fetch MNIST with scripts/fetch-data")
}
