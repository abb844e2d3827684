#include "CKernels.h"
#if defined(__GLIBC__) || defined(__linux__)
#include <malloc.h>
#endif

void vd_keep_freed_memory(void) {
#if defined(M_MMAP_THRESHOLD) && defined(M_TRIM_THRESHOLD)
  // The largest that mallopt documents; beyond it a library may refuse, and stop adapting the threshold all the same.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}
