import Kernels

/// How image files become samples of one shape.
package struct ImageOptions: Sendable, Equatable {
  /// Side of the square that each becomes; 0: all have one size already.
  package var size: Int
  /// 1 (grey) or 3 (RGB); 0: as they are stored.
  package var channels: Int

  package init(size: Int = 0, channels: Int = 0) {
    self.size = size
    self.channels = channels
  }

  /// Only image files are resized and recoloured; of other data it can only be asked that they are so already.
  func requireMet(by reader: any SampleReader) throws(Failure) {
    let shape = reader.shape
    guard size == 0 || shape.isImage && shape.height == size && shape.width == size else {
      throw Failure(
        .badConfiguration, "data.image_size is \(size), but \(reader.name) has samples of \(shape)",
        hint: "only PNG and JPEG files are resized: leave data.image_size out")
    }
    guard channels == 0 || shape.isImage && shape.channels == channels else {
      throw Failure(
        .badConfiguration, "data.channels is \(channels), but \(reader.name) has samples of \(shape)",
        hint: "only PNG and JPEG files change their channels: leave data.channels out")
    }
  }
}
