import Foundation
import Persistence
import Training

/// The parts of TensorBoard's Event message that are used here: a time, a step and one of several contents
/// (tensorflow/core/util/event.proto and core/framework/summary.proto).
struct TensorBoardEvent {
  private static let stepField = 2
  private var message = ProtocolBuffer()
  var bytes: [UInt8] { message.bytes }

  private init(step: Int) {
    message.add(1, Date().timeIntervalSince1970)
    message.add(TensorBoardEvent.stepField, step)
  }

  /// The first event of every file.
  static var version: TensorBoardEvent {
    var event = TensorBoardEvent(step: 0)
    event.message.add(3, "brain.Event:2")
    return event
  }

  /// Begins a new session: readers discard what they have of this step and of later steps.
  static func start(at step: Int) -> TensorBoardEvent {
    var event = TensorBoardEvent(step: step), log = ProtocolBuffer()
    log.add(1, 1)  // SessionLog.START
    event.message.add(7, log)
    return event
  }

  init(step: Int, _ values: [Value]) {
    self.init(step: step)
    var summary = ProtocolBuffer()
    for value in values { summary.add(1, value.message) }
    message.add(5, summary)
  }

  static func step(of record: [UInt8]) -> Int? { ProtocolBuffer.integer(stepField, of: record) }

  /// A named value.
  struct Value {
    fileprivate var message = ProtocolBuffer()

    private init(_ tag: String) { message.add(1, tag) }

    static func scalar(_ tag: String, _ value: Double) -> Value {
      var result = Value(tag)
      result.message.add(2, Float(value))
      return result
    }

    static func image(_ tag: String, _ picture: EncodedPicture) -> Value {
      var result = Value(tag), image = ProtocolBuffer()
      image.add(1, picture.height)
      image.add(2, picture.width)
      image.add(3, picture.channels)
      image.add(4, picture.png)
      result.message.add(4, image)
      return result
    }

    /// Empty bins at both ends are left out. For the sums, values are taken to be at the middle of their bins.
    static func histogram(_ tag: String, _ histogram: Histogram) -> Value? {
      let counts = histogram.counts
      guard let first = counts.firstIndex(where: { $0 > 0 }), let last = counts.lastIndex(where: { $0 > 0 })
      else { return nil }
      let edges = histogram.edges
      let middles = (first...last).map { (edges[$0] + edges[$0 + 1]) / 2 }
      let shown = Array(counts[first...last])
      var result = Value(tag), message = ProtocolBuffer()
      message.add(1, edges[first])
      message.add(2, edges[last + 1])
      message.add(3, shown.reduce(0, +))
      var sum = 0.0, squares = 0.0
      for (count, middle) in zip(shown, middles) {
        sum += count * middle
        squares += count * middle * middle
      }
      message.add(4, sum)
      message.add(5, squares)
      message.add(6, Array(edges[first + 1...last + 1]))
      message.add(7, shown)
      result.message.add(5, message)
      return result
    }
  }
}
