import Benchmarks
import ArgumentParser
import Communication
import Foundation
import Kernels
import Persistence
import Reporting
import Settings
import Training

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure speed.",
    discussion: """
      mpirun -np 2 vae-dist bench step --preset mnist-mlp     whole steps
      mpirun -np 2 vae-dist bench gemm                        matrix products, by rows
      mpirun -np 2 vae-dist bench comm                        messages, sums, exchange, jitter
      """,
    subcommands: [Step.self, Gemm.self, Comm.self])

  struct Step: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Time whole optimiser steps on random data, and their matrix products alone.",
      discussion: """
        vae-dist bench step --preset mnist-mlp --batch-size 128 --microbatch 128 --json
        mpirun -np 2 vae-dist bench step --preset mnist-mlp --microbatch 64
        """)

    @OptionGroup var options: MeasuringOptions
    @Option(help: "Samples per step, over all ranks.") var batchSize: String?
    @Option(help: "Samples per microbatch.") var microbatch: String?

    func run() throws {
      try VaeDist.withRanks { communicator throws(Failure) in
        let setup = try options.setup(
          communicator, [("train.batch_size", batchSize), ("train.microbatch", microbatch)])
        let steady = try SteadySteps(setup)
        let result = try StepBenchmark.run(steady)
        let steps = Int64(min(500, max(20, 2_000 / result.milliseconds)))
        let samples = Int(try communicator.maximum([steps])[0])
        let jitter = try Jitter.measure(communicator, samples: samples) { () throws(Failure) in
          try steady.next()
        }
        steady.close()
        try communicator.together { () throws(Failure) in
          if communicator.isRoot { try Output.result(text(result, jitter, setup) + "\n") }
        }
        return 0
      }
    }

    private func text(_ result: StepBenchmark, _ jitter: Jitter, _ setup: TrainingSetup) -> String {
      if options.json {
        return JSON.object([
          ("milliseconds", .number(result.milliseconds)), ("samples_per_second", .number(result.samplesPerSecond)),
          ("products_milliseconds", .number(result.productsMilliseconds)), ("ranks", .integer(result.ranks)),
          ("blas_core", .text(result.blasCore)), ("precision", .text("float32")),
          ("exchange_milliseconds", .number(result.exchangeMilliseconds)),
          ("wait_milliseconds", .number(result.waitMilliseconds)),
          ("p50_milliseconds", .number(jitter.median * 1_000)), ("p99_milliseconds", .number(jitter.p99 * 1_000)),
          ("jitter_milliseconds", .number(jitter.sigma * 1_000)),
          ("data_milliseconds", .number(result.dataMilliseconds)), ("prefetch", .flag(result.isPrefetching)),
          ("parts", .object(result.parts.map { ($0.name, .number($0.milliseconds)) })),
          ("phases", .object(result.phases.map { ("\($0.phase)", .number($0.milliseconds)) })),
        ]).text
      }
      let ratio = result.milliseconds / max(result.productsMilliseconds, 1e-9)
      return """
        step                \(result.milliseconds, .fixed(3)) ms   \(result.samplesPerSecond, .fixed(0)) samples/s
        products alone      \(result.productsMilliseconds, .fixed(3)) ms   ratio \(ratio, .fixed(2))
        exchange            \(result.exchangeMilliseconds, .fixed(3)) ms   waiting \(result.waitMilliseconds, .fixed(3)) ms
        of single steps     p50 \(milliseconds(jitter.median)) ms   p99 \(milliseconds(jitter.p99)) ms   \
        jitter \(milliseconds(jitter.sigma)) ms
        of the step         \(result.parts.map { "\($0.name) \($0.milliseconds, .fixed(3))" }.joined(separator: "   ")) ms
        ranks \(result.ranks), batch \(setup.plan.batchSize) = \(setup.plan.slots) x \(setup.plan.microbatch), \
        products by \(result.blasCore), CPU level \(vd_cpu_level())
        """
    }
  }
}
