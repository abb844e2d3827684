import ArgumentParser
import Communication
import Data
import Foundation
import Kernels
import Reporting
import Training

struct Slurm: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print a batch script for Slurm.",
    discussion: """
      vae-dist slurm --nodes 4 --ranks-per-node 16 --time 8h --requeue -- --batch-size 1024 --microbatch 16 > job.sbatch
      sbatch job.sbatch
      vae-dist slurm --array 1-8 -- --preset mnist-mlp --data data/mnist    one job for each seed
      """)

  @Option(help: "Nodes of a job.") var nodes = 1
  @Option(help: "Ranks on each node, one per core.") var ranksPerNode = 8
  @Option(help: "Time limit: 8h, 3h50m, 1d12h, 08:00:00 or 1-12:00:00.") var time = "4h"
  @Option(help: "Partition (queue) of the cluster.") var partition: String?
  @Option(help: "Account to charge.") var account: String?
  @Option(help: "What starts the ranks: srun (with PMIx) or mpirun.") var launcher = SlurmScript.Launcher.srun
  @Option(help: "One job for each seed of a list, such as 1-8 or 1,5,9%2.") var array: String?
  @Flag(help: "Requeue and resume when the time is up or a node is lost.") var requeue = false
  @Option(help: "A module of the site to load; may be repeated.") var module: [String] = []
  @Option(help: "The program: a name on the PATH, or a path.") var program = "vae-dist"
  @Option(help: ArgumentHelp("Any other option of sbatch, such as constraint=rome.", valueName: "name=value"))
  var sbatch: [String] = []
  @OptionGroup var progress: ProgressOption
  @Argument(parsing: .postTerminator, help: ArgumentHelp("Arguments of train, after --.", valueName: "argument"))
  var arguments: [String] = []

  func run() throws {
    guard Communication.Launcher.expectedRank == 0 else { return }
    var script = try script()
    script.namedRun = try checkTraining(ranks: nodes * ranksPerNode).directory
    try Output.result(script.text)
  }

  private func script() throws(Failure) -> SlurmScript {
    guard (1...100_000).contains(nodes) else {
      throw Failure(.usage, "--nodes \(nodes): a job has 1 node or more", hint: "write --nodes 4")
    }
    guard (1...4096).contains(ranksPerNode) else {
      throw Failure(
        .usage, "--ranks-per-node \(ranksPerNode): a node has 1 rank or more",
        hint: "use one rank per core, such as --ranks-per-node 16")
    }
    guard let seconds = SlurmScript.seconds(time) else {
      throw Failure(
        .usage, "--time \(time) is not a time limit",
        hint:
          "write 8h, 90m, 1d12h, 08:00:00 or 1-12:00:00 (sbatch reads a bare number as minutes, other programs as seconds)"
      )
    }
    guard (300...31_536_000).contains(seconds) else {
      throw Failure(
        .usage, "--time \(time): a job takes from five minutes to a year",
        hint: "the warning before the end needs time for a checkpoint: --time 30m")
    }
    try SlurmScript.checkWord("--partition", partition, also: ",")
    try SlurmScript.checkWord("--account", account)
    for name in module { try SlurmScript.checkWord("--module", name, also: "/+") }
    try SlurmScript.checkLine("--program", program)
    for argument in arguments { try SlurmScript.checkLine("an argument of train", argument) }
    for option in sbatch { try SlurmScript.checkOption(option) }
    if let array { try SlurmScript.checkArray(array) }
    return SlurmScript(
      nodes: nodes, ranksPerNode: ranksPerNode, seconds: seconds, partition: partition, account: account,
      launcher: launcher, array: array, requeues: requeue, modules: module, program: program, options: sbatch,
      arguments: arguments)
  }

  /// Checks the arguments of the training run now, because the job would otherwise fail only after waiting in the
  /// queue.
  private func checkTraining(ranks: Int) throws -> Train {
    let train: Train
    do {
      train = try Train.parse(arguments)
    } catch {
      throw Failure(
        .usage, "these are not arguments of vae-dist train: \(Train.message(for: error))",
        hint: "what follows -- is given to `vae-dist train`; see vae-dist train --help")
    }
    if train.resume != "auto" {
      throw Failure(
        .usage, "--resume \(train.resume): the script resumes its own run after each restart",
        hint: "omit --resume; to resume an existing run, give --run DIRECTORY")
    }
    if array != nil, train.directory != nil || train.seed != nil {
      throw Failure(
        .usage, "--array: each of its jobs has a seed and a run directory of its own",
        hint: "omit --run and --seed: --array 1-8 trains with the seeds 1 to 8")
    }
    let settings = try train.resolve().train
    let plan = BatchPlan(count: settings.batchSize, batchSize: settings.batchSize, microbatch: settings.microbatch)
    guard plan.slots < ranks else { return train }
    let batch = max(settings.batchSize, ranks)
    throw Failure(
      .badConfiguration,
      "\(nodes) nodes of \(ranksPerNode) ranks are \(ranks) ranks, and a batch has \(plan.slots) microbatches: "
        + "some would have nothing to do",
      hint: "fewer ranks, or give train smaller microbatches: -- "
        + (batch > settings.batchSize ? "--batch-size \(batch) " : "") + "--microbatch \(batch / ranks)")
  }
}
