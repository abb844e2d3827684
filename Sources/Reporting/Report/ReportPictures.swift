import Kernels
import Persistence
import Settings
import Training

/// Embeds a run's PNG files as figures, up to a total number of bytes per page.
struct ReportPictures {
  /// Number of bytes that may still be embedded.
  private(set) var budget = 3 << 20
  private static let largest = 1 << 20
  private static let columns = 4

  /// Returns the pictures of a folder for up to `most` evenly spaced epochs.
  mutating func figures(_ run: RunRecord, in folder: String, _ what: String, most: Int = columns) -> Markup {
    var figures: Markup = ""
    for picture in ReportPictures.chosen(run.pictures(in: folder), most: most) {
      let caption = "\(what), \(picture.epoch.map { "epoch \($0)" } ?? picture.name)"
      figures += figure(picture, caption) ?? ""
    }
    return figures.text.isEmpty ? "" : "<div class=\"pictures\">\(figures)</div>\n"
  }

  /// Returns the last picture of each folder, side by side.
  mutating func latest(_ run: RunRecord, in folders: [String]) -> Markup {
    var figures: Markup = ""
    for folder in folders {
      guard let last = run.pictures(in: folder).last else { continue }
      figures += figure(last, "\(folder), \(last.epoch.map { "epoch \($0)" } ?? last.name)") ?? ""
    }
    return figures.text.isEmpty ? "" : "<div class=\"pictures wide\">\(figures)</div>\n"
  }

  /// Returns nil if the file is not a PNG file.
  mutating func figure(_ picture: RunPicture, _ caption: String) -> Markup? {
    guard let bytes = try? DurableFile.read(picture.path), let size = ReportPictures.size(of: bytes) else { return nil }
    guard bytes.count <= min(budget, ReportPictures.largest) else {
      let words = "\(caption): \((bytes.count >> 10).grouped) KiB, left out; see \(picture.name)"
      return "<figure><figcaption>\(words)</figcaption></figure>"
    }
    budget -= bytes.count
    let extent: Markup = "width=\"\(size.width)\" height=\"\(size.height)\""
    return "<figure><figcaption>\(caption)</figcaption><img alt=\"\(caption)\" \(extent) "
      + "src=\"data:image/png;base64,\(Markup.base64(bytes))\"/></figure>"
  }

  /// Returns at most `most` evenly spaced items, including the first and the last.
  static func chosen<Item>(_ all: [Item], most: Int) -> [Item] {
    guard all.count > most, most > 1 else { return Array(all.suffix(most)) }
    return (0..<most).map { all[($0 * (all.count - 1) + (most - 1) / 2) / (most - 1)] }
  }

  /// Returns the width and height in the header of a PNG file.
  static func size(of png: [UInt8]) -> (width: Int, height: Int)? {
    guard png.count > 24, png[..<8] == [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
      png[12..<16] == [0x49, 0x48, 0x44, 0x52]
    else { return nil }
    func number(_ from: Int) -> Int { png[from..<from + 4].reduce(0) { $0 << 8 | Int($1) } }
    let (width, height) = (number(16), number(20))
    return (1...100_000).contains(width) && (1...100_000).contains(height) ? (width, height) : nil
  }
}
