/* fork(): what works in the child works, everything else answers AWQ_ERR_FORKED, and nothing hangs. Each child has one second. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "harness.h"

static struct harness h;
static char model[4096], plain[4096], text[4096];
static float x[64 * 256], wanted[64 * 256], again[64 * 256];

static awq_status forward(const awq_linear *linear, float *y, int64_t rows) {
  int64_t shape[2] = {rows, 256};
  DLTensor tx, ty;
  set_tensor(&tx, x, kDLCPU, 2, kDLFloat, 32, 1, shape, NULL, 0);
  set_tensor(&ty, y, kDLCPU, 2, kDLFloat, 32, 1, shape, NULL, 0);
  return awq_linear_forward(linear, &tx, &ty, NULL);
}

/* ---- what a child does; 0 is right ---- */

static int same_bits(int64_t rows) {
  static float y[64 * 256];
  memset(y, 0, sizeof y);
  return forward(h.linear, y, rows) != AWQ_OK || memcmp(y, wanted, (size_t)rows * 256 * sizeof *y);
}
static int child_forward_row(void) { return same_bits(1); }
static int child_forward_rows(void) { return same_bits(64); }
static int child_siblings(void) {
  static float a[64 * 256], b[64 * 256];
  const awq_linear *const two[2] = {h.linear, h.linear};
  int64_t shape[2] = {64, 256}, three[1] = {3};
  int32_t starts[3] = {0, 30, 64};
  DLTensor tx, ta, tb, offsets, *ys[2] = {&ta, &tb};
  set_tensor(&tx, x, kDLCPU, 2, kDLFloat, 32, 1, shape, NULL, 0);
  set_tensor(&ta, a, kDLCPU, 2, kDLFloat, 32, 1, shape, NULL, 0);
  set_tensor(&tb, b, kDLCPU, 2, kDLFloat, 32, 1, shape, NULL, 0);
  set_tensor(&offsets, starts, kDLCPU, 1, kDLInt, 32, 1, three, NULL, 0);
  int bad = awq_linear_forward_many(two, 2, &tx, ys, NULL) != AWQ_OK || memcmp(a, wanted, sizeof a) || memcmp(b, wanted, sizeof b);
  bad = bad || awq_linear_forward_grouped(two, NULL, 2, &tx, NULL, &offsets, &ta, NULL) != AWQ_OK || memcmp(a, wanted, sizeof a);
  bad = bad || awq_linear_forward_part(h.linear, &tx, &ta, 1, 2) != AWQ_OK || memcmp(a, wanted, sizeof a);
  return bad || awq_linear_forward_glu(h.linear, h.linear, &tx, &ta, NULL) != AWQ_OK || !memcmp(a, wanted, sizeof a);
}
static int child_info(void) {
  awq_linear_properties p = {.struct_size = sizeof p};
  return awq_linear_info(h.linear, &p) != AWQ_OK || p.n != 256;
}
static int child_bad_forward(void) { return awq_linear_forward(h.linear, NULL, NULL, NULL) != AWQ_ERR_INVALID_ARGUMENT; }
static int child_version(void) { return awq_version() == 0 || !*awq_version_string(); }
static int child_destroy_linear(void) {
  awq_linear_destroy(h.linear);
  return 0;
}
static int child_destroy_all(void) {
  awq_linear_destroy(h.linear);
  awq_checkpoint_destroy(h.checkpoint);
  awq_context_destroy(h.context);
  return 0;
}
static int forked(awq_status got) {
  if (got != AWQ_ERR_FORKED) printf("     got %s: %s\n", awq_status_name(got), awq_last_error_message());
  return got != AWQ_ERR_FORKED || !strstr(awq_last_error_message(), "spawn");
}
static int child_context(void) {
  awq_context *out = NULL;
  return forked(awq_context_create(NULL, &out)) || out;
}
static int child_devices(void) {
  int32_t count;
  return forked(awq_device_count(h.context, &count));
}
static int child_load(void) {
  awq_linear *out = NULL;
  return forked(awq_linear_load(h.context, model, "model.layers.0.self_attn.o_proj", NULL, &out)) || out;
}
static int child_open(void) {
  awq_checkpoint *out = NULL;
  return forked(awq_checkpoint_open(h.context, model, &out)) || out;
}
static int child_read(void) {
  static char bytes[512];
  return forked(awq_checkpoint_read(h.checkpoint, "model.norm.weight", bytes, sizeof bytes));
}
static int child_inspect(void) {
  char *json = NULL;
  return forked(awq_checkpoint_inspect(h.checkpoint, &json)) || json;
}
static int child_plan(void) {
  char *json = NULL;
  return forked(awq_plan(h.context, plain, NULL, &json)) || json;
}
static int child_quantize(void) {
  char *json = NULL;
  return forked(awq_quantize(h.context, plain, h.scratch, NULL, &json)) || json || !access(h.scratch, F_OK);
}
static int child_evaluate(void) {
  awq_eval_config c = {.struct_size = sizeof c, .text = text};
  awq_eval_result r = {.struct_size = sizeof r};
  return forked(awq_evaluate(h.context, model, &c, &r));
}
static int child_create(void) {
  awq_linear *out = NULL;
  awq_linear_desc d = {.struct_size = sizeof d};
  awq_status got = awq_linear_create(h.context, &d, &out);
  return (got != AWQ_ERR_FORKED && got != AWQ_ERR_INVALID_ARGUMENT) || out; /* both are checked before anything is done */
}
static int child_command(void) {
  static const char *const words[] = {"awq", "devices"};
  return awq_command_run(2, words, NULL, NULL) != 1;
}
static int child_exec(void) {
  execl("/bin/true", "true", (char *)NULL);
  return 1;
}

/* ---- how it is made ---- */

static pid_t by_fork(void) { return fork(); }
static pid_t by_clone(void) { return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); } /* runs no atfork handlers */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* 0: the child answered as it should within a second. */
static int in_child(pid_t (*spawn)(void), int (*work)(void)) {
  int status;
  double limit = now() + 1;
  fflush(stdout);
  pid_t pid = spawn();
  if (pid < 0) return 1;
  if (pid == 0) {
    int bad = work();
    fflush(stdout);
    _exit(bad);
  }
  for (;;) {
    pid_t done = waitpid(pid, &status, WNOHANG);
    if (done == pid) break;
    if (now() > limit) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      printf("     the child hung\n");
      return 1;
    }
    struct timespec ms = {0, 500000};
    nanosleep(&ms, NULL);
  }
  if (WIFSIGNALED(status)) printf("     the child died of signal %d\n", WTERMSIG(status));
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static const struct {
  const char *name;
  int (*work)(void);
} works[] = {
    {"forward, one row", child_forward_row},
    {"forward, 64 rows", child_forward_rows},
    {"forward of several linears, and a part", child_siblings},
    {"info", child_info},
    {"bad forward", child_bad_forward},
    {"version", child_version},
    {"destroy linear", child_destroy_linear},
    {"destroy everything", child_destroy_all},
    {"context_create", child_context},
    {"device_count", child_devices},
    {"linear_load", child_load},
    {"linear_create", child_create},
    {"checkpoint_open", child_open},
    {"checkpoint_read", child_read},
    {"checkpoint_inspect", child_inspect},
    {"plan", child_plan},
    {"quantize", child_quantize},
    {"evaluate", child_evaluate},
    {"command_run", child_command},
    {"exec", child_exec},
};

static void matrix(const char *how, pid_t (*spawn)(void)) {
  for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
    char name[128];
    snprintf(name, sizeof name, "%s: %s", how, works[i].name);
    check(&h, name, in_child(spawn, works[i].work) == 0);
  }
}

static _Atomic int stop;

static void *keep_computing(void *arg) {
  static float y[64 * 256];
  (void)arg;
  while (!stop) forward(h.linear, y, 64);
  return NULL;
}

static int32_t until_stopped(void *user, const awq_progress *p) {
  (void)user, (void)p;
  return stop;
}

static void *keep_quantizing(void *arg) {
  awq_context *ctx = NULL;
  awq_quant_config c = {.struct_size = sizeof c, .group_size = 32, .calib = text, .seq_len = 32, .overwrite = 1, .progress = until_stopped};
  (void)arg;
  if (awq_context_create(NULL, &ctx)) return NULL;
  while (!stop) awq_quantize(ctx, plain, h.scratch, &c, NULL);
  awq_context_destroy(ctx);
  return NULL;
}

static void while_busy(const char *what, void *(*work)(void *), int forks) {
  pthread_t thread;
  int bad = 0;
  char name[128];
  stop = 0;
  if (pthread_create(&thread, NULL, work, NULL)) exit(3);
  for (int i = 0; i < forks; i++) {
    bad += in_child(by_fork, child_forward_rows);
    bad += in_child(by_fork, child_load);
    struct timespec pause = {0, (i % 7) * 300000};
    nanosleep(&pause, NULL);
  }
  stop = 1;
  pthread_join(thread, NULL);
  snprintf(name, sizeof name, "%d forks while another thread %s", 2 * forks, what);
  check(&h, name, bad == 0);
}

int main(int argc, char **argv) {
  int first = in_child(by_fork, child_context); /* the library is loaded, no more */
  open_fixture(&h, argc, argv);
  check(&h, "fork right after loading: context_create", first == 0);
  snprintf(model, sizeof model, "%s/model", h.dir);
  snprintf(plain, sizeof plain, "%s/float", h.dir);
  snprintf(text, sizeof text, "%s/text.jsonl", h.dir);
  for (int i = 0; i < 64 * 256; i++) x[i] = (float)((i * 37) % 64 - 32) / 32;
  must(forward(h.linear, wanted, 64), "forward"); /* the pool runs from here on */
  matrix("fork", by_fork);
  matrix("raw clone", by_clone);
  while_busy("computes", keep_computing, 100);
  while_busy("quantises", keep_quantizing, 100);
  check(&h, "the parent still computes", forward(h.linear, again, 64) == AWQ_OK && !memcmp(again, wanted, sizeof wanted));
  close_fixture(&h);
  return summary(&h);
}
