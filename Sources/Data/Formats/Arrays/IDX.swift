import Kernels

extension Format {
  /// The format of MNIST: two zero bytes, a type, the number of dimensions, big-endian sizes, and values in C order.
  static let idx = Format(
    summary: "IDX (-ubyte, .idx, either with .gz)",
    suffixes: ["ubyte", ".idx", ".gz"],
    matches: { candidate in
      candidate.begins(with: gzipMagic)
        || candidate.begins(with: [0, 0]) && candidate.head.count > 3 && idxTypes[candidate.head[2]] != nil
    },
    open: { candidate throws(Failure) in
      guard let file = candidate.file else { throw Failure.unopened(candidate.spec, 0) }
      return Opened(Source(try openIDX(file, use: .samples)))
    })
}

private let gzipMagic: [UInt8] = [0x1f, 0x8b]

private let idxTypes: [UInt8: ElementType] = [0x08: .u8, 0x09: .i1, 0x0B: .i2, 0x0C: .i4, 0x0D: .f4, 0x0E: .f8]

/// Opens an IDX file, which may be compressed with gzip.
func openIDX(_ file: InputFile, use: ArrayLayout.Use) throws(Failure) -> ArrayReader {
  let compressed = try file.bytes(at: 0, count: 2) == gzipMagic
  let stream: any ByteStream = compressed ? try GzipStream(file) : try MappedStream(file)
  let layout = try idxLayout(stream, use: use)
  let length = layout.dataOffset + layout.dataBytes
  if compressed {
    guard couldInflate(file.size, to: length) else {
      throw .malformed(
        file.name, "the header says \(layout.summary), more than \(file.size) compressed bytes can hold",
        hint: "copy or download it again")
    }
  } else if length != file.size {
    throw .malformed(
      file.name, "the header says \(layout.summary) after \(layout.dataOffset), but the file has \(file.size) bytes",
      hint: "copy or download it again")
  }
  let backing: ArrayReader.Backing =
    compressed
    ? .stream { () throws(Failure) in
      let stream = try GzipStream(file)
      try stream.skip(layout.dataOffset)
      return stream
    } : .file(file)
  return ArrayReader(name: file.name, layout: layout, fingerprint: try file.fingerprint(), backing: backing)
}

private func idxLayout(_ stream: any ByteStream, use: ArrayLayout.Use) throws(Failure) -> ArrayLayout {
  let magic = try stream.bytes(4)
  guard magic[0] == 0, magic[1] == 0 else {
    throw .malformed(
      stream.name, "does not begin like IDX, with two zero bytes, but with \(printable(magic))",
      hint: magic.starts(with: gzipMagic)
        ? "it is compressed twice"
        : stream is GzipStream ? "only IDX is read compressed: decompress it first" : nil)
  }
  guard let type = idxTypes[magic[2]] else {
    throw .malformed(stream.name, "its type byte is 0x\(String(magic[2], radix: 16)), which IDX does not have")
  }
  let rank = Int(magic[3])
  guard (1...4).contains(rank) else {
    throw .malformed(stream.name, "has \(rank) dimensions; 1 to 4 are read")
  }
  let sizes = try stream.bytes(4 * rank)
  let dimensions = (0..<rank).map { axis in sizes[4 * axis..<4 * axis + 4].reduce(0) { $0 << 8 | Int($1) } }
  return try ArrayLayout(
    dimensions, use: use, encoding: Encoding(type: type, bigEndian: true), dataOffset: 4 + 4 * rank, name: stream.name)
}
