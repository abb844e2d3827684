// If a file is truncated while it is mapped, reading a missing page raises SIGBUS. For registered mappings, the process
// then ends with a message and the exit status of an input error. Any other SIGBUS has its usual effect.
#include "CKernels.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { capacity = 32, longest = 512, input_output_error = 74 };

static struct mapping {
  _Atomic(uintptr_t) base; // 0: free
  size_t size;
  int descriptor;
  char name[longest];
} mappings[capacity];
static struct sigaction usual;

static void say(const char *text) {
  size_t length = strlen(text);
  while (length > 0) {
    ssize_t sent = write(STDERR_FILENO, text, length);
    if (sent <= 0) return;
    text += sent;
    length -= (size_t)sent;
  }
}

// The handler calls only functions that are safe in signal handlers: write, fstat, _exit, sigaction.
static void explain(int number, siginfo_t *information, void *context) {
  (void)context;
  uintptr_t place = (uintptr_t)information->si_addr;
  for (int i = 0; i < capacity; i++) {
    uintptr_t base = atomic_load(&mappings[i].base);
    if (!base || place < base || place - base >= mappings[i].size) continue;
    struct stat status;
    int known = fstat(mappings[i].descriptor, &status) == 0;
    say("vae-dist: error: ");
    say(mappings[i].name);
    if (known && (uint64_t)status.st_size < mappings[i].size)
      say(": the file was cut short while it was read\n"
          "  hint: write new data under another name and rename it into place; the last checkpoint is whole\n");
    else
      say(": the file can no longer be read: its disk or network failed\n"
          "  hint: look at the disk; the last checkpoint is whole\n");
    _exit(input_output_error);
  }
  sigaction(number, &usual, NULL);
}

// Some threads that read a mapping have no alternate stack for handlers. The handler is also safe on a thread's own
// stack, because it never returns to the interrupted code.
static void install(void) {
  static atomic_flag done = ATOMIC_FLAG_INIT;
  if (atomic_flag_test_and_set(&done)) return;
  struct sigaction action = {.sa_sigaction = explain, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &usual);
}

void vd_mapping_watch(const void *base, size_t size, int32_t descriptor, const char *name) {
  install();
  for (int i = 0; i < capacity; i++) {
    if (atomic_load(&mappings[i].base)) continue;
    mappings[i].size = size;
    mappings[i].descriptor = descriptor;
    strncpy(mappings[i].name, name, longest - 1);
    mappings[i].name[longest - 1] = 0;
    atomic_store(&mappings[i].base, (uintptr_t)base);
    return;
  }
}

void vd_mapping_forget(const void *base) {
  for (int i = 0; i < capacity; i++)
    if (atomic_load(&mappings[i].base) == (uintptr_t)base) atomic_store(&mappings[i].base, 0);
}
