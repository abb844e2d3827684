// The MPI functions that Swift uses. Handles are opaque, sizes are 64-bit, and every function returns MPI's error code
// (0 is success), so that Swift checks them all in one place. No MPI type appears here, so that any MPI library's mpi.h
// works.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct vd_comm vd_comm;
typedef struct vd_window vd_window;

// Calls MPI_Init_thread with MPI_THREAD_FUNNELED. Errors are returned and not fatal. Returns VD_MPI_NO_FUNNELED if the
// library does not support that level.
enum { VD_MPI_NO_FUNNELED = -1, VD_MPI_NO_MEMORY = -2 };
int vd_mpi_start(vd_comm **world, int32_t *rank, int32_t *size);
int vd_mpi_finish(void);
// Ends every rank of the job with this exit status.
void vd_mpi_abort(int32_t status);
// Copies the text of an error code, or the version of the MPI library.
void vd_mpi_error_text(int code, char *text, size_t capacity);
void vd_mpi_library(char *text, size_t capacity);

// Creates a communicator of the ranks that share memory with this one.
int vd_mpi_split_node(vd_comm *comm, vd_comm **node, int32_t *rank, int32_t *size);
// Creates a communicator of the ranks of the same color, ordered by key. A negative color joins none, and *part is
// null.
int vd_mpi_split(vd_comm *comm, int32_t color, int32_t key, vd_comm **part);
int vd_mpi_free_comm(vd_comm *comm);

// Counts are in bytes. Transfers above the chunk limit are split, because MPI counts are 32-bit.
void vd_mpi_set_chunk(uint64_t bytes);
int vd_mpi_barrier(vd_comm *comm);
int vd_mpi_broadcast(vd_comm *comm, void *data, uint64_t bytes, int32_t root);
int vd_mpi_allreduce_max(vd_comm *comm, int64_t *values, uint64_t count);
int vd_mpi_allgather(vd_comm *comm, const void *mine, uint64_t bytes, void *all, const uint64_t *counts,
                     const uint64_t *offsets);
// Concatenates the data of all ranks in order of rank on rank 0, the only rank that needs `counts`.
int vd_mpi_gather(vd_comm *comm, const void *mine, uint64_t bytes, void *all, const uint64_t *counts);

// Persistent transfers between fixed buffers. They are created once and started in every step, which allocates nothing.
// `tag` distinguishes transfers between the same two ranks; MPI guarantees 0...32767. Messages are split into pieces of
// `piece` bytes (0: the chunk limit).
typedef struct vd_transfers vd_transfers;
int vd_mpi_transfers(vd_transfers **transfers, uint64_t piece);
int vd_mpi_add_send(vd_transfers *transfers, vd_comm *comm, const void *data, uint64_t bytes, int32_t to, int32_t tag);
int vd_mpi_add_receive(vd_transfers *transfers, vd_comm *comm, void *data, uint64_t bytes, int32_t from, int32_t tag);
int vd_mpi_start_transfers(vd_transfers *transfers);
// Makes as much progress as is possible without waiting. *done is 1 when all transfers are complete.
int vd_mpi_test_transfers(vd_transfers *transfers, int32_t *done);
// No transfer may be in progress.
int vd_mpi_free_transfers(vd_transfers *transfers);
// Lets MPI make progress on pending transfers, which it may do only within its calls.
int vd_mpi_progress(vd_comm *comm);

// Memory that every rank of a node can read and write (an MPI-3 shared window), aligned to 64 bytes and zeroed.
int vd_mpi_window(vd_comm *node, uint64_t bytes, vd_window **window, void **mine);
int vd_mpi_window_of(vd_window *window, int32_t rank, void **base);
int vd_mpi_window_free(vd_window *window);

// Counters in shared memory. Publishing releases all earlier writes; waiting returns once a counter has reached a
// value.
void vd_counter_publish(uint64_t *counter, uint64_t value);
uint64_t vd_counter_read(const uint64_t *counter);
// Yields the core to other processes.
void vd_yield(void);
void vd_counter_wait(const uint64_t *counter, uint64_t value, int32_t spins);

// Installs a handler that only sets a flag, which vd_signal_pending reads. Call it on the computing thread, whose
// signal stack is set.
void vd_signal_install(int32_t signal);
int32_t vd_signal_pending(void);

// The numbers of the cores that this process may run on, at most `capacity`, and the core that it is running on.
int32_t vd_allowed_cores(int32_t *cores, int32_t capacity);
int32_t vd_current_core(void);

// Measurements. The first function times round trips between ranks a and b and sets the seconds of one way; the second
// times up to 64 small messages from a to b and one back. Other ranks return at once. The third exchanges data with a
// peer in both directions at once, and the fourth calls MPI's own sum. Messages above the chunk limit are split. The
// last is a barrier in which waiting ranks sleep.
int vd_bench_ping_pong(vd_comm *comm, int32_t a, int32_t b, void *buffer, uint64_t bytes, int32_t count,
                       double *seconds);
int vd_bench_stream(vd_comm *comm, int32_t a, int32_t b, int32_t count, double *seconds);
int vd_bench_swap(vd_comm *comm, int32_t peer, const void *out, void *in, uint64_t bytes);
int vd_bench_sum(vd_comm *comm, float *values, uint64_t count);
int vd_bench_sleeping_barrier(vd_comm *comm);
