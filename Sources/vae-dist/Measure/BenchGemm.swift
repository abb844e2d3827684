import Benchmarks
import ArgumentParser
import Communication
import Kernels
import Persistence
import Reporting
import Settings
import Training

extension Bench {
  struct Gemm: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Measure the GF/s of the matrix products of a model's step, by rows of a microbatch.",
      discussion: """
        vae-dist bench gemm
        mpirun -np 2 vae-dist bench gemm --preset mnist-mlp --json    all ranks at once, which shows the cost of what they share
        """)

    @OptionGroup var options: MeasuringOptions

    func run() throws {
      try VaeDist.withRanks { communicator throws(Failure) in
        let (configuration, model) = try options.model(communicator)
        var benchmark = ProductBenchmark(model.store)
        try benchmark.run(configuration.train.products, threads: configuration.train.threads, communicator)
        if communicator.isRoot {
          try Output.result((options.json ? json(benchmark).text : text(benchmark, communicator.size)) + "\n")
        }
        return 0
      }
    }

    private func json(_ benchmark: ProductBenchmark) -> JSON {
      .object([
        ("preset", .text(options.preset)), ("ranks", .integer(benchmark.rates.first?.ranks.count ?? 0)),
        ("threads", .integer(Products.threads)),
        (
          "layers",
          .array(benchmark.layers.map { .object([("in", .integer($0.inputs)), ("out", .integer($0.outputs))]) })
        ),
        (
          "gflops",
          .array(
            benchmark.rates.map { rate in
              let spread = Distribution(rate.ranks)
              return .object([
                ("library", .text(rate.library)), ("rows", .integer(rate.rows)), ("product", .text(rate.kind.rawValue)),
                ("minimum", .number(spread.minimum)), ("median", .number(spread.median)),
              ])
            })
        ),
      ])
    }

    private func text(_ benchmark: ProductBenchmark, _ ranks: Int) -> String {
      var lines = [
        "GF/s of \(options.preset)'s products, all layers together, threads per rank \(Products.threads), "
          + "ranks \(ranks)"
          + (ranks > 1 ? " at once: median (slowest)" : "")
      ]
      for library in unique(benchmark.rates.map(\.library)) {
        let rates = benchmark.rates.filter { $0.library == library }
        var table = [["rows", "forward", "input gradient", "weight gradient"]]
        for rows in unique(rates.map(\.rows)) {
          table.append(
            ["\(rows)"]
              + ProductBenchmark.Kind.allCases.map { kind in
                guard let rate = rates.first(where: { $0.rows == rows && $0.kind == kind }) else { return "-" }
                let spread = Distribution(rate.ranks)
                return "\(spread.median, .fixed(1))" + (ranks > 1 ? " (\(spread.minimum, .fixed(1)))" : "")
              })
        }
        lines += ["", library, columns(table)]
      }
      return lines.joined(separator: "\n")
    }

    private func unique<T: Hashable>(_ values: [T]) -> [T] {
      var seen = Set<T>()
      return values.filter { seen.insert($0).inserted }
    }
  }
}
