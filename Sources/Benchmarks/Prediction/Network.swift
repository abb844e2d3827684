import Training

/// Model of the network between nodes, after LogGP (Alexandrov et al., 1995).
package struct Network: Equatable, Sendable {
  package var name: String
  /// Seconds for an empty message, one way, with MPI.
  package var latency: Double
  /// Seconds that a message occupies its sender or receiver, before it can handle the next one.
  package var overhead: Double
  /// Seconds per byte on the link of a node, in each direction.
  package var secondsPerByte: Double
  /// Source of the numbers.
  package var source: String

  package init(name: String, latency: Double, overhead: Double, secondsPerByte: Double, source: String) {
    (self.name, self.latency, self.overhead) = (name, latency, overhead)
    (self.secondsPerByte, self.source) = (secondsPerByte, source)
  }

  /// A network without cost, for ranks of a single node.
  package static let none = Network(name: "none", latency: 0, overhead: 0, secondsPerByte: 0, source: "")

  /// Networks with the names that `--network` accepts.
  package static let known = [
    ethernet("10gbe", gigabits: 10), ethernet("25gbe", gigabits: 25),
    // Two processes, each sending messages of 4,096 bytes, reached 15,921 MB/s together, which is 0.51 us per message
    // and sender.
    Network(
      name: "hdr", latency: 1.61e-6, overhead: 2 * 4096 / 15_921e6, secondsPerByte: 1 / 23_477e6,
      source:
        "osu_latency with Open MPI and osu_mbw_mr (overhead: of its messages of 4 KiB) between two HBv2 machines on "
        + "200 Gbit/s HDR InfiniBand: techcommunity.microsoft.com/t5/azure-high-performance-computing/"
        + "hpc-performance-and-scalability-results-with-azure-hbv2-vms/ba-p/1012813"),
  ]

  /// TCP through the kernel. Latency and overhead are those of the network stack and do not depend on the line rate. A
  /// frame occupies 1,538 bytes on the wire, including preamble, gap and headers, and carries 1,448 bytes of a message.
  private static func ethernet(_ name: String, gigabits: Double) -> Network {
    Network(
      name: name, latency: 23e-6, overhead: 2e-6, secondsPerByte: 1 / (gigabits * 1e9 / 8 * 1448 / 1538),
      source: "line rate less the headers of 1,500-byte frames; latency of TCP as NetPIPE measured it on Gigabit "
        + "Ethernet, norma.mbg.duth.gr/index.php?id=about:benchmarks:network (assumed the same for faster links); "
        + "overhead assumed: a system call and a copy")
  }
}
