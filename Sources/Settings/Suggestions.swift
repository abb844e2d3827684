/// A message that a text is not a valid value, with a suggestion if a valid choice is similar.
package func misfit(_ text: String, _ expectation: String, among choices: [String]) -> String {
  let near = choice(meantBy: text, among: choices)
  return "'\(text)' is not \(expectation)" + (near.map { "; did you mean \($0)?" } ?? "")
}

/// The choice that a foreign or misspelt name stands for. For example, val_loss stands for loss.
private func choice(meantBy text: String, among choices: [String]) -> String? {
  let word = text.lowercased()
  guard word.count > 1 else { return nil }
  return choices.first { word.hasSuffix($0) || $0.hasSuffix(word) } ?? suggestion(for: word, among: choices)
}

/// The known name that is most similar to a misspelt name, or nil if none is similar enough.
package func suggestion(for name: String, among names: [String]) -> String? {
  let near = names.map { ($0, editDistance(name, $0)) }.min { $0.1 < $1.1 }
  guard let near, near.1 <= max(2, name.count / 3) else { return nil }
  return near.0
}

private func editDistance(_ a: String, _ b: String) -> Int {
  let a = Array(a.utf8.prefix(200)), b = Array(b.utf8)
  var row = Array(0...b.count)
  for i in a.indices {
    var diagonal = row[0]
    row[0] = i + 1
    for j in b.indices {
      let above = row[j + 1]
      row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
      diagonal = above
    }
  }
  return row[b.count]
}
