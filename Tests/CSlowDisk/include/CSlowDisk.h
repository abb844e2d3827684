// Replaces the program's write by one that can be slow.
#pragma once
#include <stdint.h>

// The next write to a file of this name takes so long.
void vd_slow_disk_arm(const char *name, int32_t seconds);
// Whether it has begun.
int32_t vd_slow_disk_struck(void);
