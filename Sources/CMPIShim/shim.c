#define _GNU_SOURCE
#include "CMPIShim.h"
#include "handles.h"
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct vd_window {
  MPI_Win win;
};

// Below INT_MAX and a multiple of every element size.
enum { largest_chunk = 1 << 30 };
uint64_t vd_chunk_limit = largest_chunk;
void vd_mpi_set_chunk(uint64_t bytes) { vd_chunk_limit = bytes && bytes < largest_chunk ? bytes : largest_chunk; }

static int wrap(MPI_Comm comm, vd_comm **out) {
  vd_comm *c = malloc(sizeof *c);
  if (!c) return VD_MPI_NO_MEMORY;
  c->comm = comm;
  int code = MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  if (!code) code = MPI_Comm_rank(comm, &c->rank);
  if (!code) code = MPI_Comm_size(comm, &c->size);
  if (code) {
    free(c);
    return code;
  }
  *out = c;
  return 0;
}

int vd_mpi_start(vd_comm **world, int32_t *rank, int32_t *size) {
  int provided = 0, code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  if (code) return code;
  if (provided < MPI_THREAD_FUNNELED) return VD_MPI_NO_FUNNELED;
  if ((code = wrap(MPI_COMM_WORLD, world))) return code;
  *rank = (*world)->rank;
  *size = (*world)->size;
  return 0;
}

int vd_mpi_finish(void) {
  int started = 0, finished = 0;
  MPI_Initialized(&started);
  if (started) MPI_Finalized(&finished);
  return started && !finished ? MPI_Finalize() : 0;
}

void vd_mpi_abort(int32_t status) {
  int started = 0, finished = 0;
  MPI_Initialized(&started);
  if (started) MPI_Finalized(&finished);
  if (started && !finished) MPI_Abort(MPI_COMM_WORLD, status);
  _Exit(status);
}

void vd_mpi_error_text(int code, char *text, size_t capacity) {
  char buffer[MPI_MAX_ERROR_STRING + 1];
  int length = 0;
  const char *own = code == VD_MPI_NO_FUNNELED  ? "the MPI library offers no thread support (MPI_THREAD_FUNNELED)"
                    : code == VD_MPI_NO_MEMORY ? "out of memory"
                                               : NULL;
  if (!own && MPI_Error_string(code, buffer, &length)) own = "unknown MPI error";
  if (own) strncpy(buffer, own, sizeof buffer - 1), length = (int)strlen(own);
  size_t n = (size_t)length < capacity - 1 ? (size_t)length : capacity - 1;
  memcpy(text, buffer, n);
  text[n] = 0;
}

void vd_mpi_library(char *text, size_t capacity) {
  char buffer[MPI_MAX_LIBRARY_VERSION_STRING + 1];
  int length = 0;
  if (MPI_Get_library_version(buffer, &length)) length = 0;
  size_t n = 0;
  while (n < (size_t)length && n < capacity - 1 && buffer[n] != '\n') text[n] = buffer[n], n++;
  text[n] = 0;
}

int vd_mpi_split_node(vd_comm *comm, vd_comm **node, int32_t *rank, int32_t *size) {
  MPI_Comm split;
  int code = MPI_Comm_split_type(comm->comm, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &split);
  if (code || (code = wrap(split, node))) return code;
  *rank = (*node)->rank;
  *size = (*node)->size;
  return 0;
}

int vd_mpi_split(vd_comm *comm, int32_t color, int32_t key, vd_comm **part) {
  MPI_Comm split;
  *part = NULL;
  int code = MPI_Comm_split(comm->comm, color < 0 ? MPI_UNDEFINED : color, key, &split);
  return code || split == MPI_COMM_NULL ? code : wrap(split, part);
}

int vd_mpi_free_comm(vd_comm *comm) {
  int code = comm->comm == MPI_COMM_WORLD ? 0 : MPI_Comm_free(&comm->comm);
  free(comm);
  return code;
}

int vd_mpi_barrier(vd_comm *comm) { return MPI_Barrier(comm->comm); }

int vd_mpi_broadcast(vd_comm *comm, void *data, uint64_t bytes, int32_t root) {
  for (uint64_t at = 0; at < bytes; at += vd_chunk_limit) {
    uint64_t n = bytes - at < vd_chunk_limit ? bytes - at : vd_chunk_limit;
    int code = MPI_Bcast((char *)data + at, (int)n, MPI_BYTE, root, comm->comm);
    if (code) return code;
  }
  return 0;
}

int vd_mpi_allreduce_max(vd_comm *comm, int64_t *values, uint64_t count) {
  if (count > INT_MAX) return MPI_ERR_COUNT;
  return MPI_Allreduce(MPI_IN_PLACE, values, (int)count, MPI_INT64_T, MPI_MAX, comm->comm);
}

static int fits(const uint64_t *counts, const uint64_t *offsets, int size) {
  for (int r = 0; r < size; r++)
    if (counts[r] > vd_chunk_limit || offsets[r] > (uint64_t)INT_MAX) return 0;
  return 1;
}

int vd_mpi_allgather(vd_comm *comm, const void *mine, uint64_t bytes, void *all, const uint64_t *counts,
                     const uint64_t *offsets) {
  // Counts and offsets are the same on every rank, so all ranks take the same branch.
  if (fits(counts, offsets, comm->size)) {
    int *n = malloc(2 * (size_t)comm->size * sizeof *n);
    if (!n) return VD_MPI_NO_MEMORY;
    int *c = n, *o = n + comm->size;
    for (int r = 0; r < comm->size; r++) c[r] = (int)counts[r], o[r] = (int)offsets[r];
    int code = MPI_Allgatherv(mine, (int)bytes, MPI_BYTE, all, c, o, MPI_BYTE, comm->comm);
    free(n);
    return code;
  }
  memcpy((char *)all + offsets[comm->rank], mine, bytes);
  for (int r = 0; r < comm->size; r++) {
    int code = vd_mpi_broadcast(comm, (char *)all + offsets[r], counts[r], r);
    if (code) return code;
  }
  return 0;
}

int vd_mpi_gather(vd_comm *comm, const void *mine, uint64_t bytes, void *all, const uint64_t *counts) {
  const int tag = 32001;
  int code = 0;
  if (comm->rank) {
    for (uint64_t at = 0; at < bytes && !code; at += vd_chunk_limit) {
      uint64_t n = bytes - at < vd_chunk_limit ? bytes - at : vd_chunk_limit;
      code = MPI_Send((const char *)mine + at, (int)n, MPI_BYTE, 0, tag, comm->comm);
    }
    return code;
  }
  char *to = all;
  if (bytes) memcpy(to, mine, bytes);
  to += bytes;
  for (int r = 1; r < comm->size; r++) {
    for (uint64_t at = 0; at < counts[r] && !code; at += vd_chunk_limit) {
      uint64_t n = counts[r] - at < vd_chunk_limit ? counts[r] - at : vd_chunk_limit;
      code = MPI_Recv(to + at, (int)n, MPI_BYTE, r, tag, comm->comm, MPI_STATUS_IGNORE);
    }
    to += counts[r];
  }
  return code;
}

struct vd_transfers {
  MPI_Request *requests;
  int count, capacity, running;
  uint64_t piece;
};

int vd_mpi_transfers(vd_transfers **transfers, uint64_t piece) {
  *transfers = calloc(1, sizeof **transfers);
  if (!*transfers) return VD_MPI_NO_MEMORY;
  (*transfers)->piece = piece && piece < vd_chunk_limit ? piece : vd_chunk_limit;
  return 0;
}

// Creates a persistent request for every chunk. All have the same tag, and MPI matches them in the order of their
// start.
static int add(vd_transfers *t, vd_comm *comm, char *data, uint64_t bytes, int peer, int tag, int is_send) {
  for (uint64_t at = 0; at < bytes; at += t->piece) {
    if (t->count == t->capacity) {
      int capacity = t->capacity ? 2 * t->capacity : 16;
      MPI_Request *grown = realloc(t->requests, (size_t)capacity * sizeof *grown);
      if (!grown) return VD_MPI_NO_MEMORY;
      t->requests = grown;
      t->capacity = capacity;
    }
    int n = (int)(bytes - at < t->piece ? bytes - at : t->piece);
    MPI_Request *request = &t->requests[t->count];
    int code = is_send ? MPI_Send_init(data + at, n, MPI_BYTE, peer, tag, comm->comm, request)
                       : MPI_Recv_init(data + at, n, MPI_BYTE, peer, tag, comm->comm, request);
    if (code) return code;
    t->count++;
  }
  return 0;
}

int vd_mpi_add_send(vd_transfers *transfers, vd_comm *comm, const void *data, uint64_t bytes, int32_t to, int32_t tag) {
  return add(transfers, comm, (char *)data, bytes, to, tag, 1);
}

int vd_mpi_add_receive(vd_transfers *transfers, vd_comm *comm, void *data, uint64_t bytes, int32_t from, int32_t tag) {
  return add(transfers, comm, data, bytes, from, tag, 0);
}

int vd_mpi_start_transfers(vd_transfers *transfers) {
  transfers->running = 1;
  // Not MPI_Startall, which may start the requests in any order.
  int code = 0;
  for (int i = 0; i < transfers->count && !code; i++) code = MPI_Start(&transfers->requests[i]);
  return code;
}

int vd_mpi_test_transfers(vd_transfers *transfers, int32_t *done) {
  int flag = 1, code = 0;
  if (transfers->running && transfers->count)
    code = MPI_Testall(transfers->count, transfers->requests, &flag, MPI_STATUSES_IGNORE);
  if (flag) transfers->running = 0;
  *done = flag;
  return code;
}

int vd_mpi_progress(vd_comm *comm) {
  int flag;
  return MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm->comm, &flag, MPI_STATUS_IGNORE);
}

int vd_mpi_free_transfers(vd_transfers *transfers) {
  int code = 0;
  for (int i = 0; i < transfers->count; i++) {
    int freed = MPI_Request_free(&transfers->requests[i]);
    if (!code) code = freed;
  }
  free(transfers->requests);
  free(transfers);
  return code;
}

// Open MPI's window bases are 8 modulo 64. Windows are therefore 64 bytes larger, and their bases are rounded up.
static void *aligned(void *base) { return (void *)(((uintptr_t)base + 63) & ~(uintptr_t)63); }

int vd_mpi_window(vd_comm *node, uint64_t bytes, vd_window **window, void **mine) {
  vd_window *w = malloc(sizeof *w);
  if (!w) return VD_MPI_NO_MEMORY;
  void *base = NULL;
  int code = MPI_Win_allocate_shared((MPI_Aint)(bytes + 64), 1, MPI_INFO_NULL, node->comm, &base, &w->win);
  if (code) {
    free(w);
    return code;
  }
  MPI_Win_set_errhandler(w->win, MPI_ERRORS_RETURN);
  *window = w;
  *mine = aligned(base);
  memset(*mine, 0, bytes);
  return MPI_Barrier(node->comm);
}

int vd_mpi_window_of(vd_window *window, int32_t rank, void **base) {
  MPI_Aint size;
  int unit, code = MPI_Win_shared_query(window->win, rank, &size, &unit, base);
  if (!code) *base = aligned(*base);
  return code;
}

int vd_mpi_window_free(vd_window *window) {
  int code = MPI_Win_free(&window->win);
  free(window);
  return code;
}

void vd_counter_publish(uint64_t *counter, uint64_t value) {
  atomic_store_explicit((_Atomic uint64_t *)counter, value, memory_order_release);
}

uint64_t vd_counter_read(const uint64_t *counter) {
  return atomic_load_explicit((const _Atomic uint64_t *)counter, memory_order_acquire);
}

void vd_yield(void) { sched_yield(); }

void vd_counter_wait(const uint64_t *counter, uint64_t value, int32_t spins) {
  for (int32_t i = 0; atomic_load_explicit((const _Atomic uint64_t *)counter, memory_order_acquire) < value; i++) {
    if (i < spins) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      __asm__ volatile("yield");
#endif
    } else {
      sched_yield();
    }
  }
}

static volatile sig_atomic_t pending = 0;
static void remember(int number) {
  // Ctrl-C after an earlier stop signal ends the process at once.
  if (number == SIGINT && pending) {
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
  }
  pending = number;
}

// The handler runs on a stack of its own, because oneDNN's generated kernels keep data below the stack pointer, where
// the kernel would place the handler's frame.
static char handler_stack[1 << 16] __attribute__((aligned(16)));

void vd_signal_install(int32_t signal) {
  stack_t stack = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_handler = remember, .sa_flags = SA_RESTART | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, NULL);
}

int32_t vd_signal_pending(void) { return pending; }
