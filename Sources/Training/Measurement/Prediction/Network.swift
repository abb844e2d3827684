/// What joins nodes, after LogGP (Alexandrov et al., 1995).
package struct Network: Equatable, Sendable {
  package var name: String
  /// Seconds of an empty message, one way, with MPI.
  package var latency: Double
  /// Seconds that a message costs who sends or receives it: how long the next one has to wait.
  package var overhead: Double
  /// Seconds per byte of a node's link, each way.
  package var secondsPerByte: Double
  /// Where the numbers come from.
  package var source: String

  package init(name: String, latency: Double, overhead: Double, secondsPerByte: Double, source: String) {
    (self.name, self.latency, self.overhead) = (name, latency, overhead)
    (self.secondsPerByte, self.source) = (secondsPerByte, source)
  }

  /// One that costs nothing: for ranks of one node.
  package static let none = Network(name: "none", latency: 0, overhead: 0, secondsPerByte: 0, source: "")

  /// By the names of `--network`.
  package static let known = [
    ethernet("10gbe", gigabits: 10), ethernet("25gbe", gigabits: 25),
    // A pair of processes each sent 4,096 bytes a message at 15,921 MB/s together: 0.51 us a message and sender.
    Network(
      name: "hdr", latency: 1.61e-6, overhead: 2 * 4096 / 15_921e6, secondsPerByte: 1 / 23_477e6,
      source:
        "osu_latency with Open MPI and osu_mbw_mr (overhead: of its messages of 4 KiB) between two HBv2 machines on "
        + "200 Gbit/s HDR InfiniBand: techcommunity.microsoft.com/t5/azure-high-performance-computing/"
        + "hpc-performance-and-scalability-results-with-azure-hbv2-vms/ba-p/1012813"),
  ]

  /// TCP through the kernel. Latency and overhead are those of the stack, whatever the line rate; a frame of 1,538
  /// bytes on the wire (preamble, gap, headers) carries 1,448 of a message.
  private static func ethernet(_ name: String, gigabits: Double) -> Network {
    Network(
      name: name, latency: 23e-6, overhead: 2e-6, secondsPerByte: 1 / (gigabits * 1e9 / 8 * 1448 / 1538),
      source: "line rate less the headers of 1,500-byte frames; latency of TCP as NetPIPE measured it on Gigabit "
        + "Ethernet, norma.mbg.duth.gr/index.php?id=about:benchmarks:network (assumed the same for faster links); "
        + "overhead assumed: a system call and a copy")
  }
}
