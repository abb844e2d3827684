import Training

/// What was found during the training about settings and epochs.
struct TrainingFindings: Check {
  /// Checks whose matter another check of the run judges.
  private static let others = [Overfitting.name, SlowRank.name, WarmUpLength.name]

  func findings(in run: RunRecord) -> [Finding] {
    let hasCollapsed = run.events.contains { $0.kind == "collapse" }
    var said: [Finding] = []
    for event in run.events {
      guard var finding = event.finding, !Self.others.contains(finding.check),
        !(hasCollapsed && EpochChecks.ofCollapse.contains(finding.check))
      else { continue }
      if let epoch = event.epoch, epoch > 0 {
        // An old warning is only listed among the events.
        guard epoch + 10 >= run.epochs.last?.epoch ?? epoch else { continue }
        finding = Finding(finding.level, finding.check, "at epoch \(epoch), \(finding.message)", advice: finding.advice)
      }
      said.removeAll { $0.check == finding.check }
      said.append(finding)
    }
    return said
  }
}
