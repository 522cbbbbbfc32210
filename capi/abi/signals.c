/* Signals of the host: SIGPROF timers tick during library calls, a host that blocked a signal before loading can sigwait for it,
 * a thread's own alternate stack stays. LIBRARY is loaded with dlopen, after the host has made its arrangements. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "awq/awq.h"

static int passed, failed;
static volatile sig_atomic_t ticks;

static void check(const char *name, int ok) {
  if (!ok) printf("FAIL %s\n", name);
  ok ? passed++ : failed++;
}

static void tick(int number) {
  (void)number;
  ticks++;
}

static awq_status (*forward)(const awq_linear *, const DLTensor *, DLTensor *, void *);
static awq_status (*read_tensor)(const awq_checkpoint *, const char *, void *, size_t);
static awq_linear *linear;
static awq_checkpoint *checkpoint;

static int compute(void) {
  static float x[8 * 256], y[8 * 256];
  int64_t shape[2] = {8, 256};
  DLTensor tx = {.data = x, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = shape}, ty = tx;
  ty.data = y;
  return forward(linear, &tx, &ty, NULL) != AWQ_OK;
}

static void *with_own_stack(void *arg) {
  stack_t mine = {.ss_sp = malloc(65536), .ss_size = 65536}, now, before;
  char bytes[512];
  int *ok = arg;
  sigaltstack(&mine, &before);
  *ok = !compute() && !read_tensor(checkpoint, "model.norm.weight", bytes, sizeof bytes);
  sigaltstack(NULL, &now);
  *ok = *ok && now.ss_sp == mine.ss_sp && now.ss_size == mine.ss_size;
  sigaltstack(&before, NULL);
  free(mine.ss_sp);
  return NULL;
}

int main(int argc, char **argv) {
  char path[4096], bytes[512];
  if (argc < 3) return 2;
  sigset_t usr, before, after;
  sigemptyset(&usr);
  sigaddset(&usr, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &usr, NULL);
  pthread_sigmask(SIG_BLOCK, NULL, &before);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = tick;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigaction(SIGPROF, &action, NULL);

  void *library = dlopen(argv[1], RTLD_NOW);
  if (!library) {
    printf("%s\n0 passed, 1 failed\n", dlerror());
    return 1;
  }
  awq_status (*create)(const awq_context_options *, awq_context **);
  awq_status (*load)(awq_context *, const char *, const char *, const awq_linear_options *, awq_linear **);
  awq_status (*open_checkpoint)(awq_context *, const char *, awq_checkpoint **);
  *(void **)&create = dlsym(library, "awq_context_create");
  *(void **)&load = dlsym(library, "awq_linear_load");
  *(void **)&open_checkpoint = dlsym(library, "awq_checkpoint_open");
  *(void **)&forward = dlsym(library, "awq_linear_forward");
  *(void **)&read_tensor = dlsym(library, "awq_checkpoint_read");
  awq_context *ctx = NULL;
  snprintf(path, sizeof path, "%s/model", argv[2]);
  check("set-up",
        !create(NULL, &ctx) && !load(ctx, path, "model.layers.0.self_attn.o_proj", NULL, &linear) && !open_checkpoint(ctx, path, &checkpoint));
  if (failed) {
    printf("%d passed, %d failed\n", passed, failed);
    return 1;
  }

  struct itimerval interval = {{0, 2000}, {0, 2000}};
  setitimer(ITIMER_PROF, &interval, NULL);
  time_t limit = time(NULL) + 10;
  int bad = 0;
  while (ticks < 20 && time(NULL) < limit) bad += compute() + (read_tensor(checkpoint, "model.norm.weight", bytes, sizeof bytes) != AWQ_OK);
  memset(&interval, 0, sizeof interval);
  setitimer(ITIMER_PROF, &interval, NULL);
  check("SIGPROF ticks during calls", ticks >= 20 && !bad);

  pthread_sigmask(SIG_BLOCK, NULL, &after);
  int masks = 1;
  for (int i = 1; i < SIGRTMIN; i++) masks = masks && sigismember(&before, i) == sigismember(&after, i);
  check("the calling thread's mask is as it was", masks);
  struct timespec second = {1, 0};
  kill(getpid(), SIGUSR1);
  check("a signal blocked before loading waits for sigwait", sigtimedwait(&usr, NULL, &second) == SIGUSR1);

  pthread_t thread;
  int ok = 0;
  pthread_create(&thread, NULL, with_own_stack, &ok);
  pthread_join(thread, NULL);
  check("a thread keeps its own alternate stack", ok);
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
