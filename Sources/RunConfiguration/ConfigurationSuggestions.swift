import Settings

extension ConfigurationSchema {
  /// Names that other programs use for the same settings.
  private static let otherNames = [
    "lr": "optimizer.learning_rate", "rate": "optimizer.learning_rate", "batch": "train.batch_size",
    "bs": "train.batch_size", "epochs": "train.max_epochs", "steps": "train.max_steps", "iterations": "train.max_steps",
    "latent_dim": "model.latent", "z_dim": "model.latent", "hidden_dims": "model.hidden", "layers": "model.hidden",
    "beta": "objective.beta.end", "kl_weight": "objective.beta.end", "warmup": "objective.beta.warmup",
    "grad_clip": "optimizer.clip_norm", "clip": "optimizer.clip_norm", "dataset": "data.source",
    "val": "data.validation", "validation_split": "data.validation", "resume_from": "--resume", "output": "--run",
    "out": "--run", "output_dir": "--run", "scheduler": "schedule.kind", "workers": "train.threads",
  ]

  /// The key (or flag) that is meant by a short, foreign or misspelt name. Misspelt names are ignored if `exactly` is
  /// true.
  package func path(meantBy name: String, exactly: Bool = false) -> String? {
    let word = String(name.drop { $0 == "-" }).lowercased().map { $0 == "-" ? "_" : String($0) }.joined()
    let last = word.split(separator: ".").last.map(String.init) ?? word
    // A single word is first compared with the last parts of keys.
    let ends = keys.map(\.path).filter { $0 == word || $0.hasSuffix("." + word) }
    if ends.count == 1 { return ends[0] }
    if let other = Self.otherNames[last] { return other }
    if exactly { return nil }
    if let near = suggestion(for: word, among: keys.map(\.path)) { return near }
    guard last.count > 2 else { return nil }
    let lasts = keys.map { (path: $0.path, last: String($0.path.split(separator: ".").last ?? "")) }
    let near = suggestion(for: last, among: lasts.map(\.last))
    return near.flatMap { name in lasts.first { $0.last == name }?.path }
  }
}
