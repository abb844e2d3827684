// What stands behind the handles, for the C files alone.
#pragma once
#include <mpi.h>

struct vd_comm {
  MPI_Comm comm;
  int rank, size;
};
