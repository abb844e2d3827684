extension ConfigurationSchema {
  /// What others call it.
  private static let otherNames = [
    "lr": "optimizer.learning_rate", "rate": "optimizer.learning_rate", "batch": "train.batch_size",
    "bs": "train.batch_size", "epochs": "train.max_epochs", "steps": "train.max_steps", "iterations": "train.max_steps",
    "latent_dim": "model.latent", "z_dim": "model.latent", "hidden_dims": "model.hidden", "layers": "model.hidden",
    "beta": "objective.beta.end", "kl_weight": "objective.beta.end", "warmup": "objective.beta.warmup",
    "grad_clip": "optimizer.clip_norm", "clip": "optimizer.clip_norm", "dataset": "data.source",
    "val": "data.validation", "validation_split": "data.validation", "resume_from": "--resume", "output": "--run",
    "out": "--run", "output_dir": "--run", "scheduler": "schedule.kind", "workers": "train.threads",
  ]

  /// The key (or flag) that is meant by a short, foreign or, unless `exactly`, misspelt name.
  package static func path(meantBy name: String, exactly: Bool = false) -> String? {
    let word = String(name.drop { $0 == "-" }).lowercased().map { $0 == "-" ? "_" : String($0) }.joined()
    let last = word.split(separator: ".").last.map(String.init) ?? word
    // A plain word is the end of a key before it is anything else.
    let ends = keys.map(\.path).filter { $0 == word || $0.hasSuffix("." + word) }
    if ends.count == 1 { return ends[0] }
    if let other = otherNames[last] { return other }
    if exactly { return nil }
    if let near = suggestion(for: word, among: keys.map(\.path)) { return near }
    guard last.count > 2 else { return nil }
    let lasts = keys.map { (path: $0.path, last: String($0.path.split(separator: ".").last ?? "")) }
    let near = suggestion(for: last, among: lasts.map(\.last))
    return near.flatMap { name in lasts.first { $0.last == name }?.path }
  }

  /// The choice that is meant by a foreign or misspelt one: val_loss is loss.
  static func choice(meantBy text: String, among choices: [String]) -> String? {
    let word = text.lowercased()
    guard word.count > 1 else { return nil }
    return choices.first { word.hasSuffix($0) || $0.hasSuffix(word) } ?? suggestion(for: word, among: choices)
  }

  /// The known name nearest to a misspelt one, when one is near.
  package static func suggestion(for name: String, among names: [String]) -> String? {
    let near = names.map { ($0, editDistance(name, $0)) }.min { $0.1 < $1.1 }
    guard let near, near.1 <= max(2, name.count / 3) else { return nil }
    return near.0
  }

  private static func editDistance(_ a: String, _ b: String) -> Int {
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
}
