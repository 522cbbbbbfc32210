/* Threads: each reads its own message; one linear computes the same bits for several callers at once; short-lived threads leave
 * nothing behind that a later one could read. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>

#include "harness.h"

enum { THREADS = 4, ROUNDS = 500 };

static struct harness shared;
static pthread_barrier_t barrier;

struct job {
  int id, bad;
};

static void *fail_differently(void *arg) {
  struct job *job = (struct job *)arg;
  char name[64];
  int64_t shape[2] = {1, 300 + job->id}, good[2] = {1, 256};
  static float data[512];
  DLTensor x, y;
  float result[256];
  set_tensor(&x, data, kDLCPU, 2, kDLFloat, 32, 1, shape, NULL, 0);
  set_tensor(&y, result, kDLCPU, 2, kDLFloat, 32, 1, good, NULL, 0);
  if (*awq_last_error_message()) job->bad++;
  for (int i = 0; i < ROUNDS; i++) {
    /* a C-only function */
    snprintf(name, sizeof name, "%d", 300 + job->id);
    pthread_barrier_wait(&barrier);
    if (awq_linear_forward(shared.linear, &x, &y, NULL) != AWQ_ERR_INVALID_ARGUMENT) job->bad++;
    pthread_barrier_wait(&barrier);
    if (!strstr(awq_last_error_message(), name)) job->bad++;
    /* one that enters Go */
    if (i % 10) continue;
    snprintf(name, sizeof name, "tensor-of-thread-%d", job->id);
    pthread_barrier_wait(&barrier);
    if (awq_checkpoint_read(shared.checkpoint, name, data, 4) != AWQ_ERR_NOT_FOUND) job->bad++;
    pthread_barrier_wait(&barrier);
    if (!strstr(awq_last_error_message(), name)) job->bad++;
  }
  return NULL;
}

static float x[8 * 256], wanted[8 * 256];

static awq_status forward(float *y, int64_t rows) {
  int64_t shape[2] = {rows, 256};
  DLTensor tx, ty;
  set_tensor(&tx, x, kDLCPU, 2, kDLFloat, 32, 1, shape, NULL, 0);
  set_tensor(&ty, y, kDLCPU, 2, kDLFloat, 32, 1, shape, NULL, 0);
  return awq_linear_forward(shared.linear, &tx, &ty, NULL);
}

static void *compute(void *arg) {
  struct job *job = (struct job *)arg;
  float y[8 * 256];
  for (int i = 0; i < ROUNDS; i++) {
    int64_t rows = 1 + (i + job->id) % 8;
    memset(y, 0, sizeof y);
    if (forward(y, rows) != AWQ_OK || memcmp(y, wanted, (size_t)rows * 256 * sizeof *y)) job->bad++;
  }
  return NULL;
}

static void *once(void *arg) {
  struct job *job = (struct job *)arg;
  if (*awq_last_error_message()) job->bad++;
  if (awq_linear_forward(NULL, NULL, NULL, NULL) != AWQ_ERR_INVALID_ARGUMENT || !*awq_last_error_message()) job->bad++;
  return NULL;
}

static int run(void *(*work)(void *)) {
  pthread_t threads[THREADS];
  struct job jobs[THREADS];
  int bad = 0;
  for (int i = 0; i < THREADS; i++) {
    jobs[i].id = i, jobs[i].bad = 0;
    if (pthread_create(&threads[i], NULL, work, &jobs[i])) exit(3);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    bad += jobs[i].bad;
  }
  return bad;
}

int main(int argc, char **argv) {
  int short_lived = 0;
  open_fixture(&shared, argc, argv);
  pthread_barrier_init(&barrier, NULL, THREADS);
  check(&shared, "four threads fail at once, each reads its own message", run(fail_differently) == 0);
  for (int i = 0; i < 8 * 256; i++) x[i] = (float)((i * 37) % 64 - 32) / 32;
  must(forward(wanted, 8), "forward");
  check(&shared, "four threads, one linear, the same bits", run(compute) == 0);
  for (int i = 0; i < 250; i++) short_lived += run(once);
  check(&shared, "1,000 short-lived threads start without a message", short_lived == 0);
  check(&shared, "a success keeps no old message of another thread", forward(wanted, 1) == AWQ_OK);
  close_fixture(&shared);
  return summary(&shared);
}
