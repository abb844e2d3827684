import Communication
import Foundation
import Kernels
import Reporting

/// One rank of a test: `mpirun -np N RankProbe SCENARIO`. Status 0 means that all checks held on this rank.
@main
struct RankProbe {
  typealias Scenario = @Sendable (Communicator, [String]) throws(Failure) -> Void

  static let scenarios: [String: Scenario] = [
    "exchange": exchange, "wire": wire, "collectives": collectives, "together": together, "agree": agree,
    "lonely": lonely,
    "allocations": allocations, "run-allocations": runAllocations, "signals": signals,
    "watchdog": watchdog, "tags": tags, "phases": phases, "progress": progress, "lost": lost, "sizes": sizes,
    "spinning": spinning, "reading": reading, "slow-disk": slowDisk, "statistics": statistics,
  ]

  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    guard let name = arguments.first, let scenario = scenarios[name] else {
      Output.complain("RankProbe: scenarios: \(scenarios.keys.sorted().joined(separator: ", "))\n")
      exit(Failure.Status.usage.rawValue)
    }
    do {
      let communicator = try Communicator()
      do {
        try scenario(communicator, Array(arguments.dropFirst()))
        communicator.finish()
      } catch {
        // This is done as in the program.
        guard error.isCollective || communicator.size == 1 else {
          Output.complain("RankProbe: error: rank \(communicator.rank): \(error)\n")
          Launcher.abort(error.status.rawValue)
        }
        if communicator.isRoot { Output.complain("RankProbe: error: \(error)\n") }
        communicator.finish()
        exit(error.status.rawValue)
      }
    } catch {
      Output.complain("RankProbe: error: \(error)\n")
      exit(1)
    }
  }

  /// Fails the job if a condition does not hold.
  static func check(_ holds: Bool, _ what: @autoclosure () -> String) throws(Failure) {
    guard holds else { throw Failure(.failure, "does not hold: \(what())") }
  }
}

/// A number for any place. Magnitudes are very different and signs alternate, so the order of a sum changes its bits.
func noise(_ a: Int, _ b: Int, _ c: Int) -> Float {
  var z = UInt64(a) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(b) &* 0xc2b2_ae3d_27d4_eb4f ^ UInt64(c) &* 0x1656_67b1_9e37_79f9
  z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
  z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
  z ^= z >> 31
  let value = Float(z >> 40) / Float(1 << 24) - 0.5
  return value * Float(1 << (z & 15))
}

/// A second implementation of the tree without ranks: equal neighbours are added, and the rest from the right.
func serialTreeSum<T: FloatingPoint>(_ leaves: [[T]]) -> [T] {
  var stack: [(leaves: Int, sum: [T])] = []
  func fold() {
    let right = stack.removeLast(), left = stack.removeLast()
    stack.append((left.leaves + right.leaves, Swift.zip(left.sum, right.sum).map { $0 + $1 }))
  }
  for leaf in leaves {
    stack.append((1, leaf))
    while stack.count > 1, stack[stack.count - 1].leaves == stack[stack.count - 2].leaves { fold() }
  }
  while stack.count > 1 { fold() }
  return stack[0].sum
}
