// The definitions of the handles, for the C files only.
#pragma once
#include <mpi.h>
#include <stdint.h>

struct vd_comm {
  MPI_Comm comm;
  int rank, size;
};

// Number of bytes of the largest message, because MPI counts are of type int.
extern uint64_t vd_chunk_limit;
