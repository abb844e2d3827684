import COpenBLAS

/// Matrix products, by OpenBLAS.
///
/// A product's bits depend on its row count, the thread count and the core type, so all three are fixed for a run.
package enum BLAS {
  /// Threads of this process's products; one per rank unless the user asks for more.
  package static func setThreads(_ count: Int) { openblas_set_num_threads(Int32(count)) }
  package static var threads: Int { Int(openblas_get_num_threads()) }

  /// The kernels that OpenBLAS picked for this CPU (or that OPENBLAS_CORETYPE forced on it).
  package static var coreName: String { String(cString: openblas_get_corename()) }

  /// c (m, n) = beta c + op(a) op(b), op(a) (m, k), op(b) (k, n), row-major, dense.
  @inline(__always)
  package static func multiply(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, transposedA ta: Bool = false, _ b: UnsafePointer<Float>,
    transposedB tb: Bool = false, beta: Float, into c: UnsafeMutablePointer<Float>
  ) {
    cblas_sgemm(
      CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
      blasint(m), blasint(n), blasint(k), 1, a, blasint(ta ? m : k), b, blasint(tb ? k : n), beta, c, blasint(n))
  }
}
