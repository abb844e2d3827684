// Replaces the program's `write` by one that can be slow.
#pragma once
#include <stdint.h>

// Makes the next write to a file with this name take this long.
void vd_slow_disk_arm(const char *name, int32_t seconds);
// Returns whether that write has begun.
int32_t vd_slow_disk_struck(void);
