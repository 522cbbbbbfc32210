/* Allocation: after the first calls the forward functions take no memory. malloc and its kin are replaced here for the whole
 * process, the library's threads included. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "linears.h"

static atomic_int watching;
static atomic_long taken;

static void seen(void) {
  if (atomic_load_explicit(&watching, memory_order_relaxed)) atomic_fetch_add(&taken, 1);
}

static void *next(const char *name) {
  void *p = dlsym(RTLD_NEXT, name);
  if (!p) abort();
  return p;
}

/* What is taken while dlsym looks for the real ones; it is never given back. */
static char early[65536];
static size_t used;
static _Thread_local int looking;

static int is_early(const void *p) { return (const char *)p >= early && (const char *)p < early + sizeof early; }

static void *from_early(size_t size) {
  void *p = early + used;
  used += (size + 63) / 64 * 64;
  if (used > sizeof early) abort();
  return p;
}

/* The function `name` as `real`. */
#define REAL(result, name, parameters) \
  static result(*real) parameters;     \
  if (!real) {                         \
    looking++;                         \
    *(void **)&real = next(name);      \
    looking--;                         \
  }

void *malloc(size_t size) {
  if (looking) return from_early(size);
  REAL(void *, "malloc", (size_t))
  seen();
  return real(size);
}

void *calloc(size_t count, size_t size) {
  if (looking) return from_early(count * size); /* zero, since it is used once */
  REAL(void *, "calloc", (size_t, size_t))
  seen();
  return real(count, size);
}

void *realloc(void *old, size_t size) {
  if (is_early(old)) abort();
  REAL(void *, "realloc", (void *, size_t))
  seen();
  return real(old, size);
}

void free(void *p) {
  if (is_early(p)) return;
  REAL(void, "free", (void *))
  if (p) seen();
  real(p);
}

int posix_memalign(void **out, size_t align, size_t size) {
  REAL(int, "posix_memalign", (void **, size_t, size_t))
  seen();
  return real(out, align, size);
}

void *aligned_alloc(size_t align, size_t size) {
  REAL(void *, "aligned_alloc", (size_t, size_t))
  seen();
  return real(align, size);
}

void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
  REAL(void *, "mmap", (void *, size_t, int, int, int, off_t))
  seen();
  return real(at, size, protection, flags, file, offset);
}

enum { N = 512, K = 1024, GROUP = 128, MOST = 100, COUNT = 3, WARM = 20, CALLS = 50, TRIES = 5 };

static struct harness shared;
static const awq_linear *lins[COUNT], *gates[COUNT];
static float x[MOST * K], y[COUNT][MOST * N];
static struct matrix mx, my[COUNT], mrows, moffsets;
static DLTensor *tx, *ys[COUNT];
static int32_t rows[MOST], offsets[COUNT + 1];

static awq_status forward(void) { return awq_linear_forward(lins[0], tx, ys[0], NULL); }
static awq_status part(void) { return awq_linear_forward_part(lins[0], tx, ys[0], 1, 3); }
static awq_status whole(void) { return awq_linear_forward_part(lins[0], tx, ys[0], 0, 1); }
static awq_status many(void) { return awq_linear_forward_many(lins, COUNT, tx, ys, NULL); }
static awq_status glu(void) { return awq_linear_forward_glu(gates[0], lins[0], tx, ys[0], NULL); }
static awq_status grouped(void) { return awq_linear_forward_grouped(lins, gates, COUNT, tx, &mrows.t, &moffsets.t, ys[0], NULL); }
static awq_status refused(void) { return awq_linear_forward(lins[0], NULL, ys[0], NULL) == AWQ_ERR_INVALID_ARGUMENT ? AWQ_OK : AWQ_ERR_INTERNAL; }

/* A timer of the Go runtime may start a thread at any time; what a call takes, it takes again, so the least of some tries counts. */
static long least(awq_status (*call)(void)) {
  long out = -1;
  for (int i = 0; i < WARM; i++) must(call(), "warm-up");
  for (int try = 0; try < TRIES && out; try++) {
    atomic_store(&taken, 0);
    atomic_store(&watching, 1);
    for (int i = 0; i < CALLS; i++) must(call(), "forward");
    atomic_store(&watching, 0);
    const long now = atomic_load(&taken);
    if (out < 0 || now < out) out = now;
  }
  return out;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    awq_status (*call)(void);
  } calls[] = {{"forward", forward}, {"part", part},       {"whole by part", whole},   {"many", many},
               {"glu", glu},         {"grouped", grouped}, {"a refused call", refused}};
  static const int64_t sizes[] = {1, 7, 100};
  static const char *const modes[] = {"exact", "int8"};
  open_fixture(&shared, argc, argv);
  awq_context_options options = {.struct_size = sizeof options, .threads = 2}; /* the pool takes part on one core too */
  awq_context *ctx;
  must(awq_context_create(&options, &ctx), "awq_context_create");
  sample(x, MOST * K);

  void *volatile probe;
  atomic_store(&watching, 1);
  probe = malloc(1);
  free(probe);
  if (posix_memalign((void **)&probe, 64, 64)) return 3;
  free(probe);
  atomic_store(&watching, 0);
  check(&shared, "this program sees malloc, posix_memalign and free", atomic_load(&taken) == 4);
  atomic_store(&taken, 0);
  atomic_store(&watching, 1);
  awq_linear *another = made(ctx, 64, 128, 128, AWQ_COMPUTE_EXACT, NULL, 1);
  atomic_store(&watching, 0);
  check(&shared, "this program sees the library's", atomic_load(&taken) > 4 + 4);
  awq_linear_destroy(another);

  for (int mode = 0; mode < 2; mode++) {
    for (uint32_t i = 0; i < COUNT; i++) {
      lins[i] = made(ctx, N, K, GROUP, mode ? AWQ_COMPUTE_INT8 : AWQ_COMPUTE_EXACT, NULL, 2 * i);
      gates[i] = made(ctx, N, K, GROUP, mode ? AWQ_COMPUTE_INT8 : AWQ_COMPUTE_EXACT, NULL, 2 * i + 1);
    }
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      const int32_t m = (int32_t)sizes[s];
      tx = rows_of(&mx, x, m, K, K);
      for (int i = 0; i < COUNT; i++) ys[i] = rows_of(&my[i], y[i], m, N, N);
      for (int32_t i = 0; i < m; i++) rows[i] = m - 1 - i;
      offsets[1] = m / 3, offsets[2] = m / 3, offsets[3] = m;
      ints_of(&mrows, rows, m), ints_of(&moffsets, offsets, COUNT + 1);
      for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
        char name[96];
        const long n = least(calls[c].call);
        snprintf(name, sizeof name, "%s, %s, %d rows: %ld allocations or releases in %d calls", calls[c].name, modes[mode], m, n, CALLS);
        check(&shared, name, n == 0);
      }
    }
    for (int i = 0; i < COUNT; i++) awq_linear_destroy((awq_linear *)lins[i]), awq_linear_destroy((awq_linear *)gates[i]);
  }
  awq_context_destroy(ctx);
  close_fixture(&shared);
  return summary(&shared);
}
