import Kernels
import TestSupport
import Testing

@testable import Data

@Suite struct ConditionTests {
  private func arrays(_ scratch: Scratch, labels: [Int32]?, attributes: [Float]? = nil, rows: Int) throws -> Dataset {
    var members = [
      ZipMember(name: "X.npy", data: npy("|u1", [rows, 2], (0..<2 * rows).map { UInt8(truncatingIfNeeded: $0) }))
    ]
    if let labels { members.append(ZipMember(name: "y.npy", data: npy("<i4", [rows], words(labels)))) }
    if let attributes {
      let bytes = words(attributes.map(\.bitPattern))
      members.append(
        ZipMember(name: "attributes.npy", data: npy("<f4", [attributes.count / 2, 2], bytes)))
    }
    return try openWhole(scratch.write("\(rows)-\(members.count).npz", zip(members)), images: ImageOptions()).train
  }

  private func refusal(_ work: () throws -> Void) -> String? {
    do { try work() } catch { return (error as? Failure)?.message ?? "\(error)" }
    return nil
  }

  @Test("Classes are the existing labels in ascending order, and are given one-hot")
  func classes() throws {
    let data = try arrays(Scratch(), labels: [7, 3, 7, -2], rows: 4)
    let condition = try #require(try data.learnCondition(.label))
    #expect(condition == .classes(labels: [-2, 3, 7], names: ["-2", "3", "7"]) && condition.isSound)
    #expect(condition.classes == 3 && condition.width == 3 && condition.kind == .label)
    #expect(condition.index(of: "7") == 2 && condition.index(of: "2") == nil && condition.oneHot(1) == [0, 1, 0])
    #expect(Condition.classes(labels: [0, 1], names: ["1", "b"]).index(of: "1") == 0)
    #expect(data.conditions(of: [0]).isEmpty)
    try data.adopt(condition)
    #expect(data.conditions(of: [3, 0, 1]) == [1, 0, 0, 0, 0, 1, 0, 1, 0])
    #expect(data.prefix(2).conditions(of: [1]) == [0, 1, 0])
    #expect(try data.learnCondition(.none) == nil)
    let shapes = try openWhole("shapes:100", images: ImageOptions()).train
    #expect(try shapes.learnCondition(.label)?.names == ["square", "ellipse", "heart"])
  }

  @Test("Attributes are scaled to [0, 1] by the training samples, and a constant one becomes 0")
  func attributes() throws {
    let scratch = try Scratch()
    let data = try arrays(scratch, labels: nil, attributes: [1, 5, 3, 5, 2, 5], rows: 3)
    let condition = try #require(try data.learnCondition(.attributes))
    #expect(condition.names == ["a0", "a1"] && condition.classes == 0 && condition.isSound)
    #expect(condition.index(of: "a0") == nil)
    try data.adopt(condition)
    #expect(data.conditions(of: [0, 1, 2]) == [0, 0, 1, 0, 0.5, 0])
    let few = try #require(try data.prefix(2).learnCondition(.attributes))
    try data.adopt(.attributes(names: few.names, scaling: Scaling(offset: [0, 4], scale: [2, 1])))
    #expect(data.conditions(of: [2]) == [4, 1])
    let shapes = try openWhole("shapes:500", images: ImageOptions()).train
    try shapes.adopt(shapes.learnCondition(.attributes))
    let y = shapes.conditions(of: Array(0..<500)), factors = shapes.factors(of: 0..<500)
    #expect(shapes.condition?.names == shapes.factorNames)
    for (i, size) in [3, 6, 40, 32, 32].enumerated() {
      for row in 0..<500 { #expect(abs(y[row * 5 + i] - Float(factors[row * 5 + i]) / Float(size - 1)) < 1e-6) }
    }
  }

  @Test("Missing labels, unknown classes, other attributes, NaN and wrong sizes are refused with their place")
  func refusals() throws {
    let scratch = try Scratch()
    let plain = try arrays(scratch, labels: nil, rows: 5)
    #expect(refusal { _ = try plain.learnCondition(.label) }?.contains("has no labels") == true)
    #expect(refusal { _ = try plain.learnCondition(.attributes) }?.contains("has no attributes") == true)
    let labelled = try arrays(scratch, labels: [0, 1, 4, 1, 0, 1], rows: 6)
    let unknown = refusal { try labelled.adopt(.classes(labels: [0, 1], names: ["a", "b"])) }
    #expect(unknown?.contains("sample 2 has the label 4, but the model knows only a, b") == true, "\(unknown ?? "")")
    #expect(labelled.condition == nil)
    let shapes = try openWhole("shapes:10", images: ImageOptions()).train
    let other = refusal { try shapes.adopt(.attributes(names: ["a0"], scaling: .identity)) }
    #expect(other?.contains("has the attributes shape, scale, orientation, x, y") == true, "\(other ?? "")")
    let bad = try arrays(scratch, labels: nil, attributes: [0, 1, .nan, 1, 0, 1, 0, 1], rows: 4)
    let place = refusal { _ = try bad.learnCondition(.attributes) }
    #expect(place?.contains("row 2, column 1: the value nan is not finite") == true, "\(place ?? "")")
    #expect(
      refusal { _ = try arrays(scratch, labels: [1, 2, 3, 4, 5, 6, 7], attributes: [0, 1], rows: 7) }?
        .contains("is 1 x 2, and there are 7 samples") == true)
    let many = try arrays(scratch, labels: (0..<1_001).map { $0 }, rows: 1_001)
    #expect(refusal { _ = try many.learnCondition(.label) }?.contains("more than 1000 different labels") == true)
    for unsound in [
      Condition.classes(labels: [1], names: []), .classes(labels: [2, 1], names: ["a", "b"]),
      .attributes(names: ["a"], scaling: Scaling(offset: [0, 1], scale: [1, 1])),
    ] { #expect(!unsound.isSound) }
  }
}
