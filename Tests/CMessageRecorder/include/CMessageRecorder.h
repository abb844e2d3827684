// Replaces MPI calls through MPI's profiling interface. It records them, lets one fail on request, and takes every
// liberty that the standard gives to a library.
#pragma once
#include <stdint.h>

// The largest tag and the largest number of elements of a message so far.
int32_t vd_recorded_tag(void);
int32_t vd_recorded_count(void);
// The number of calls so far that let MPI make progress without waiting.
int64_t vd_recorded_polls(void);
// The number of persistent receives so far, and the address and size of each.
int32_t vd_recorded_receives(void);
void *vd_recorded_place(int32_t receive);
int32_t vd_recorded_bytes(int32_t receive);
// Makes transfers of more than a page take at least this long.
void vd_recorder_slow(double seconds);
// Makes the next test of several requests fail.
void vd_recorder_fail(void);
