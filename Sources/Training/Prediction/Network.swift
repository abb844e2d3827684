/// What joins nodes: Hockney's two numbers.
package struct Network: Equatable, Sendable {
  package var name: String
  /// Seconds of an empty message, one way, with MPI.
  package var latency: Double
  /// Seconds per byte of a node's link, each way.
  package var secondsPerByte: Double
  /// Where the two come from.
  package var source: String

  package init(name: String, latency: Double, secondsPerByte: Double, source: String) {
    (self.name, self.latency, self.secondsPerByte, self.source) = (name, latency, secondsPerByte, source)
  }

  /// By the names of `--network`.
  package static let known = [
    ethernet("10gbe", gigabits: 10), ethernet("25gbe", gigabits: 25),
    Network(
      name: "hdr", latency: 1.61e-6, secondsPerByte: 1 / 23_477e6,
      source: "osu_latency with Open MPI and osu_mbw_mr between two HBv2 machines on 200 Gbit/s HDR InfiniBand: "
        + "techcommunity.microsoft.com/t5/azure-high-performance-computing/"
        + "hpc-performance-and-scalability-results-with-azure-hbv2-vms/ba-p/1012813"),
  ]

  /// TCP through the kernel. Its latency is that of the stack, whatever the line rate; a frame of 1,538 bytes on the wire
  /// (preamble, gap, headers) carries 1,448 of a message.
  private static func ethernet(_ name: String, gigabits: Double) -> Network {
    Network(
      name: name, latency: 23e-6, secondsPerByte: 1 / (gigabits * 1e9 / 8 * 1448 / 1538),
      source: "line rate less the headers of 1,500-byte frames; latency of TCP as NetPIPE measured it on Gigabit "
        + "Ethernet, norma.mbg.duth.gr/index.php?id=about:benchmarks:network (assumed the same for faster links)")
  }
}
