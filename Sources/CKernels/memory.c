#include "CKernels.h"
#if defined(__GLIBC__) || defined(__linux__)
#include <malloc.h>
#endif

void vd_keep_freed_memory(void) {
#if defined(M_MMAP_THRESHOLD) && defined(M_TRIM_THRESHOLD)
  // This is the largest value that mallopt documents. For a larger one a library may return an error and still stop
  // adapting the threshold.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}
