// What stands behind the handles, for the C files alone.
#pragma once
#include <mpi.h>
#include <stdint.h>

struct vd_comm {
  MPI_Comm comm;
  int rank, size;
};

// Bytes of the largest message: MPI counts with an int.
extern uint64_t vd_chunk_limit;
