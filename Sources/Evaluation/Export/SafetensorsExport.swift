import Kernels
import Persistence

/// Exports a trained model as a single self-contained file.
package enum SafetensorsExport {
  /// Copies the model file and adds `entries` to its metadata.
  package static func write(_ model: TrainedModel, adding entries: [String: String], to path: String) throws(Failure) {
    let file = try SafetensorsFile(path: model.file.path)
    let header = Safetensors.encodeHeader(file.tensors, metadata: file.metadata.merging(entries) { $1 })
    try DurableFile.write(to: path) { hand throws(Failure) in
      try header.withUnsafeBufferPointer { bytes throws(Failure) in try hand(UnsafeRawBufferPointer(bytes)) }
      for tensor in file.tensors {
        let values = Buffer(count: tensor.shape.reduce(1, *))
        try file.copy(tensor.name, shape: tensor.shape, into: values.base)
        try hand(UnsafeRawBufferPointer(rebasing: values.bytes[..<(values.count * MemoryLayout<Float>.stride)]))
      }
    }
  }
}
