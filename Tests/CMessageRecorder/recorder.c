#include "CMessageRecorder.h"
#include <mpi.h>

enum { room = 4096 };
static int largest_tag, largest_count, receives, fails;
static int64_t polls;
static void *places[room];
static int sizes[room];
static int made;
static MPI_Request large[room];
static double slowness, held;

int32_t vd_recorded_tag(void) { return largest_tag; }
int32_t vd_recorded_count(void) { return largest_count; }
int64_t vd_recorded_polls(void) { return polls; }
int32_t vd_recorded_receives(void) { return receives < room ? receives : room; }
void *vd_recorded_place(int32_t receive) { return places[receive]; }
int32_t vd_recorded_bytes(int32_t receive) { return sizes[receive]; }
void vd_recorder_fail(void) { fails = 1; }
void vd_recorder_slow(double seconds) { slowness = seconds; }

static int is_large(MPI_Request request) {
  for (int i = 0; i < made && i < room; i++)
    if (large[i] == request) return 1;
  return 0;
}

static int made_one(int code, int count, MPI_Request request) {
  if (!code && count > 4096) {
    if (made < room) large[made] = request;
    made++;
  }
  return code;
}

static void note(int count, int tag) {
  if (tag > largest_tag) largest_tag = tag;
  if (count > largest_count) largest_count = count;
}

int MPI_Send_init(const void *data, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm, MPI_Request *out) {
  note(count, tag);
  return made_one(PMPI_Send_init(data, count, type, peer, tag, comm, out), count, *out);
}

int MPI_Recv_init(void *data, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm, MPI_Request *out) {
  note(count, tag);
  if (receives < room) {
    places[receives] = data;
    sizes[receives] = count;
  }
  receives++;
  return made_one(PMPI_Recv_init(data, count, type, peer, tag, comm, out), count, *out);
}

int MPI_Start(MPI_Request *request) {
  if (slowness > 0 && is_large(*request)) held = MPI_Wtime() + slowness;
  return PMPI_Start(request);
}

// "In some arbitrary order" (MPI 3.1, 3.9).
int MPI_Startall(int count, MPI_Request *requests) {
  int code = 0;
  for (int i = count - 1; i >= 0 && !code; i--) code = MPI_Start(&requests[i]);
  return code;
}

int MPI_Testall(int count, MPI_Request *requests, int *flag, MPI_Status *statuses) {
  polls++;
  if (fails) {
    fails = 0;
    return MPI_ERR_OTHER;
  }
  if (slowness > 0 && count > 0 && is_large(requests[0]) && MPI_Wtime() < held) {
    *flag = 0;
    return 0;
  }
  return PMPI_Testall(count, requests, flag, statuses);
}

int MPI_Iprobe(int peer, int tag, MPI_Comm comm, int *flag, MPI_Status *status) {
  polls++;
  return PMPI_Iprobe(peer, tag, comm, flag, status);
}

int MPI_Send(const void *data, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm) {
  note(count, tag);
  return PMPI_Send(data, count, type, peer, tag, comm);
}

int MPI_Recv(void *data, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm, MPI_Status *status) {
  note(count, tag);
  return PMPI_Recv(data, count, type, peer, tag, comm, status);
}

int MPI_Sendrecv(const void *out, int sent, MPI_Datatype type, int to, int tag, void *in, int received,
                 MPI_Datatype other, int from, int other_tag, MPI_Comm comm, MPI_Status *status) {
  note(sent, tag);
  note(received, other_tag);
  return PMPI_Sendrecv(out, sent, type, to, tag, in, received, other, from, other_tag, comm, status);
}

int MPI_Allreduce(const void *out, void *in, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm) {
  note(count, 0);
  return PMPI_Allreduce(out, in, count, type, op, comm);
}
