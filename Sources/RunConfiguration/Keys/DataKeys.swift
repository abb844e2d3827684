import Data

extension ConfigurationSchema {
  static let dataKeys: [ConfigurationKey] = [
    key(
      "data.source", \.data.source,
      "digits, shapes[:N], or a path: folder of PNG or JPEG, IDX or CIFAR-10, .npy, .npz, .csv"),
    key("data.validation", \.data.validation, "auto (the source's own, else 0.1), a fraction, or another source"),
    key(
      "data.classes", \.data.classes, "train and validate on the rows of these classes alone, such as [3]; []: on all",
      "a list of classes from 0"
    ) { $0.allSatisfy { $0 >= 0 } },
    key("data.scale", \.data.scale, "auto, none, unit (divide by 255), minmax, standardize (per column)"),
    key(
      "data.image_size", \.data.imageSize,
      "side that PNG and JPEG images are resized to, the middle square of each; 0: all have one size",
      "0, or between 2 and 4096"
    ) { $0 == 0 || (2...4096).contains($0) },
    key("data.channels", \.data.channels, "of PNG and JPEG images: 1 (grey), 3 (RGB); 0: as stored", "0, 1 or 3") {
      [0, 1, 3].contains($0)
    },
    key("data.flip", \.data.flip, "mirror half of the training images left to right, drawn again in each epoch"),
    key(
      "data.shift", \.data.shift,
      "move training images by up to this many pixels in each direction, drawn each epoch; edges repeat",
      "between 0 and 4096"
    ) { (0...4096).contains($0) },
    key(
      "data.binarize", \.data.binarize,
      "none, or dynamic: draw 0 or 1 with the value as probability, again in each epoch"),
    key(
      "data.prefetch", \.data.prefetch,
      "load the next microbatch in a thread: auto (if slow and a core is free), on, off"),
    key(
      "data.columns", \.data.columns, "of a table: numbers, or mixed: words are categories, empty cells missing values"),
    key("data.label", \.data.label, "column of a mixed table that contains labels and is not part of a sample"),
    key("data.drop", \.data.drop, "columns of a mixed table that are left out"),
    key("data.categorical", \.data.categorical, "columns of a mixed table whose numbers are names of categories"),
    key(
      "data.window", \.data.window, "consecutive rows that make a sample; 0: every row is a sample",
      "0 to \(Windows.mostRows)"
    ) { (0...Windows.mostRows).contains($0) },
    key(
      "data.stride", \.data.stride, "rows from the beginning of a window to that of the next",
      "1 to \(Windows.mostRows)"
    ) { (1...Windows.mostRows).contains($0) },
    key("data.time", \.data.time, "column of a mixed table that contains the time and is not part of a sample"),
  ]
}
