import Glibc
import Kernels

/// The image files of a folder or of its sub-folders, in order of class and name. Names that begin with a dot are
/// ignored; symbolic links are followed.
struct ImageListing {
  let folder: String
  /// Names of the sub-folders that contain an image, in order; empty if the images are in the folder itself.
  private(set) var classes: [String] = []
  private(set) var images: [(path: String, label: Int?)] = []

  private static let suffixes = [".png", ".jpg", ".jpeg", ".jpe", ".jfif"]
  /// Suffixes of image formats that are not supported. Such files are reported, because skipping them silently would
  /// lose data.
  private static let foreign = [".bmp", ".gif", ".webp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2"]

  init(_ folder: String) throws(Failure) {
    self.folder = folder
    let root = try Level(folder)
    images = root.images.map { (inside(folder, $0), nil) }
    var deeper: String?
    for name in root.folders {
      let path = inside(folder, name), level = try Level(path)
      deeper = deeper ?? level.folders.first.map { inside(path, $0) }
      guard !level.images.isEmpty else { continue }
      guard root.images.isEmpty else {
        throw .malformed(
          folder, "has images in it (\(root.images[0])) and in its sub-folder \(name)",
          hint: "put each image into a sub-folder for its class, or all into one folder")
      }
      images += level.images.map { (inside(path, $0), classes.count) }
      classes.append(name)
    }
    guard !images.isEmpty else {
      throw Failure(
        .missingInput, "\(folder): a folder without images and without the file names of MNIST or CIFAR-10",
        hint: "PNG and JPEG files are looked for in it and its sub-folders, by the ends of their names: "
          + Self.suffixes.joined(separator: " "))
    }
    if let deeper {
      throw .malformed(
        deeper, "lies deeper than the folder of a class, where no images are looked for",
        hint: "move it, or give a dot as its name's first letter; name the folder of classes as data")
    }
  }

  static func subfolders(of folder: String) throws(Failure) -> [String] { try Level(folder).folders }

  /// The images and sub-folders directly in a folder, sorted by the bytes of their names.
  private struct Level {
    private(set) var images: [String] = []
    private(set) var folders: [String] = []

    init(_ path: String) throws(Failure) {
      guard let stream = opendir(path) else { throw Failure.unopened(path, errno) }
      defer { closedir(stream) }
      while true {
        errno = 0
        guard let entry = readdir(stream) else { break }
        let name = withUnsafeBytes(of: &entry.pointee.d_name) {
          String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        guard !name.hasPrefix(".") else { continue }
        try add(name, kind: Int32(entry.pointee.d_type), of: path)
      }
      guard errno == 0 else { throw Failure(.inputOutput, "\(path): cannot be read: \(describe(errno))") }
      images.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      folders.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private mutating func add(_ name: String, kind: Int32, of path: String) throws(Failure) {
      let file: Int32 = 8, folder: Int32 = 4  // DT_REG, DT_DIR
      var isFolder = kind == folder
      if kind != file, kind != folder {
        // A broken link is reported later, when the image is opened.
        var status = stat()
        isFolder = stat(inside(path, name), &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
      }
      let lowered = name.lowercased()
      if isFolder {
        folders.append(name)
      } else if suffixes.contains(where: lowered.hasSuffix) {
        images.append(name)
      } else if foreign.contains(where: lowered.hasSuffix) {
        throw .malformed(
          inside(path, name), "an image of a kind that is not read",
          hint: "convert it to PNG or JPEG, or move it out of the folder")
      }
    }
  }
}
