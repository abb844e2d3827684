import Benchmarks
import ArgumentParser
import Communication
import Kernels
import Persistence
import Reporting
import Training

extension Bench {
  struct Comm: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Measure latency, bandwidth, sums and jitter of the current ranks, for the gradient of a model.",
      discussion: """
        mpirun -np 2 vae-dist bench comm --preset mnist-mlp
        mpirun --host a:4,b:4 vae-dist bench comm --json        between nodes, too
        mpirun -np 2 vae-dist bench comm --set train.exchange=messages

        Messages have the gradient's size, but at least 64 KiB; above 1 GiB they are cut, as in training.
        """)

    @OptionGroup var options: MeasuringOptions

    func run() throws {
      try VaeDist.withRanks { communicator throws(Failure) in
        let (configuration, model) = try options.model(communicator)
        let result = try CommunicationBenchmark.run(count: model.store.count, configuration.train, communicator)
        let y = Buffer(count: model.store.count), x = Buffer(count: model.store.count)
        let jitter = try Jitter.measure(communicator, samples: 2_000) { () throws(Failure) in
          vd_add(y.base, x.base, y.count)
        }
        if communicator.isRoot {
          try Output.result((options.json ? json(result, jitter).text : text(result, jitter)) + "\n")
        }
        return 0
      }
    }

    private func json(_ result: CommunicationBenchmark, _ jitter: Jitter) -> JSON {
      func link(_ link: CommunicationBenchmark.Link?) -> JSON {
        guard let link else { return .null }
        return .object([
          ("latency_microseconds", .number(link.latency * 1e6)),
          ("overhead_microseconds", .number(link.overhead * 1e6)),
          ("gigabytes_per_second", .number(1e-9 / max(link.secondsPerByte, 1e-15))),
        ])
      }
      return .object([
        ("preset", .text(options.preset)), ("gradient_bytes", .integer(result.bytes)),
        ("ranks", .integer(result.ranks)),
        ("nodes", .integer(result.nodes)), ("mpi", .text(Communicator.library)),
        ("barrier_microseconds", .optional(result.barrier.map { $0 * 1e6 })), ("same_node", link(result.sameNode)),
        ("other_node", link(result.otherNode)),
        ("node_gigabytes_per_second", .optional(result.nodeSecondsPerByte.map { 1e-9 / max($0, 1e-15) })),
        ("allreduce_milliseconds", .optional(result.allreduce.map { $0 * 1_000 })),
        ("exchange", .text(result.exchangeRoute)), ("exchange_milliseconds", .number(result.exchange * 1_000)),
        ("exchange_gigabytes_per_second", .number(Double(result.bytes) / result.exchange / 1e9)),
        ("empty_exchange_microseconds", .number(result.emptyExchange * 1e6)),
        ("add_gigabytes_per_second", .number(1e-9 / result.addSecondsPerByte)),
        ("jitter_microseconds", .number(jitter.sigma * 1e6)), ("p50_microseconds", .number(jitter.median * 1e6)),
        ("p99_microseconds", .number(jitter.p99 * 1e6)),
      ])
    }

    private func text(_ result: CommunicationBenchmark, _ jitter: Jitter) -> String {
      let alone = "not measured: needs two ranks", oneNode = "not measured: all ranks are on one node"
      func link(_ link: CommunicationBenchmark.Link?, _ missing: String) -> String {
        link.map {
          "\(microseconds($0.latency)) us, \(microseconds($0.overhead)) us a message in a row   "
            + "\(gigabytes($0.secondsPerByte)) GB/s"
        } ?? missing
      }
      let isAlone = result.ranks == 1
      let lone = isAlone ? alone : "not measured: every rank is on a node of its own", near = isAlone ? alone : oneNode
      let lanes = result.nodeSecondsPerByte.map { "\(gigabytes($0)) GB/s each way, all ranks" }
      return """
        gradient of \(options.preset)  \(result.bytes) bytes, ranks \(result.ranks), nodes \(result.nodes), \
        \(Communicator.library)
        barrier                \(result.barrier.map { "\(microseconds($0)) us" } ?? alone)
        message, same node     \(link(result.sameNode, lone))
        message, other node    \(link(result.otherNode, near))
        node to node           \(lanes ?? near)
        MPI_Allreduce          \(result.allreduce.map { "\(milliseconds($0)) ms" } ?? alone)
        exchange (\(result.exchangeRoute))\(String(repeating: " ", count: max(1, 12 - result.exchangeRoute.count)))\
        \(milliseconds(result.exchange)) ms   \(gigabytes(result.exchange / Double(result.bytes))) GB/s of gradient, \
        empty \(microseconds(result.emptyExchange)) us
        adding                 \(gigabytes(result.addSecondsPerByte)) GB/s per rank, all at once
        jitter                 p50 \(microseconds(jitter.median)) us   p99 \(microseconds(jitter.p99)) us   \
        sigma \(microseconds(jitter.sigma)) us, of adding once
        """
    }
  }
}
