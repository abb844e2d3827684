// Replaces the program's malloc and its relatives by ones that count while armed.
#pragma once
#include <stdint.h>

// From here on allocations count, in every thread.
void vd_allocations_arm(void);
// Stops counting; returns how many there were.
int64_t vd_allocations_disarm(void);
// Called on each allocation that counts: where a debugger breaks to find it.
void vd_allocation_counted(void);
