import Foundation

/// Tests/Fixtures.
package let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures")
  .standardizedFileURL

/// A file of Tests/Fixtures, decoded; `learning_rate` is `learningRate`.
package func fixture<T: Decodable>(_ name: String, as type: T.Type) throws -> T {
  let decoder = JSONDecoder()
  decoder.keyDecodingStrategy = .convertFromSnakeCase
  return try decoder.decode(type, from: Data(contentsOf: fixtures.appending(path: name)))
}

/// Spacing of float32 at 1, and so the largest relative error of one rounding, doubled.
package let ulp = Double(Float.ulpOfOne)
