import Foundation
import Kernels
import Persistence

/// Sums over the steps of the current epoch.
package struct EpochSums: Sendable, Equatable, Codable {
  package var weight = 0.0
  package var reconstruction = 0.0
  package var kl = 0.0
  package var gradientNorm = 0.0
  package var steps = 0
  package var seconds = 0.0

  mutating func add(_ step: StepSums, gradientNorm norm: Double, seconds more: Double) {
    weight += step.weight
    reconstruction += step.reconstruction
    kl += step.kl
    gradientNorm += norm
    steps += 1
    seconds += more
  }

  package var means: ELBOMeans {
    let n = max(weight, 1)
    return ELBOMeans(reconstruction: reconstruction / n, kl: kl / n)
  }
}

/// The state, besides parameters and optimiser state, that a run needs to continue as if it had not been interrupted.
/// It is stored as state.json in a checkpoint.
///
/// The random number generators are counter-based and have no state, and the cursor does not depend on the number of
/// ranks. During a run, `StepEngine` owns the cursor, and rank 0's `Coordinator` owns its own state. This type holds
/// the values that are saved.
package struct TrainingState: Sendable, Equatable, Codable {
  package static let currentFormat = 5
  package var format = TrainingState.currentFormat
  package var program = programVersion
  /// Number of updates done, of epochs finished, and of steps done in the current epoch.
  package var step = 0
  package var epoch = 0
  package var stepInEpoch = 0
  /// Number of rollbacks so far, which is part of the key of the noise.
  package var attempt = 0
  /// Number of steps that the schedules were laid out for.
  package var plannedSteps = 0
  package var sums = EpochSums()
  /// Weight of the KL in the last step.
  package var beta: Double?
  package var coordinator = Coordinator.State()
  // Values that must be the same for a resumed run to give the same bits.
  package var seed = 0
  package var batchSize = 0
  package var microbatch = 0
  package var slots = 0
  package var trainSamples = 0
  package var dataFingerprint = ""
  package var validFingerprint = ""
  package var products = ""
  package var cpuLevel = 0
  package var productThreads = 1
  /// Every configuration key with its value as text.
  package var configuration: [String: String] = [:]
  /// The checkpoint of another run that this run started from.
  package var origin: Origin?

  package struct Origin: Sendable, Equatable, Codable {
    /// Absolute path of the directory that contains the checkpoint.
    package var checkpoints: String
    package var step: Int

    package init(checkpoints: String, step: Int) {
      self.checkpoints = checkpoints
      self.step = step
    }
  }

  package init() {}

  package var cursor: StepCursor {
    get { StepCursor(step: step, epoch: epoch, stepInEpoch: stepInEpoch, attempt: attempt) }
    set {
      (step, epoch, stepInEpoch, attempt) = (newValue.step, newValue.epoch, newValue.stepInEpoch, newValue.attempt)
    }
  }

  /// Encodes the state as JSON.
  ///
  /// - Throws: `Failure` if a number is not finite, so that a bad state never replaces a good one.
  package func encoded() throws(Failure) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    do {
      return [UInt8](try encoder.encode(self))
    } catch {
      throw Failure(.failure, "the state of step \(step) cannot be written down: \(error.localizedDescription)")
    }
  }

  /// Decodes a state.
  ///
  /// - Throws: `Failure` with the status `badData`, naming the field, if the bytes are not a state in the current
  ///   format or contain a value that is impossible in a run.
  package static func decode(_ bytes: [UInt8], from path: String) throws(Failure) -> TrainingState {
    struct Header: Decodable { let format: Int, program: String? }
    let data = Foundation.Data(bytes)
    let state: TrainingState
    do {
      let header = try JSONDecoder().decode(Header.self, from: data)
      guard header.format == currentFormat else {
        throw Failure(
          .badData, "\(path): checkpoint format \(header.format); this program reads \(currentFormat)",
          hint: "resume with the version that wrote it (\(header.program?.printable ?? "unknown"))")
      }
      state = try JSONDecoder().decode(TrainingState.self, from: data)
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(.badData, "\(path): not a training state: \(reason(error))")
    }
    if let fault = state.fault {
      throw Failure(
        .badData, "\(path): \(fault)", hint: "the file was damaged or edited: use another checkpoint, or start again")
    }
    return state
  }

  private static func reason(_ error: any Error) -> String {
    func field(_ context: DecodingError.Context) -> String {
      context.codingPath.isEmpty ? "" : context.codingPath.map(\.stringValue).joined(separator: ".").printable + ": "
    }
    switch error as? DecodingError {
    case .typeMismatch(let type, let context): return field(context) + "is not of type \(type)"
    case .valueNotFound(let type, let context): return field(context) + "is null instead of \(type)"
    case .keyNotFound(let key, let context): return field(context) + "\(key.stringValue) is missing"
    case .dataCorrupted(let context): return field(context) + context.debugDescription.printable
    default: return error.localizedDescription
    }
  }
}

/// Version of this program, which is stored in checkpoints and compared between ranks at start-up.
package let programVersion = "0.1.0"
