// Replaces malloc and related functions of the program by versions that count calls while counting is on.
#pragma once
#include <stdint.h>

// Starts to count the allocations of all threads.
void vd_allocations_arm(void);
// Stops counting and returns the number of allocations.
int64_t vd_allocations_disarm(void);
// Called for each counted allocation. Set a breakpoint here to find it.
void vd_allocation_counted(void);
