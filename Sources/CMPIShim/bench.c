#define _GNU_SOURCE
#include "CMPIShim.h"
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

static const int tag = 7002;

int vd_bench_ping_pong(int32_t a, int32_t b, void *buffer, uint64_t bytes, int32_t count, double *seconds) {
  if (bytes > INT_MAX) return MPI_ERR_COUNT;
  int rank, code = MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (code || (rank != a && rank != b)) return code;
  double began = MPI_Wtime();
  for (int32_t i = 0; i < count && !code; i++) {
    if (rank == a) {
      code = MPI_Send(buffer, (int)bytes, MPI_BYTE, b, tag, MPI_COMM_WORLD);
      if (!code) code = MPI_Recv(buffer, (int)bytes, MPI_BYTE, b, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
      code = MPI_Recv(buffer, (int)bytes, MPI_BYTE, a, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      if (!code) code = MPI_Send(buffer, (int)bytes, MPI_BYTE, a, tag, MPI_COMM_WORLD);
    }
  }
  *seconds = (MPI_Wtime() - began) / (2.0 * count);
  return code;
}

int vd_bench_swap(int32_t peer, const void *out, void *in, uint64_t bytes) {
  if (bytes > INT_MAX) return MPI_ERR_COUNT;
  return MPI_Sendrecv(out, (int)bytes, MPI_BYTE, peer, tag, in, (int)bytes, MPI_BYTE, peer, tag, MPI_COMM_WORLD,
                      MPI_STATUS_IGNORE);
}

int vd_bench_sum(float *values, uint64_t count) {
  if (count > INT_MAX) return MPI_ERR_COUNT;
  return MPI_Allreduce(MPI_IN_PLACE, values, (int)count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

int vd_bench_sleeping_barrier(void) {
  MPI_Request request;
  int done = 0, code = MPI_Ibarrier(MPI_COMM_WORLD, &request);
  while (!code && !(code = MPI_Test(&request, &done, MPI_STATUS_IGNORE)) && !done)
    nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
  return code;
}

int32_t vd_allowed_cores(int32_t *cores, int32_t capacity) {
  // Larger than cpu_set_t: the kernel refuses a mask that is too small for the machine.
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
