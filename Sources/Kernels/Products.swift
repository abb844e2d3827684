import COpenBLAS
import Glibc

/// Matrix products. They use oneDNN if it is installed and OpenBLAS otherwise.
///
/// The bits of a product depend on the library, on its kernels for the CPU, on the number of rows and on the number of
/// threads. All of these are fixed for a run, and ranks compare them before the first step.
package enum Products {
  /// The library that computes the products: `train.products`.
  package enum Library: String, CaseIterable, Sendable {
    /// oneDNN if it can be loaded, otherwise OpenBLAS.
    case auto
    case openblas
    case onednn
  }

  // These are set once by `select`, before the first product.
  private nonisolated(unsafe) static var onednn: OneDNN?
  private nonisolated(unsafe) static var gemm: OneDNN.Multiply?

  package private(set) nonisolated(unsafe) static var threads = 1

  /// Selects the library and its number of threads. It must be called once, before the first product.
  package static func select(_ library: Library, threads count: Int) throws(Failure) {
    onednn = library == .openblas ? nil : OneDNN.load()
    // OpenBLAS restarts its threads with MPI, as many as when it was loaded. Each thread allocates its buffer at its
    // first use.
    if onednn == nil { try requireRoom(threads: max(count, Int(openblas_get_num_threads()))) }
    openblas_set_num_threads(Int32(count))
    onednn?.threads(Int32(count))
    gemm = onednn?.gemm
    if onednn == nil { takeRoom() }
    threads = count
    if onednn != nil { vd_keep_freed_memory() }
    if library == .onednn, onednn == nil {
      throw Failure(
        .badConfiguration, "train.products is onednn, but libdnnl cannot be loaded",
        hint: "install it (Debian: libdnnl2), or choose openblas or auto")
    }
  }

  /// Throws if there is too little memory for OpenBLAS. OpenBLAS maps a buffer for each thread when it is loaded or at
  /// the first product. If mapping fails, it retries forever.
  package static func requireRoom(threads: Int = 1) throws(Failure) {
    let bytes = threads * 144 << 20
    let room = mmap(nil, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let room, room != MAP_FAILED else {
      throw Failure(
        .failure,
        "no room for the buffers of the matrix products: OpenBLAS needs \(bytes >> 20) MiB of address space",
        hint: "raise the limit (ulimit -v), or set OPENBLAS_NUM_THREADS=1")
    }
    munmap(room, bytes)
  }

  /// Makes OpenBLAS map its buffer now, before other allocations use the memory. The product is large enough to need
  /// the buffer.
  private static func takeRoom() {
    let n = 128
    let zeros = Buffer(count: n * n), product = Buffer(count: n * n)
    multiply(n, n, n, zeros.base, zeros.base, beta: 0, into: product.base)
  }

  /// The library, its version, and the kernels that it selected for this CPU.
  package static var description: String {
    onednn?.description ?? "OpenBLAS \(String(cString: openblas_get_corename()))"
  }

  /// c = beta c + op(a) op(b). c (m, n), op(a) (m, k), op(b) (k, n), all dense and row-major. beta must be 0 or 1.
  @inline(__always)
  package static func multiply(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, transposedA ta: Bool = false, _ b: UnsafePointer<Float>,
    transposedB tb: Bool = false, beta: Float, into c: UnsafeMutablePointer<Float>
  ) {
    if let gemm {
      let n78 = CChar(78), t84 = CChar(84)  // 'N' and 'T'
      let status = gemm(ta ? t84 : n78, tb ? t84 : n78, m, n, k, 1, a, ta ? m : k, b, tb ? k : n, beta, c, n)
      precondition(status == 0, "oneDNN refused a product of (\(m), \(k)) and (\(k), \(n)): status \(status)")
    } else {
      cblas_sgemm(
        CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
        blasint(m), blasint(n), blasint(k), 1, a, blasint(ta ? m : k), b, blasint(tb ? k : n), beta, c, blasint(n))
    }
  }
}

/// The functions of oneDNN that the program uses. They are loaded at run time, so that the program also works without
/// oneDNN, although more slowly.
private struct OneDNN {
  // int dnnl_sgemm(char, char, dim_t m, n, k, float alpha, A, lda, B, ldb, float beta, C, ldc), row-major
  typealias Multiply =
    @convention(c) (
      CChar, CChar, Int, Int, Int, Float, UnsafePointer<Float>, Int, UnsafePointer<Float>, Int, Float,
      UnsafeMutablePointer<Float>, Int
    ) -> Int32
  let gemm: Multiply
  let threads: @convention(c) (Int32) -> Void
  let description: String

  static func load() -> OneDNN? {
    for name in ["libdnnl.so.3", "libdnnl.so.2"] {
      guard let library = dlopen(name, RTLD_LAZY | RTLD_LOCAL) else { continue }
      // Builds without a function that sets the number of threads (such as those for TBB) are not used, because every
      // rank would then use all cores.
      guard let gemm = dlsym(library, "dnnl_sgemm"), let threads = dlsym(library, "omp_set_num_threads"),
        let version = dlsym(library, "dnnl_version"), let isa = dlsym(library, "dnnl_get_effective_cpu_isa")
      else { continue }
      let numbers = unsafeBitCast(version, to: (@convention(c) () -> UnsafePointer<Int32>).self)()
      let level = unsafeBitCast(isa, to: (@convention(c) () -> Int32).self)()
      return OneDNN(
        gemm: unsafeBitCast(gemm, to: Multiply.self),
        threads: unsafeBitCast(threads, to: (@convention(c) (Int32) -> Void).self),
        description: "oneDNN \(numbers[0]).\(numbers[1]).\(numbers[2]) isa \(String(level, radix: 16))")
    }
    return nil
  }
}
