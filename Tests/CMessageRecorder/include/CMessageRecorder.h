// Stands in for MPI's calls, by MPI's own profiling interface: records them, fails one when told to, and takes every
// liberty that the standard gives to a library.
#pragma once
#include <stdint.h>

// Largest tag of a message so far, and largest number of elements of one.
int32_t vd_recorded_tag(void);
int32_t vd_recorded_count(void);
// Calls so far that let MPI move messages on without waiting.
int64_t vd_recorded_polls(void);
// Persistent receives so far; places and bytes of each.
int32_t vd_recorded_receives(void);
void *vd_recorded_place(int32_t receive);
int32_t vd_recorded_bytes(int32_t receive);
// From now on transfers of more than a page take at least so long.
void vd_recorder_slow(double seconds);
// Has the next test of several requests fail.
void vd_recorder_fail(void);
