import Foundation

/// Damaged, hostile or mistaken inputs, written into `directory`: each must end in a failure that names the file.
///
/// `status` is the expected exit status: 65 for malformed content, and 66 for missing or unreadable files.
package func hostileFiles(in directory: String) throws -> [(name: String, path: String, status: Int32)] {
  var list: [(name: String, path: String, status: Int32)] = []
  func add(_ name: String, _ file: String, _ bytes: [UInt8]) throws {
    list.append((name, try writeFile(bytes, at: "\(directory)/\(file)"), 65))
  }
  func add(_ name: String, _ file: String, _ text: String) throws {
    try add(name, file, Array(text.utf8))
  }
  for (name, file, bytes) in idxFiles + gzipFiles + npyFiles + npzFiles { try add(name, file, bytes) }
  for (name, file, text) in csvFiles { try add(name, file, text) }
  try add("CSV: a NUL byte in a cell", "nul-cell.csv", "1,2\n3,\0\n4,5\n")
  try add("CSV: NUL bytes in the first line", "nul-head.csv", "a\0b,c\n1,2\n3,4\n")
  try add("CSV: UTF-16", "utf16.csv", [0xff, 0xfe] + "a,b\n1,2\n".utf8.flatMap { [$0, 0] })
  try add("CSV: one line of a million separators", "wide.csv", String(repeating: ",", count: 1_000_000))
  let sevens = String(repeating: "7", count: 1_000_000)
  try add("CSV: a cell of a million digits", "long.csv", "1,2\n3,\(sevens)\n5,6\n")
  try add("CSV: bytes that are no UTF-8", "latin.csv", Array("1,2\n3,".utf8) + [0xe9, 0xff, 0x1b, 0x5b] + [0x0a])
  for (suffix, format) in [("npy", "NPY"), ("npz", "NPZ"), ("csv", "CSV"), ("idx", "IDX"), ("gz", "gzip"), ("x", "?")] {
    try add("\(format): an empty file", "empty.\(suffix)", "")
    try add("\(format): one byte", "one.\(suffix)", suffix == "csv" ? "," : "P")
  }
  try add("an unknown format", "picture.bin", [0x89] + "PNG\r\n".utf8 + [UInt8](0..<100))
  try add("noise", "noise.dat", (0..<5000).map { UInt8(truncatingIfNeeded: $0 * $0 * 31 >> 3 | 1) })

  let manager = FileManager.default
  for folder in ["empty-folder", "folder.npy", "half-folder"] {
    try manager.createDirectory(atPath: "\(directory)/\(folder)", withIntermediateDirectories: true)
    list.append(("a folder without known names", "\(directory)/\(folder)", 66))
  }
  try writeFile(idx(8, [2, 2, 2], [UInt8](0..<8)), at: "\(directory)/half-folder/train-images-idx3-ubyte")
  try manager.createDirectory(atPath: "\(directory)/bad-folder", withIntermediateDirectories: true)
  try writeFile(idx(8, [2, 2, 2], [UInt8](0..<8)), at: "\(directory)/bad-folder/train-images-idx3-ubyte")
  try writeFile(idx(8, [2, 3, 2], [UInt8](0..<12)), at: "\(directory)/bad-folder/t10k-images-idx3-ubyte")
  list.append(("a folder whose images differ in size", "\(directory)/bad-folder", 65))
  list.append(("a path that is not there", "\(directory)/nowhere.npy", 66))
  list.append(("a path through a file", "\(directory)/empty.npy/x.npy", 66))
  let dangling = "\(directory)/dangling.npy"
  try? manager.removeItem(atPath: dangling)
  try manager.createSymbolicLink(atPath: dangling, withDestinationPath: "gone.npy")
  list.append(("a dangling link", dangling, 66))
  let pipe = "\(directory)/pipe.npy"
  try? manager.removeItem(atPath: pipe)
  if mkfifo(pipe, 0o600) == 0 { list.append(("a named pipe that nobody writes", pipe, 66)) }
  if geteuid() != 0 {
    let secret = try writeFile(npy("|u1", [2, 2], [1, 2, 3, 4]), at: "\(directory)/secret.npy")
    chmod(secret, 0)
    list.append(("a file without permission", secret, 66))
  }
  return list
}

private typealias Bytes = (name: String, file: String, bytes: [UInt8])

private let pixels = [UInt8](0..<16)
private let idxFiles: [Bytes] = [
  ("IDX: only the magic", "magic.idx", [0, 0, 8, 3]),
  ("IDX: cut in the sizes", "sizes.idx", [0, 0, 8, 3, 0, 0, 0, 4, 0]),
  ("IDX: cut in the values", "cut.idx", Array(idx(8, [4, 2, 2], pixels).dropLast())),
  ("IDX: a byte too many", "long.idx", idx(8, [4, 2, 2], pixels + [0])),
  ("IDX: wrong magic", "wrong.idx", [1, 2, 8, 3] + idx(8, [4, 2, 2], pixels).dropFirst(4)),
  ("IDX: unknown type", "type.idx", idx(0x0A, [4, 2, 2], pixels)),
  ("IDX: no dimensions", "rank0.idx", idx(8, [], pixels)),
  ("IDX: five dimensions", "rank5.idx", idx(8, [4, 1, 1, 2, 2], pixels)),
  ("IDX: 255 dimensions", "rank255.idx", [0, 0, 8, 255] + pixels),
  ("IDX: 2^31 rows", "rows.idx", idx(8, [1 << 31, 2, 2], pixels)),
  ("IDX: all sizes at their limit", "limit.idx", idx(0x0E, Array(repeating: .max, count: 4), pixels)),
  ("IDX: sizes whose product overflows to 0", "overflow.idx", idx(8, [1 << 31, 1 << 31, 4], pixels)),
  ("IDX: no rows", "norows.idx", idx(8, [0, 2, 2], [])),
  ("IDX: images without pixels", "nopixels.idx", idx(8, [4, 0, 2], [])),
  ("IDX: labels instead of images", "labels-idx1-ubyte", idx(8, [16], pixels)),
  ("IDX: one row", "single.idx", idx(8, [1, 4, 4], pixels)),
  ("IDX: NaN", "nan.idx", idx(0x0D, [4, 1], words([Float.nan, 1, 2, 3].map(\.bitPattern), bigEndian: true))),
]

private let packed = gzip(idx(8, [1024, 4, 4], (0..<16384).map { UInt8(truncatingIfNeeded: $0 * $0 >> 4) }))
private let gzipFiles: [Bytes] = [
  ("gzip: only its magic", "magic.gz", [0x1f, 0x8b]),
  ("gzip: cut in half", "cut.gz", Array(packed.prefix(packed.count / 2))),
  ("gzip: checksum cut off", "nocrc.gz", Array(packed.dropLast(8))),
  ("gzip: wrong checksum", "crc.gz", packed.dropLast(8) + [1, 2, 3, 4] + packed.suffix(4)),
  ("gzip: damaged in the middle", "damaged.gz", packed.prefix(200) + [0xff, 0, 0xff, 0xff] + packed.dropFirst(204)),
  ("gzip: not IDX inside", "text.csv.gz", gzip(Array("a,b\n1,2\n3,4\n".utf8))),
  ("gzip: compressed twice", "twice.gz", gzip(packed)),
  ("gzip: nothing inside", "nothing.gz", gzip([])),
  ("gzip: claims 2^40 bytes", "bomb.idx.gz", gzip(idx(8, [1 << 20, 1 << 10, 1 << 10], pixels))),
  ("gzip: claims 100 rows, holds 4", "short.idx.gz", gzip(idx(8, [100, 2, 2], pixels))),
  ("gzip: more than the header says", "more.idx.gz", gzip(idx(8, [3, 2, 2], pixels))),
]

private func dictionary(_ descr: String, _ shape: String, _ data: [UInt8]) -> [UInt8] {
  npy(header: "{'descr': \(descr), 'fortran_order': False, 'shape': \(shape), }", data)
}

private let npyFiles: [Bytes] = [
  ("NPY: wrong magic", "magic.npy", Array("\u{1}NUMPY and more".utf8)),
  ("NPY: version 9", "version.npy", npy("|u1", [4, 4], pixels, version: 9)),
  ("NPY: cut in the header", "header.npy", Array(npy("|u1", [4, 4], pixels).prefix(40))),
  ("NPY: header beyond the file", "beyond.npy", [0x93] + Array("NUMPY".utf8) + [1, 0, 0xff, 0xff, 0x7b]),
  ("NPY: a header of 4 GiB", "huge.npy", [0x93] + Array("NUMPY".utf8) + [2, 0, 0xff, 0xff, 0xff, 0xff, 0x7b]),
  ("NPY: cut in the values", "cut.npy", Array(npy("|u1", [4, 4], pixels).dropLast())),
  ("NPY: more than the header says", "more.npy", npy("|u1", [4, 3], pixels)),
  ("NPY: pickled objects", "objects.npy", dictionary("'|O'", "(4, 4)", pixels)),
  ("NPY: text", "text.npy", dictionary("'<U4'", "(1, 1)", pixels)),
  ("NPY: complex numbers", "complex.npy", dictionary("'<c8'", "(2, 1)", pixels)),
  ("NPY: records", "records.npy", dictionary("[('a', '<f4'), ('b', '<f4')]", "(2, 1)", pixels)),
  ("NPY: float of 3 bytes", "f3.npy", dictionary("'<f3'", "(2, 2)", pixels)),
  ("NPY: float without byte order", "order.npy", dictionary("'|f4'", "(2, 2)", pixels)),
  ("NPY: a negative size", "negative.npy", dictionary("'|u1'", "(-4, 4)", pixels)),
  ("NPY: 2^63 rows", "rows.npy", dictionary("'|u1'", "(9223372036854775808, 1)", pixels)),
  ("NPY: a size of 40 digits", "digits.npy", dictionary("'|u1'", "(\(String(repeating: "9", count: 40)), 1)", pixels)),
  ("NPY: a product that overflows to 16", "overflow.npy", dictionary("'|u1'", "(4294967296, 4294967297, 16)", pixels)),
  ("NPY: one dimension", "flat.npy", npy("|u1", [16], pixels)),
  ("NPY: no dimension", "scalar.npy", dictionary("'|u1'", "()", [1])),
  ("NPY: five dimensions", "rank5.npy", npy("|u1", [4, 1, 1, 2, 2], pixels)),
  ("NPY: 100 dimensions", "rank100.npy", npy("|u1", Array(repeating: 1, count: 100), [1])),
  ("NPY: no rows", "norows.npy", npy("|u1", [0, 4], [])),
  ("NPY: no columns", "nocolumns.npy", npy("|u1", [4, 0], [])),
  ("NPY: one row", "single.npy", npy("|u1", [1, 16], pixels)),
  ("NPY: no shape", "noshape.npy", npy(header: "{'descr': '|u1', 'fortran_order': False}", pixels)),
  ("NPY: a key twice", "twice.npy", npy(header: "{'descr': '|u1', 'descr': '<f8', 'shape': (4, 4)}", pixels)),
  ("NPY: an unknown key", "key.npy", npy(header: "{'evil': '|u1', 'fortran_order': False, 'shape': (4, 4)}", pixels)),
  ("NPY: an expression", "code.npy", npy(header: "{'descr': __import__('os').system('true')}", pixels)),
  ("NPY: an open quote", "quote.npy", npy(header: "{'descr': '|u1, 'fortran_order'", pixels)),
  ("NPY: an infinite value", "inf.npy", npy("<f4", [4, 1], words([1, Float.infinity, 2, 3].map(\.bitPattern)))),
  ("NPY: a NaN", "nan.npy", npy("<f8", [2, 1], words([1, Double.nan].map(\.bitPattern)))),
]

private let sample = npy("|u1", [4, 4], pixels)
private func one(_ change: (inout ZipMember) -> Void) -> [UInt8] {
  var member = ZipMember(name: "X.npy", data: sample)
  change(&member)
  return zip([member])
}

private let npzFiles: [Bytes] = [
  ("NPZ: not a zip", "not.npz", sample),
  ("NPZ: cut in half", "cut.npz", Array(one { _ in }.dropLast(40))),
  ("NPZ: no members", "none.npz", zip([])),
  ("NPZ: only labels", "labels.npz", zip([ZipMember(name: "y.npy", data: npy("|u1", [4], [1, 2, 3, 4]))])),
  ("NPZ: no arrays", "text.npz", zip([ZipMember(name: "readme.txt", data: Array("hello".utf8))])),
  ("NPZ: X is not NPY", "junk.npz", one { $0.data = Array("this is no array at all".utf8) }),
  ("NPZ: X is empty", "hollow.npz", one { $0.data = [] }),
  ("NPZ: X of pickled objects", "objects.npz", one { $0.data = dictionary("'|O'", "(4, 4)", pixels) }),
  ("NPZ: a bomb that claims 4 GiB", "bomb.npz", one { $0.claimedSize = .max - 1 }),
  (
    "NPZ: a bomb whose array claims 2^40 bytes", "array.npz",
    one { $0.data = dictionary("'|u1'", "(1048576, 1048576)", pixels) }
  ),
  ("NPZ: claims more compressed bytes than the file has", "stored.npz", one { $0.claimedStoredSize = 1 << 30 }),
  ("NPZ: a wrong size", "size.npz", one { $0.claimedSize = UInt32(sample.count + 4) }),
  ("NPZ: a wrong checksum", "crc.npz", one { $0.claimedCRC = 12345 }),
  ("NPZ: an unknown compression", "method.npz", one { $0.method = 97 }),
  ("NPZ: encrypted", "secret.npz", one { $0.flags = 1 }),
  ("NPZ: one dimension", "flat.npz", one { $0.data = npy("|u1", [16], pixels) }),
]

private let csvFiles: [(name: String, file: String, text: String)] = [
  ("CSV: only a header", "header.csv", "a,b,c\n"),
  ("CSV: only blank lines", "blank.csv", "\n\r\n  \n"),
  ("CSV: a short row", "short.csv", "a,b\n1,2\n3\n4,5\n"),
  ("CSV: a long row", "longrow.csv", "a,b\n1,2\n3,4,5\n6,7\n"),
  ("CSV: an empty cell", "hole.csv", "a,b\n1,\n3,4\n"),
  ("CSV: a word", "word.csv", "a,b\n1,two\n3,4\n"),
  ("CSV: a date", "date.csv", "timestamp,value\n2014-07-01 00:00:00,10844\n2014-07-01 00:30:00,8127\n"),
  ("CSV: NaN", "nan.csv", "a,b\n1,NaN\n3,4\n"),
  ("CSV: a first line of missing values", "missing.csv", "nan,nan\n1,2\n3,4\n"),
  ("CSV: a first line of an infinity and a gap", "gaps.csv", "inf,N/A\n1,2\n3,4\n"),
  ("CSV: infinity", "inf.csv", "a,b\n1,inf\n3,4\n"),
  ("CSV: beyond float32", "large.csv", "a,b\n1,1e39\n3,4\n"),
  ("CSV: a blank line between rows", "gap.csv", "1,2\n\n3,4\n"),
  ("CSV: decimal commas", "comma.csv", "a;b\n1,5;2\n3;4\n"),
  ("CSV: an open quote", "quote.csv", "a,b\n\"1,2\n3,4\n"),
  ("CSV: names and numbers in the first line", "mixed.csv", "id,2019\n1,2\n3,4\n"),
  ("CSV: one row", "single.csv", "a,b\n1,2\n"),
  ("CSV: hexadecimal", "hex.csv", "0x10,2\n3,4\n"),
  ("CSV: two signs", "signs.csv", "1,2\n--3,4\n"),
  ("CSV: an exponent without digits", "exponent.csv", "1,2\n3e,4\n"),
  ("CSV: prose", "prose.txt", "It was a dark and stormy night;\nthe rain fell in torrents.\n"),
]
