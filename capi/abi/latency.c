/* The tail of forward's latency while awq_quantize works in the same process, with a core for each: no call may wait for Go.
 *
 * Each round times calls beside a plain thread that computes, then beside awq_quantize on one thread. The goal is p99.9 <= 2 * p50 +
 * 20 us; what fails is a tail that is neither that nor like the plain thread's, and as long as a wait for Go. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "linears.h"

enum { CALLS = 20000, ROUNDS = 3, N = 512, K = 512, WAIT = 1000 }; /* us: to enter Go while it is busy costs 10,000 */

static struct harness h;
static atomic_int stop;
static long steps; /* of work that awq_quantize has told of */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void *compute(void *result) {
  volatile float *sum = (volatile float *)result;
  while (!atomic_load(&stop))
    for (int i = 0; i < 1000; i++) *sum = *sum * 0.999f + 1;
  return NULL;
}

static awq_context *on_one_thread(void) {
  awq_context_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.threads = 1;
  awq_context *ctx;
  must(awq_context_create(&options, &ctx), "awq_context_create");
  return ctx;
}

static int32_t cancelled(void *user, const awq_progress *progress) {
  (void)user;
  if (progress->fraction > 0) steps++;
  return atomic_load(&stop);
}

/* Quantises the float model again and again, on one thread. */
static void *quantize(void *bad) {
  awq_context *ctx = on_one_thread();
  char src[4200], dst[4200], calib[4200];
  snprintf(src, sizeof src, "%s/float", h.dir);
  snprintf(dst, sizeof dst, "%s-latency", h.scratch);
  snprintf(calib, sizeof calib, "%s/many.jsonl", h.dir);
  awq_quant_config cfg;
  memset(&cfg, 0, sizeof cfg);
  cfg.struct_size = sizeof cfg;
  cfg.group_size = 32;
  cfg.calib = calib;
  cfg.overwrite = 1;
  cfg.progress = cancelled;
  while (!atomic_load(&stop)) {
    const awq_status st = awq_quantize(ctx, src, dst, &cfg, NULL);
    if (st != AWQ_OK && st != AWQ_ERR_CANCELLED)
      *(int *)bad = st, fprintf(stderr, "awq_quantize: %s\n", awq_last_error_message()), atomic_store(&stop, 1);
  }
  awq_context_destroy(ctx);
  return NULL;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

struct tail {
  double p50, p999;
};

/* Latencies of forward beside `work`, in microseconds. */
static struct tail beside(void *(*work)(void *), void *argument, const awq_linear *lin) {
  static float x[K], y[N];
  static double took[CALLS];
  struct matrix tx, ty;
  sample(x, K);
  rows_of(&tx, x, 1, K, K), rows_of(&ty, y, 1, N, N);
  pthread_t thread;
  atomic_store(&stop, 0);
  if (pthread_create(&thread, NULL, work, argument)) exit(3);
  for (int i = 0; i < CALLS; i++) {
    const double start = now();
    if (awq_linear_forward(lin, &tx.t, &ty.t, NULL)) exit(4);
    took[i] = now() - start;
    while (now() < start + 60) {} /* as an engine that has other work, too */
  }
  atomic_store(&stop, 1);
  pthread_join(thread, NULL);
  qsort(took, CALLS, sizeof *took, by_value);
  return (struct tail){took[CALLS / 2], took[CALLS - CALLS / 1000]};
}

int main(int argc, char **argv) {
  open_fixture(&h, argc, argv);
  awq_context *ctx = on_one_thread();
  awq_linear *lin = made(ctx, N, K, 128, AWQ_COMPUTE_EXACT, NULL, 1);
  int bad = 0, good = 0;
  float ignored = 0;
  for (int round = 0; round < ROUNDS; round++) {
    const struct tail plain = beside(compute, &ignored, lin), go = beside(quantize, &bad, lin);
    printf("p50 %.1f us, p99.9 %.1f us beside a thread that computes; %.1f us, %.1f us beside awq_quantize\n", plain.p50, plain.p999, go.p50,
           go.p999);
    if (go.p999 <= 2 * go.p50 + 20 || go.p999 <= 3 * plain.p999 || go.p999 < WAIT) good++;
  }
  check(&h, "awq_quantize ran beside", bad == 0 && steps > 0);
  check(&h, "p99.9 of forward while awq_quantize runs", good > 0);
  awq_linear_destroy(lin);
  awq_context_destroy(ctx);
  close_fixture(&h);
  return summary(&h);
}
