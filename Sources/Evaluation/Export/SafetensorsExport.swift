import Kernels
import Persistence

/// A trained model as one file that needs nothing beside it.
package enum SafetensorsExport {
  /// The model file as it is, with `entries` joining its metadata.
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
