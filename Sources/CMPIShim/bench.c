#define _GNU_SOURCE
#include "CMPIShim.h"
#include "handles.h"
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

static const int tag = 7002;

static int send_all(vd_comm *comm, const void *data, uint64_t bytes, int to) {
  int code = 0;
  for (uint64_t at = 0; at < bytes && !code; at += vd_chunk_limit) {
    uint64_t n = bytes - at < vd_chunk_limit ? bytes - at : vd_chunk_limit;
    code = MPI_Send((const char *)data + at, (int)n, MPI_BYTE, to, tag, comm->comm);
  }
  return code;
}

static int receive_all(vd_comm *comm, void *data, uint64_t bytes, int from) {
  int code = 0;
  for (uint64_t at = 0; at < bytes && !code; at += vd_chunk_limit) {
    uint64_t n = bytes - at < vd_chunk_limit ? bytes - at : vd_chunk_limit;
    code = MPI_Recv((char *)data + at, (int)n, MPI_BYTE, from, tag, comm->comm, MPI_STATUS_IGNORE);
  }
  return code;
}

int vd_bench_ping_pong(vd_comm *comm, int32_t a, int32_t b, void *buffer, uint64_t bytes, int32_t count,
                       double *seconds) {
  if (comm->rank != a && comm->rank != b) return 0;
  int code = 0;
  double began = MPI_Wtime();
  for (int32_t i = 0; i < count && !code; i++) {
    if (comm->rank == a) {
      code = send_all(comm, buffer, bytes, b);
      if (!code) code = receive_all(comm, buffer, bytes, b);
    } else {
      code = receive_all(comm, buffer, bytes, a);
      if (!code) code = send_all(comm, buffer, bytes, a);
    }
  }
  *seconds = (MPI_Wtime() - began) / (2.0 * count);
  return code;
}

int vd_bench_stream(vd_comm *comm, int32_t a, int32_t b, int32_t count, double *seconds) {
  if (comm->rank != a && comm->rank != b) return 0;
  enum { most = 64 };
  // Not on the stack, because MPI may still write to them after an error.
  static double values[most];
  static MPI_Request requests[most];
  if (count > most) count = most;
  int code = 0;
  double began = MPI_Wtime();
  for (int32_t i = 0; i < count && !code; i++)
    code = comm->rank == a ? MPI_Isend(&values[i], 8, MPI_BYTE, b, tag, comm->comm, &requests[i])
                           : MPI_Irecv(&values[i], 8, MPI_BYTE, a, tag, comm->comm, &requests[i]);
  if (!code) code = MPI_Waitall(count, requests, MPI_STATUSES_IGNORE);
  // The receiver confirms that all messages have arrived, which ends the measurement.
  if (!code && comm->rank == a) code = MPI_Recv(values, 8, MPI_BYTE, b, tag, comm->comm, MPI_STATUS_IGNORE);
  if (!code && comm->rank == b) code = MPI_Send(values, 8, MPI_BYTE, a, tag, comm->comm);
  *seconds = MPI_Wtime() - began;
  return code;
}

int vd_bench_swap(vd_comm *comm, int32_t peer, const void *out, void *in, uint64_t bytes) {
  int code = 0;
  for (uint64_t at = 0; at < bytes && !code; at += vd_chunk_limit) {
    int n = (int)(bytes - at < vd_chunk_limit ? bytes - at : vd_chunk_limit);
    code = MPI_Sendrecv((const char *)out + at, n, MPI_BYTE, peer, tag, (char *)in + at, n, MPI_BYTE, peer, tag,
                        comm->comm, MPI_STATUS_IGNORE);
  }
  return code;
}

int vd_bench_sum(vd_comm *comm, float *values, uint64_t count) {
  uint64_t most = vd_chunk_limit / sizeof *values;
  int code = 0;
  for (uint64_t at = 0; at < count && !code; at += most) {
    uint64_t n = count - at < most ? count - at : most;
    code = MPI_Allreduce(MPI_IN_PLACE, values + at, (int)n, MPI_FLOAT, MPI_SUM, comm->comm);
  }
  return code;
}

int vd_bench_sleeping_barrier(vd_comm *comm) {
  MPI_Request request;
  int done = 0, code = MPI_Ibarrier(comm->comm, &request);
  while (!code && !(code = MPI_Test(&request, &done, MPI_STATUS_IGNORE)) && !done)
    nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
  return code;
}

int32_t vd_allowed_cores(int32_t *cores, int32_t capacity) {
  // Larger than cpu_set_t, because the kernel rejects a mask that is too small for the machine.
  enum { machine = 1 << 16 };
  size_t bytes = CPU_ALLOC_SIZE(machine);
  cpu_set_t *set = CPU_ALLOC(machine);
  if (!set) return 0;
  int32_t count = 0;
  if (!sched_getaffinity(0, bytes, set))
    for (int core = 0; core < machine && count < capacity; core++)
      if (CPU_ISSET_S(core, bytes, set)) cores[count++] = core;
  CPU_FREE(set);
  return count;
}

int32_t vd_current_core(void) { return sched_getcpu(); }
