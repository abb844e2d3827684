import Foundation
import TestSupport
import Testing

@testable import Data

/// One element type: its IDX byte or NPY letters, and the bytes of the values 1, 2, 100, and -5 for signed types.
struct TypeCase: Sendable, CustomTestStringConvertible {
  let element: ElementType
  let idxByte: UInt8?
  let npyName: String
  let bytes: @Sendable (_ values: [Int], _ bigEndian: Bool) -> [UInt8]
  var isSigned = true

  var testDescription: String { npyName }
  var values: [Int] { isSigned ? [1, 2, 100, -5] : [1, 2, 100, 5] }
}

let typeCases: [TypeCase] = [
  TypeCase(element: .u8, idxByte: 0x08, npyName: "u1", bytes: { v, _ in v.map { UInt8($0) } }, isSigned: false),
  TypeCase(element: .i1, idxByte: 0x09, npyName: "i1", bytes: { v, b in words(v.map { Int8($0) }, bigEndian: b) }),
  TypeCase(element: .i2, idxByte: 0x0B, npyName: "i2", bytes: { v, b in words(v.map { Int16($0) }, bigEndian: b) }),
  TypeCase(
    element: .u2, idxByte: nil, npyName: "u2", bytes: { v, b in words(v.map { UInt16($0) }, bigEndian: b) },
    isSigned: false),
  TypeCase(element: .i4, idxByte: 0x0C, npyName: "i4", bytes: { v, b in words(v.map { Int32($0) }, bigEndian: b) }),
  TypeCase(
    element: .u4, idxByte: nil, npyName: "u4", bytes: { v, b in words(v.map { UInt32($0) }, bigEndian: b) },
    isSigned: false),
  TypeCase(element: .i8, idxByte: nil, npyName: "i8", bytes: { v, b in words(v.map { Int64($0) }, bigEndian: b) }),
  TypeCase(
    element: .u64, idxByte: nil, npyName: "u8", bytes: { v, b in words(v.map { UInt64($0) }, bigEndian: b) },
    isSigned: false),
  TypeCase(
    element: .f2, idxByte: nil, npyName: "f2",
    bytes: { v, b in words(v.map { halfBits($0) }, bigEndian: b) }),
  TypeCase(
    element: .f4, idxByte: 0x0D, npyName: "f4",
    bytes: { v, b in words(v.map { Float($0).bitPattern }, bigEndian: b) }),
  TypeCase(
    element: .f8, idxByte: 0x0E, npyName: "f8",
    bytes: { v, b in words(v.map { Double($0).bitPattern }, bigEndian: b) }),
]

/// IEEE 754 half-precision bits of the values that the cases use.
private func halfBits(_ value: Int) -> UInt16 {
  [1: 0x3c00, 2: 0x4000, 100: 0x5640, -5: 0xc500, 5: 0x4500][value] ?? 0
}

@Suite struct ArrayFormatTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  @Test("IDX files of each type can be read, compressed or not", arguments: typeCases.filter { $0.idxByte != nil })
  func idxTypes(type: TypeCase) throws {
    let bytes = idx(type.idxByte!, [2, 2], type.bytes(type.values, true))
    for (name, content) in [("a-idx2-ubyte", bytes), ("a.idx.gz", gzip(bytes)), ("unnamed", bytes)] {
      let (shape, element, rows) = try allRows(scratch.write(name, content))
      #expect(shape == .vector(2) && element == type.element)
      #expect(rows.flatMap { $0 } == type.values.map(Float.init))
    }
  }

  @Test("NPY files of each type can be read in both byte orders", arguments: typeCases, [true, false])
  func npyTypes(type: TypeCase, bigEndian: Bool) throws {
    let name = (bigEndian ? ">" : "<") + type.npyName
    let bytes = npy(name, [2, 2], type.bytes(type.values, bigEndian))
    let (shape, element, rows) = try allRows(scratch.write("a.npy", bytes))
    #expect(shape == .vector(2) && element == type.element)
    #expect(rows.flatMap { $0 } == type.values.map(Float.init))
  }

  @Test("NPY files with bool, extreme half-precision values, any header version and Python 2 sizes can be read")
  func npyDetails() throws {
    #expect(try allRows(scratch.write("b.npy", npy("|b1", [1, 3], [0, 1, 7]))).rows == [[0, 1, 1]])
    let halves = words([0x0001, 0x8000, 0x7bff] as [UInt16])
    #expect(try allRows(scratch.write("h.npy", npy("<f2", [1, 3], halves))).rows == [[0x1p-24, -0.0, 65504]])
    for version in [1, 2, 3] as [UInt8] {
      #expect(try allRows(scratch.write("v.npy", npy("|u1", [2, 1], [3, 4], version: version))).rows == [[3], [4]])
    }
    let old = npy(header: "{\"shape\": (2L, 1L), 'fortran_order': False, 'descr': '|u1'}", [3, 4])
    #expect(try allRows(scratch.write("o.npy", old)).rows == [[3], [4]])
  }

  @Test("The dimensions of an array determine whether samples are vectors, grey or colour images")
  func dimensions() throws {
    let data = [UInt8](0..<24)
    for (sizes, shape) in [
      ([4, 6], SampleShape.vector(6)), ([4, 2, 3], .image(height: 2, width: 3, channels: 1)),
      ([2, 2, 2, 3], .image(height: 2, width: 2, channels: 3)),
    ] {
      let fromIDX = try allRows(scratch.write("d.idx", idx(8, sizes.map { UInt32($0) }, data)))
      let fromNPY = try allRows(scratch.write("d.npy", npy("|u1", sizes, data)))
      #expect(fromIDX.shape == shape && fromNPY.shape == shape)
      #expect(fromIDX.rows == fromNPY.rows && fromNPY.rows.flatMap { $0 } == data.map { Float($0) })
    }
    #expect("\(SampleShape.vector(6)) \(SampleShape.image(height: 2, width: 3, channels: 1))" == "6 2x3")
    #expect("\(SampleShape.image(height: 2, width: 2, channels: 3))" == "2x2x3")
  }

  @Test("Fortran order gives the same rows as C order", arguments: [[5, 3], [5, 3, 2], [5, 2, 3, 4]])
  func fortran(sizes: [Int]) throws {
    let count = sizes.reduce(1, *)
    var columnMajor = [Int32](repeating: 0, count: count)
    for number in 0..<count {
      // `number` counts in C order. In Fortran order, the first index changes fastest.
      var (rest, place) = (number, 0)
      for axis in sizes.indices.reversed() {
        place += rest % sizes[axis] * sizes[..<axis].reduce(1, *)
        rest /= sizes[axis]
      }
      columnMajor[place] = Int32(number)
    }
    let expected = try allRows(scratch.write("c.npy", npy("<i4", sizes, words((0..<count).map { Int32($0) })))).rows
    let array = npy("<i4", sizes, fortran: true, words(columnMajor))
    #expect(try allRows(scratch.write("f.npy", array)).rows == expected)
    for method in [0, 8] as [UInt16] {
      let path = try scratch.write("f.npz", zip([ZipMember(name: "X.npy", data: array, method: method)]))
      #expect(try allRows(path).rows == expected)
      let data = try openData(path, validation: "0.4").train
      try data.prepare(1..<3)
      #expect(try filled(data, [1, 2]) == expected[1] + expected[3])
    }
  }

  @Test("An NPZ file gives X and y, its first other array, or Keras' split")
  func npz() throws {
    let samples = npy("<f4", [4, 1], words([1, 2, 3, 4].map { Float($0).bitPattern }))
    let labels = npy("<i8", [4], words([7, 8, 9, 10] as [Int64]))
    for name in ["X.npy", "data.npy"] {
      let members = [ZipMember(name: "y.npy", data: labels), ZipMember(name: name, data: samples)]
      let path = try scratch.write("a.npz", zip(members))
      let split = try openData(path, validation: "0.25")
      #expect(split.train.count == 3 && split.valid.count == 1)
      #expect((0..<3).map { split.train.label(at: $0) } == [7, 8, 9] && split.valid.label(at: 0) == 10)
      #expect(try split.train.loadLabels())
      try split.prepare(train: 0..<3, valid: 0..<1)
      #expect(try filled(split.train, [0, 1, 2]) + filled(split.valid, [0]) == [1, 2, 3, 4])
    }
    let keras = ["x_test", "x_train", "y_train", "y_test"].map {
      ZipMember(name: $0 + ".npy", data: $0.hasPrefix("x") ? samples : labels)
    }
    let split = try openData(scratch.write("k.npz", zip(keras)), validation: nil)
    #expect(split.train.count == 4 && split.valid.count == 4 && split.train.name.hasSuffix("k.npz[x_train.npy]"))
  }

  @Test("A folder with MNIST's files is recognised in every spelling of the names")
  func folder() throws {
    let images = idx(8, [3, 2, 2], [UInt8](0..<12))
    let labels = idx(8, [3], [4, 5, 6])
    for (separator, suffix) in [("-", ""), (".", ""), ("-", ".gz"), (".", ".gz")] {
      let scratch = try Scratch()
      let pack = { suffix.isEmpty ? $0 : gzip($0) }
      for prefix in ["train", "t10k"] {
        _ = try scratch.write("\(prefix)-images\(separator)idx3-ubyte\(suffix)", pack(images))
        _ = try scratch.write("\(prefix)-labels\(separator)idx1-ubyte\(suffix)", pack(labels))
      }
      let split = try openData(scratch.path, validation: nil)
      #expect(split.train.count == 3 && split.valid.count == 3)
      try split.prepare(train: 1..<3, valid: 0..<1)
      #expect(try filled(split.train, [2, 1]) == [8, 9, 10, 11, 4, 5, 6, 7])
      #expect(split.train.label(at: 1) == 5 && split.train.name.contains("train-images"))
      let fraction = try openData(scratch.path, validation: "0.34")
      #expect(fraction.train.count == 2 && fraction.valid.count == 1 && fraction.valid.name == fraction.train.name)
    }
  }

  @Test("A compressed file keeps the rows of both data sets that read it")
  func sharedReader() throws {
    let path = try scratch.write("s.idx.gz", gzip(idx(8, [100, 3], (0..<300).map { UInt8($0 / 3) })))
    let split = try openData(path, validation: "0.1")
    try split.train.prepare(0..<10)
    try split.valid.prepare(8..<10)
    #expect(try filled(split.train, [9])[0] == 10)
    #expect(try filled(split.valid, [8, 9]) == [89, 89, 89, 99, 99, 99])
  }

  @Test("A mapped file that was truncated is noticed")
  func shrunk() throws {
    let path = try scratch.write("m.npy", npy("|u1", [4, 2], [UInt8](0..<8)))
    let data = try openData(path, validation: "0.5").train
    try data.prepare(0..<2)
    #expect(truncate(path, 100) == 0)
    #expect { try data.prepare(0..<2) } throws: { "\($0)".contains("size changed") }
  }
}
