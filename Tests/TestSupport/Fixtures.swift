import Foundation

/// The folder Tests/Fixtures.
package let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures")
  .standardizedFileURL

/// Decodes a file of Tests/Fixtures. The key `learning_rate` becomes `learningRate`.
package func fixture<T: Decodable>(_ name: String, as type: T.Type) throws -> T {
  let decoder = JSONDecoder()
  decoder.keyDecodingStrategy = .convertFromSnakeCase
  return try decoder.decode(type, from: Data(contentsOf: fixtures.appending(path: name)))
}

/// The spacing of float32 at 1, which is twice the largest relative error of one rounding.
package let ulp = Double(Float.ulpOfOne)
