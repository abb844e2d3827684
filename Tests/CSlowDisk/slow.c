#define _GNU_SOURCE
#include "CSlowDisk.h"
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char wanted[64];
static atomic_int pause_seconds;
static atomic_int struck;

void vd_slow_disk_arm(const char *name, int32_t seconds) {
  snprintf(wanted, sizeof wanted, "/%s", name);
  atomic_store(&pause_seconds, seconds);
}

int32_t vd_slow_disk_struck(void) { return atomic_load(&struck); }

static int is_wanted(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  size_t suffix = strlen(wanted);
  return length >= (ssize_t)suffix && memcmp(path + length - suffix, wanted, suffix) == 0;
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
  if (atomic_load(&pause_seconds) && is_wanted(descriptor)) {
    atomic_store(&struck, 1);
    sleep((unsigned)atomic_exchange(&pause_seconds, 0));
  }
  return syscall(SYS_write, descriptor, bytes, count);
}
