import Kernels

extension Format {
  /// A folder of PNG and JPEG files. Each sub-folder is a class, or all files are in the folder itself and have no
  /// class. Sub-folders called train and valid (or val, test) form a split.
  static let imageFolder = Format(
    summary: "a folder of PNG and JPEG images (sub-folders are classes)",
    matches: { $0.isFolder },
    open: { candidate throws(Failure) in
      let folder = candidate.spec, options = candidate.images
      let parts = try ImageListing.subfolders(of: folder)
      guard parts.contains("train"), let held = ["valid", "val", "test"].first(where: parts.contains) else {
        return Opened(try ImageReader.source(folder, options))
      }
      let train = try ImageReader.source(inside(folder, "train"), options)
      let valid = try ImageReader.source(inside(folder, held), options)
      guard train.reader.classNames == valid.reader.classNames else {
        throw .malformed(
          valid.reader.name, "its classes are not those of \(train.reader.name)",
          hint: "give both the same sub-folders, each with an image in it")
      }
      var opened = Opened(train)
      opened.valid = (valid, 0..<valid.reader.count)
      return opened
    })
}

/// Image files of a folder. All headers are read at opening, and an image is decoded each time it is read.
final class ImageReader: SampleReader {
  /// An image file as it was when the folder was opened.
  private struct Entry {
    let path: String
    let size, modified: Int
    let header: ImageHeader
  }

  let name: String
  let shape: SampleShape
  let element = ElementType.u8
  let isDecoded = true
  let fingerprint: String
  let classNames: [String]?
  private let options: ImageOptions
  private let entries: [Entry]

  var count: Int { entries.count }

  private init(_ listing: ImageListing, _ options: ImageOptions) throws(Failure) {
    name = listing.folder
    classNames = listing.classes.isEmpty ? nil : listing.classes
    self.options = options
    // The fingerprint covers names, classes, sizes and headers, on which two hosts can be compared without reading all
    // files.
    let digest = SHA256()
    digest.update("images \(options.size) \(options.channels)\n")
    var entries: [Entry] = []
    let activity = Activity("reading the headers of \(name)", of: listing.images.count)
    defer { activity.end() }
    for image in listing.images {
      let file = try InputFile(image.path)
      entries.append(Entry(path: image.path, size: file.size, modified: file.modified, header: try ImageHeader(file)))
      digest.update("\(image.path.dropFirst(listing.folder.count))\n\(image.label ?? -1) \(file.size)\n")
      try file.bytes(at: 0, count: 4096).withUnsafeBytes { digest.update($0) }
      Activity.advance()
    }
    self.entries = entries
    fingerprint = digest.finish()
    shape = try Self.shape(entries, options)
  }

  static func source(_ folder: String, _ options: ImageOptions) throws(Failure) -> Source {
    let listing = try ImageListing(folder)
    let reader = try ImageReader(listing, options)
    guard !listing.classes.isEmpty else { return Source(reader) }
    let labels = listing.images.map { $0.label ?? 0 }
    return Source(reader, labels: Labels { () throws(Failure) in labels })
  }

  /// Returns the common shape of all files, or the shape that the options give them.
  private static func shape(_ entries: [Entry], _ options: ImageOptions) throws(Failure) -> SampleShape {
    let first = entries[0], size = first.header.shownSize
    if options.size == 0, let other = entries.first(where: { $0.header.shownSize != size }) {
      let others = other.header.shownSize
      throw .malformed(
        other.path, "is \(others.width) x \(others.height) pixels, but \(first.path) is \(size.width) x \(size.height)",
        hint: "give data.image_size=64, say: the middle square of each is resized to that")
    }
    if options.channels == 0, let other = entries.first(where: { $0.header.channels != first.header.channels }) {
      let grey = first.header.channels == 1 ? first : other, colour = first.header.channels == 1 ? other : first
      throw .malformed(
        other.path, "not all images have the same channels: \(grey.path) is grey, \(colour.path) is in colour",
        hint: "give data.channels=3 (or 1) to make them so")
    }
    let (height, width) = options.size == 0 ? (size.height, size.width) : (options.size, options.size)
    let channels = options.channels == 0 ? first.header.channels : options.channels
    return .image(height: height, width: width, channels: channels)
  }

  func prepare(_ ranges: [Range<Int>]) {}

  func read(row: Int, into target: UnsafeMutablePointer<Float>) throws(Failure) {
    precondition(row >= 0 && row < count, "\(name): row \(row) of \(count)")
    let entry = entries[row]
    let file = try InputFile(entry.path)
    let bytes = try file.bytes(at: 0, count: entry.size)
    guard file.size == entry.size, file.modified == entry.modified, bytes.count == entry.size else {
      throw Failure(
        .inputOutput, "\(entry.path): the file has changed since the data was opened",
        hint: "do not change the data during a run; start again to use the changed data")
    }
    let pixels = try ImageDecoder.decode(
      bytes, entry.header, size: options.size, channels: shape.channels, name: entry.path)
    vd_u8_to_f32(target, pixels.bytes, shape.elementCount, 1, 0)
  }
}
