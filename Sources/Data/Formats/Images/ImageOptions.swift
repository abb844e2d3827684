import Kernels

/// How image files are converted to samples of one shape.
package struct ImageOptions: Sendable, Equatable {
  /// Side of the square that each image is resized to; 0 means that all images already have the same size.
  package var size: Int
  /// Number of channels: 1 (grey) or 3 (RGB); 0 means as stored.
  package var channels: Int

  package init(size: Int = 0, channels: Int = 0) {
    self.size = size
    self.channels = channels
  }

  /// Throws unless a data set meets these options. Only image files are converted; other data must already have the
  /// size and the channels.
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
