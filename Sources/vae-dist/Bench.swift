import ArgumentParser
import Communication
import Foundation
import Kernels
import Persistence
import Reporting
import Training

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure speed.", discussion: "mpirun -np 2 vae-dist bench step --preset mnist-mlp",
    subcommands: [Step.self])

  struct Step: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Time whole optimiser steps on random data, and their matrix products alone.",
      discussion: """
        vae-dist bench step --preset mnist-mlp --batch-size 128 --microbatch 128 --json
        mpirun -np 2 vae-dist bench step --preset mnist-mlp --microbatch 64
        """)

    @Option(help: "Which model: digits, mnist-mlp or tabular.") var preset = "mnist-mlp"
    @Option(help: "Samples per step, over all ranks.") var batchSize: String?
    @Option(help: "Samples of one replay.") var microbatch: String?
    @Option(help: "BLAS threads per rank.") var threads: String?
    @Option(
      name: .customLong("set"), help: ArgumentHelp("Any key of the configuration.", valueName: "section.key=value"))
    var assignments: [String] = []
    @Flag(help: "One JSON object.") var json = false

    func run() throws {
      let shape = ["digits": "8x8", "mnist-mlp": "28x28", "tabular": "32"][preset] ?? "28x28"
      let flags: [(String, String?)] = [
        ("data.source", "random:\(shape)"), ("train.batch_size", batchSize), ("train.microbatch", microbatch),
        ("train.threads", threads),
      ]
      let configuration = try Configuration.resolve(
        preset: preset, file: nil, environment: ProcessInfo.processInfo.environment, assignments: assignments,
        flags: flags.compactMap { path, text in text.map { (path, $0) } })
      try VaeDist.withRanks { communicator throws(Failure) in
        let setup = try TrainingSetup(configuration, communicator, checkpointDirectory: nil, resume: .none)
        let trainer = try Trainer(setup, observers: [], injection: nil)
        let result = try StepBenchmark.run(trainer)
        trainer.close()
        if communicator.isRoot { report(result, setup) }
        return 0
      }
    }

    private func report(_ result: StepBenchmark, _ setup: TrainingSetup) {
      if json {
        print(
          JSON.object([
            ("milliseconds", .number(result.milliseconds)), ("samples_per_second", .number(result.samplesPerSecond)),
            ("products_milliseconds", .number(result.productsMilliseconds)), ("ranks", .integer(result.ranks)),
            ("blas_core", .text(result.blasCore)), ("precision", .text("float32")),
            ("exchange_milliseconds", .number(result.exchangeMilliseconds)),
            ("wait_milliseconds", .number(result.waitMilliseconds)),
          ]).text)
        return
      }
      let ratio = result.milliseconds / max(result.productsMilliseconds, 1e-9)
      print(
        """
        step                \(fixed(result.milliseconds, 3)) ms   \(fixed(result.samplesPerSecond, 0)) samples/s
        products alone      \(fixed(result.productsMilliseconds, 3)) ms   ratio \(fixed(ratio, 2))
        exchange            \(fixed(result.exchangeMilliseconds, 3)) ms   waiting \(fixed(result.waitMilliseconds, 3)) ms
        ranks \(result.ranks), batch \(setup.plan.batchSize) = \(setup.plan.slots) x \(setup.plan.microbatch), \
        products by \(result.blasCore), CPU level \(vd_cpu_level())
        """)
    }
  }
}
