// What Swift needs of MPI: handles are opaque, sizes are 64-bit, and every function returns MPI's code (0 is success),
// so that one funnel in Swift checks them all. No MPI type leaks out, so that any site's mpi.h will do.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct vd_comm vd_comm;
typedef struct vd_window vd_window;

// MPI_Init_thread(FUNNELED); errors are returned, not fatal. Fails with VD_MPI_NO_FUNNELED if the library cannot.
enum { VD_MPI_NO_FUNNELED = -1, VD_MPI_NO_MEMORY = -2 };
int vd_mpi_start(vd_comm **world, int32_t *rank, int32_t *size);
int vd_mpi_finish(void);
// Ends every rank of the job with this exit status.
void vd_mpi_abort(int32_t status);
// The text of an error code, and the library's own version line.
void vd_mpi_error_text(int code, char *text, size_t capacity);
void vd_mpi_library(char *text, size_t capacity);

// The ranks that share memory with this one.
int vd_mpi_split_node(vd_comm *comm, vd_comm **node, int32_t *rank, int32_t *size);
// The ranks of this colour, numbered by key; a negative colour belongs nowhere (*part is null).
int vd_mpi_split(vd_comm *comm, int32_t color, int32_t key, vd_comm **part);
int vd_mpi_free_comm(vd_comm *comm);

// Counts are bytes. Transfers above the chunk limit are cut, because MPI counts are 32-bit.
void vd_mpi_set_chunk(uint64_t bytes);
int vd_mpi_barrier(vd_comm *comm);
int vd_mpi_broadcast(vd_comm *comm, void *data, uint64_t bytes, int32_t root);
int vd_mpi_allreduce_max(vd_comm *comm, int64_t *values, uint64_t count);
int vd_mpi_allgather(vd_comm *comm, const void *mine, uint64_t bytes, void *all, const uint64_t *counts,
                     const uint64_t *offsets);
// Joined in the order of ranks, on rank 0 alone, which gives everyone's counts.
int vd_mpi_gather(vd_comm *comm, const void *mine, uint64_t bytes, void *all, const uint64_t *counts);

// Transfers between fixed places, made once and started again and again: a step needs no set-up and no memory.
// `tag` tells transfers between the same two ranks apart; MPI promises 0...32767. Messages are cut to `piece` bytes
// (0: only where they must be).
typedef struct vd_transfers vd_transfers;
int vd_mpi_transfers(vd_transfers **transfers, uint64_t piece);
int vd_mpi_add_send(vd_transfers *transfers, vd_comm *comm, const void *data, uint64_t bytes, int32_t to, int32_t tag);
int vd_mpi_add_receive(vd_transfers *transfers, vd_comm *comm, void *data, uint64_t bytes, int32_t from, int32_t tag);
int vd_mpi_start_transfers(vd_transfers *transfers);
// Moves what can be moved; *done is 1 when all have ended.
int vd_mpi_test_transfers(vd_transfers *transfers, int32_t *done);
// None of them may be under way.
int vd_mpi_free_transfers(vd_transfers *transfers);
// Lets MPI move on what is under way: it may do so in its calls alone.
int vd_mpi_progress(vd_comm *comm);

// Memory that every rank of a node can read and write (MPI-3 shared window), aligned to 64 bytes and zeroed.
int vd_mpi_window(vd_comm *node, uint64_t bytes, vd_window **window, void **mine);
int vd_mpi_window_of(vd_window *window, int32_t rank, void **base);
int vd_mpi_window_free(vd_window *window);

// Counters in shared memory: publish what was written before, wait until a counter has reached a value.
void vd_counter_publish(uint64_t *counter, uint64_t value);
uint64_t vd_counter_read(const uint64_t *counter);
// Offers the core to others.
void vd_yield(void);
void vd_counter_wait(const uint64_t *counter, uint64_t value, int32_t spins);

// Orders a signal handler's store against a reader: the handler sets a flag and nothing else.
// Call on the thread that computes: the handler's stack is set for it.
void vd_signal_install(int32_t signal);
int32_t vd_signal_pending(void);

// Cores that this process may run on, by number, at most `capacity` of them; and the one that it runs on now.
int32_t vd_allowed_cores(int32_t *cores, int32_t capacity);
int32_t vd_current_core(void);

// For measuring. Messages to and fro between ranks a and b, the others return at once: seconds of one way. Up to 64
// small messages from a to b in a row and one back: seconds of all. Both ways at once between this rank and a peer.
// MPI's own sum. Messages above the chunk limit are cut. A barrier whose waiters leave their cores alone.
int vd_bench_ping_pong(vd_comm *comm, int32_t a, int32_t b, void *buffer, uint64_t bytes, int32_t count,
                       double *seconds);
int vd_bench_stream(vd_comm *comm, int32_t a, int32_t b, int32_t count, double *seconds);
int vd_bench_swap(vd_comm *comm, int32_t peer, const void *out, void *in, uint64_t bytes);
int vd_bench_sum(vd_comm *comm, float *values, uint64_t count);
int vd_bench_sleeping_barrier(vd_comm *comm);
