extension ConfigurationSchema {
  static let monitorKeys: [ConfigurationKey] = [
    key("monitor.collapse_kl", \.monitor.collapseKL, "KL below this is collapsed, nats", "0 or more") { $0 >= 0 },
    key(
      "monitor.collapse_epochs", \.monitor.collapseEpochs,
      "epochs in a row before a collapse is reported (dead units: also 500 steps)", "1 or more"
    ) {
      $0 >= 1
    },
    key(
      "monitor.active_variance", \.monitor.activeVariance, "a unit is active when Var_x[mu] exceeds this", "0 or more"
    ) {
      $0 >= 0
    },
    key("monitor.fail_on_collapse", \.monitor.failOnCollapse, "exit 3 when the posterior collapses"),
    key(
      "monitor.on_collapse", \.monitor.onCollapse,
      "warn, stop (exit 3), restart-annealing (beta rises again), free-bits (0.125 nats per unit or more)"),
    key(
      "monitor.max_treatments", \.monitor.maxTreatments,
      "largest number of treatments by on_collapse; after that it warns, or exits 3",
      "0 or more"
    ) { $0 >= 0 },
    key(
      "monitor.max_rollbacks", \.monitor.maxRollbacks, "rollbacks without passing the failing step, then exit 87",
      "0 or more"
    ) { $0 >= 0 },
    key("monitor.pictures_every", \.monitor.picturesEvery, "epochs between sample grids; 0: none", "0 or more") {
      $0 >= 0
    },
    key(
      "monitor.metric", \.monitor.metric,
      "validation metric that determines the best epoch: neg_elbo, recon, recon_of_mean, kl, loss"),
    key(
      "monitor.patience", \.monitor.patience,
      "stop after this many epochs without improvement after the warm-up of beta; 0: never", "0 or more"
    ) { $0 >= 0 },
    key(
      "monitor.min_delta", \.monitor.minimumDelta, "smallest improvement that counts for monitor.patience, nats",
      "0 or more"
    ) {
      $0 >= 0
    },
  ]
}
