#define _GNU_SOURCE
#include "CAllocationCounter.h"
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

// These are glibc's own functions, which it exports for such wrappers. `free` needs no wrapper.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_int armed;
static _Atomic int64_t counted;

void vd_allocations_arm(void) {
  atomic_store(&counted, 0);
  atomic_store(&armed, 1);
}

int64_t vd_allocations_disarm(void) {
  atomic_store(&armed, 0);
  return atomic_load(&counted);
}

__attribute__((noinline)) void vd_allocation_counted(void) { atomic_fetch_add(&counted, 1); }

static void note(void) {
  if (atomic_load_explicit(&armed, memory_order_relaxed)) vd_allocation_counted();
}

void *malloc(size_t size) {
  note();
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  note();
  return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
  note();
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  note();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  note();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **place, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return EINVAL;
  note();
  void *block = __libc_memalign(alignment, size);
  if (!block) return ENOMEM;
  *place = block;
  return 0;
}
