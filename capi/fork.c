/* The fork guard. Only the forking thread exists in a child; the Go runtime's scheduler does not, so entering Go would hang.
 * A handler of pthread_atfork catches fork(); a page that the kernel wipes in any child catches raw clones as well. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>

#include "core.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static atomic_int forked;
static volatile unsigned char *page; /* 1 in the process that loaded us, 0 in any child */

static void in_child(void) { atomic_store(&forked, 1); }

__attribute__((constructor)) static void guard(void) {
  pthread_atfork(NULL, NULL, in_child);
  void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return;
  if (madvise(p, 4096, MADV_WIPEONFORK) != 0) { /* old kernel: the handler alone */
    munmap(p, 4096);
    return;
  }
  page = p;
  *page = 1;
}

int awqc_forked(void) { return atomic_load_explicit(&forked, memory_order_relaxed) || (page && !*page); }

awq_status awqc_check_fork(void) {
  if (!awqc_forked()) return AWQ_OK;
  return awqc_fail(AWQ_ERR_FORKED,
                   "this process was created by fork() after the Go runtime started; use the 'spawn' or "
                   "'forkserver' start method, or load the library in the child");
}
