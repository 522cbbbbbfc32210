/* Calls of several linears: each line of error once, with everything left as it was, and the bits of single calls. */
#include <math.h>

#include "linears.h"

enum { K = 256, GROUP = 64, MOST = 40, EXPERTS = 5 };

static struct harness shared;
static awq_context *other;
static float x[MOST * K], y[MOST * 4096], want[MOST * 4096];

/* ---- errors ---------------------------------------------------------------------------------------------------------------- */

static int untouched(void) {
  const unsigned char *bytes = (const unsigned char *)y;
  for (size_t i = 0; i < sizeof y; i++)
    if (bytes[i] != FILL) return 0;
  return 1;
}

/* `text` is the whole message behind the function's name. */
static void refused(const char *call, awq_status got, const char *text) {
  char line[256];
  const char *message = awq_last_error_message();
  snprintf(line, sizeof line, "%s: %s", call, text);
  const int ok = got == AWQ_ERR_INVALID_ARGUMENT && !strcmp(message, line) && untouched();
  if (!ok) printf("     %s, \"%s\"%s\n", awq_status_name(got), message, untouched() ? "" : ", and y was written");
  check(&shared, line, ok);
}

/* What no two linears of a call may differ in. */
static struct {
  awq_linear *same, *narrow, *k, *group, *int8, *order, *foreign;
} made_for;

static void make_siblings(void) {
  static int32_t turned[K];
  for (int32_t i = 0; i < K; i++) turned[i] = i % (K / GROUP);
  made_for.same = made(shared.context, 64, K, GROUP, AWQ_COMPUTE_EXACT, NULL, 2);
  made_for.narrow = made(shared.context, 32, K, GROUP, AWQ_COMPUTE_EXACT, NULL, 4);
  made_for.k = made(shared.context, 64, K / 2, GROUP, AWQ_COMPUTE_EXACT, NULL, 6);
  made_for.group = made(shared.context, 64, K, GROUP / 2, AWQ_COMPUTE_EXACT, NULL, 8);
  made_for.int8 = made(shared.context, 64, K, GROUP, AWQ_COMPUTE_INT8, NULL, 10);
  made_for.order = made(shared.context, 64, K, GROUP, AWQ_COMPUTE_EXACT, turned, 12);
  made_for.foreign = made(other, 64, K, GROUP, AWQ_COMPUTE_EXACT, NULL, 14);
}

static void destroy_siblings(void) {
  awq_linear *const all[] = {made_for.same, made_for.narrow, made_for.k, made_for.group, made_for.int8, made_for.order, made_for.foreign};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) awq_linear_destroy(all[i]);
}

static void many_errors(void) {
  static const char call[] = "awq_linear_forward_many";
  struct matrix mx, my[65];
  const awq_linear *lins[65];
  DLTensor *ys[65], *tx = rows_of(&mx, x, 2, K, K);
  for (int i = 0; i < 65; i++) lins[i] = made_for.same, ys[i] = rows_of(&my[i], y + 128 * i, 2, 64, 64);
  memset(y, FILL, sizeof y);
  refused(call, awq_linear_forward_many(NULL, 2, tx, ys, NULL), "lins is NULL");
  refused(call, awq_linear_forward_many(lins, 2, tx, NULL, NULL), "ys is NULL");
  refused(call, awq_linear_forward_many(lins, 0, tx, ys, NULL), "0 linears; want 1 to 64");
  refused(call, awq_linear_forward_many(lins, 65, tx, ys, NULL), "65 linears; want 1 to 64");
  refused(call, awq_linear_forward_many(lins, SIZE_MAX, tx, ys, NULL), "18446744073709551615 linears; want 1 to 64");
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, x), "stream must be NULL on the CPU");
  refused(call, awq_linear_forward_many(lins, 2, NULL, ys, NULL), "x is NULL");
  lins[0] = NULL;
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), "lins[0] is NULL");
  lins[0] = made_for.same;

  static const char shape[] = "lins[1] has k=%d, group_size=%d, compute=%d, lins[0] k=256, group_size=64, compute=1";
  char text[256];
  lins[1] = NULL;
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), "lins[1] is NULL");
  lins[1] = made_for.foreign;
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), "lins[1] was made with another context than lins[0]");
  lins[1] = made_for.k;
  snprintf(text, sizeof text, shape, 128, 64, 1);
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), text);
  lins[1] = made_for.group;
  snprintf(text, sizeof text, shape, 256, 32, 1);
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), text);
  lins[1] = made_for.int8;
  snprintf(text, sizeof text, shape, 256, 64, 2);
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), text);
  lins[1] = made_for.order;
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), "lins[1] has another g_idx than lins[0]");
  lins[1] = made_for.same;

  ys[1] = NULL;
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), "ys[1] is NULL");
  ys[1] = rows_of(&my[1], y + 128, 2, 63, 64);
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), "ys[1] has 63 columns; want 64");
  ys[1] = rows_of(&my[1], y + 128, 3, 64, 64);
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), "x has size 2 and ys[1] has size 3 in dimension 0; want the same");
  ys[1] = rows_of(&my[1], y + 128, 2, 64, 64);
  ys[1]->ndim = 1, my[1].shape[0] = 64, my[1].strides[0] = 1;
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), "x has 2 dimensions and ys[1] has 1; want the same");
  ys[1] = rows_of(&my[1], y + 128, 2, 64, 64);
  ys[1]->dtype.bits = 16;
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), "ys[1] has another dtype than ys[0]");
  ys[1] = rows_of(&my[1], x + K, 2, 64, 64);
  refused(call, awq_linear_forward_many(lins, 2, tx, ys, NULL), "ys[1] overlaps x");
  ys[2] = rows_of(&my[2], y + 127, 2, 64, 64), ys[1] = rows_of(&my[1], y + 500, 2, 64, 64);
  refused(call, awq_linear_forward_many(lins, 3, tx, ys, NULL), "ys[2] overlaps ys[0]");
  ys[2] = rows_of(&my[2], y + 500 + 63, 2, 64, 64);
  refused(call, awq_linear_forward_many(lins, 3, tx, ys, NULL), "ys[2] overlaps ys[1]");
  for (int i = 0; i < 3; i++) ys[i] = rows_of(&my[i], y, 0, 64, 64);
  mx.shape[0] = 0;
  check(&shared, "many: no rows", awq_linear_forward_many(lins, 3, tx, ys, NULL) == AWQ_OK && untouched());
}

static void glu_errors(void) {
  static const char call[] = "awq_linear_forward_glu";
  struct matrix mx, my;
  DLTensor *tx = rows_of(&mx, x, 2, K, K), *ty = rows_of(&my, y, 2, 64, 64);
  memset(y, FILL, sizeof y);
  refused(call, awq_linear_forward_glu(made_for.narrow, made_for.same, tx, ty, NULL), "gate has n=32, up n=64");
  refused(call, awq_linear_forward_glu(made_for.foreign, made_for.same, tx, ty, NULL), "gate was made with another context than up");
  refused(call, awq_linear_forward_glu(made_for.order, made_for.same, tx, ty, NULL), "gate has another g_idx than up");
  refused(call, awq_linear_forward_glu(made_for.k, made_for.same, tx, ty, NULL),
          "gate has k=128, group_size=64, compute=1, up k=256, group_size=64, compute=1");
  refused(call, awq_linear_forward_glu(made_for.same, made_for.int8, tx, ty, NULL),
          "gate has k=256, group_size=64, compute=1, up k=256, group_size=64, compute=2");
}

/* The arguments of a good grouped call, of which each case spoils one. */
struct grouped {
  const awq_linear *experts[1025], *gates[1025];
  struct matrix mx, my, mrows, moffsets;
  int32_t rows[8], offsets[4];
  DLTensor *x, *y, *r, *o;
  size_t count;
};

static void good(struct grouped *g) {
  static const int32_t rows[8] = {5, 0, 4, 4, 1, 3, 2, 0}, offsets[4] = {0, 3, 3, 8};
  for (int i = 0; i < 1025; i++) g->experts[i] = g->gates[i] = made_for.same;
  memcpy(g->rows, rows, sizeof rows);
  memcpy(g->offsets, offsets, sizeof offsets);
  g->x = rows_of(&g->mx, x, 6, K, K);
  g->y = rows_of(&g->my, y, 8, 64, 64);
  g->r = ints_of(&g->mrows, g->rows, 8);
  g->o = ints_of(&g->moffsets, g->offsets, 4);
  g->count = 3;
}

static awq_status go(struct grouped *g, void *stream) {
  return awq_linear_forward_grouped(g->experts, g->gates, g->count, g->x, g->r, g->o, g->y, stream);
}

static void grouped_errors(void) {
  static const char call[] = "awq_linear_forward_grouped";
  static struct grouped g;
  static int32_t wide[16];
  memset(y, FILL, sizeof y);
#define SPOILED(spoil, text)           \
  do {                                 \
    good(&g);                          \
    spoil;                             \
    refused(call, go(&g, NULL), text); \
  } while (0)
  good(&g);
  refused(call, awq_linear_forward_grouped(NULL, NULL, 3, g.x, g.r, g.o, g.y, NULL), "experts is NULL");
  refused(call, go(&g, x), "stream must be NULL on the CPU");
  SPOILED(g.count = 0, "0 experts; want 1 to 1024");
  SPOILED(g.count = 1025, "1025 experts; want 1 to 1024");
  SPOILED(g.experts[0] = NULL, "experts[0] is NULL");
  SPOILED(g.experts[2] = NULL, "experts[2] is NULL");
  SPOILED(g.gates[1] = NULL, "gates[1] is NULL");
  SPOILED(g.x = NULL, "x is NULL");
  SPOILED(g.y = NULL, "y is NULL");
  SPOILED(g.o = NULL, "offsets is NULL");
  SPOILED(g.mx.shape[1] = K - 1, "x has 255 columns; want 256");
  SPOILED(g.my.shape[1] = 65, "y has 65 columns; want 64");
  SPOILED(g.my.shape[0] = 7, "y has 7 rows; want 8, one for each routed row");
  SPOILED(g.r = NULL, "y has 8 rows; want 6, one for each routed row");
  SPOILED(g.y = rows_of(&g.my, x + 5 * K, 8, 64, 64), "y overlaps x");
  SPOILED(g.r = ints_of(&g.mrows, (int32_t *)memset(y, FILL, sizeof g.rows), 8), "rows[0] is -1515870811; x has 6 rows");

  SPOILED(g.r->dtype.bits = 64, "rows has device type 1 and DLPack dtype (0, 64, 1); want int32 on the CPU");
  SPOILED(g.o->dtype.code = kDLUInt, "offsets has device type 1 and DLPack dtype (1, 32, 1); want int32 on the CPU");
  SPOILED(g.o->dtype.lanes = 2, "offsets has device type 1 and DLPack dtype (0, 32, 2); want int32 on the CPU");
  SPOILED(g.o->device.device_type = kDLCUDA, "offsets has device type 2 and DLPack dtype (0, 32, 1); want int32 on the CPU");
  SPOILED(g.r->ndim = 2, "rows has 2 dimensions; want one, compact");
  SPOILED(g.r->shape = NULL, "rows has 1 dimensions; want one, compact");
  SPOILED((g.r->data = wide, g.mrows.strides[0] = 2), "rows has 1 dimensions; want one, compact");
  SPOILED(g.mrows.shape[0] = -1, "rows has 1 dimensions; want one, compact");
  SPOILED(g.r->byte_offset = 2, "rows has data that is not aligned to 4 bytes");
  SPOILED(g.o->data = NULL, "offsets has no data");

  SPOILED(g.moffsets.shape[0] = 3, "offsets holds 3 values; want 4, one more than experts");
  SPOILED(g.count = 4, "offsets holds 4 values; want 5, one more than experts");
  SPOILED(g.offsets[0] = 1, "offsets goes from 1 to 8; want 0 to 8");
  SPOILED(g.offsets[3] = 7, "offsets goes from 0 to 7; want 0 to 8");
  SPOILED(g.offsets[1] = 4, "offsets[2] is 3 after 4");
  SPOILED(g.offsets[1] = -1, "offsets[1] is -1 after 0");
  SPOILED(g.offsets[2] = 9, "offsets[3] is 8 after 9");
  SPOILED(g.rows[7] = 6, "rows[7] is 6; x has 6 rows");
  SPOILED(g.rows[2] = -1, "rows[2] is -1; x has 6 rows");

  SPOILED(g.experts[1] = made_for.narrow, "experts[1] has n=32, experts[0] n=64");
  SPOILED(g.gates[2] = made_for.narrow, "gates[2] has n=32, experts[2] n=64");
  SPOILED(g.experts[1] = made_for.foreign, "experts[1] was made with another context than experts[0]");
  SPOILED(g.experts[1] = made_for.order, "experts[1] has another g_idx than experts[0]");
  SPOILED(g.gates[2] = made_for.order, "gates[2] has another g_idx than experts[2]");
  SPOILED(g.experts[2] = made_for.k, "experts[2] has k=128, group_size=64, compute=1, experts[0] k=256, group_size=64, compute=1");
  SPOILED(g.experts[2] = made_for.group, "experts[2] has k=256, group_size=32, compute=1, experts[0] k=256, group_size=64, compute=1");
  SPOILED(g.gates[2] = made_for.int8, "gates[2] has k=256, group_size=64, compute=2, experts[2] k=256, group_size=64, compute=1");

  /* y in the memory of rows: it must be refused before anything is written */
  good(&g);
  memcpy(y, g.rows, sizeof g.rows);
  g.r = ints_of(&g.mrows, (int32_t *)y, 8);
  const awq_status st = go(&g, NULL);
  check(&shared, "grouped: y overlaps rows",
        st == AWQ_ERR_INVALID_ARGUMENT && strstr(awq_last_error_message(), ": y overlaps rows") && !memcmp(y, g.rows, sizeof g.rows));

  memset(y, FILL, sizeof y);
  good(&g);
  memset(g.offsets, 0, sizeof g.offsets);
  g.mrows.shape[0] = g.my.shape[0] = 0;
  g.r->data = NULL;
  check(&shared, "grouped: nothing routed", go(&g, NULL) == AWQ_OK && untouched());
  g.r = NULL;
  g.mx.shape[0] = 0;
  g.x->data = NULL;
  check(&shared, "grouped: no rows", go(&g, NULL) == AWQ_OK && untouched());
#undef SPOILED
}

/* ---- bits ------------------------------------------------------------------------------------------------------------------ */

static awq_context *ctx; /* of the instruction set at hand */
static char label[160];

static void same(const char *what, int ok) {
  snprintf(label + strcspn(label, ":"), 128, ": %s", what);
  check(&shared, label, ok);
}

static awq_status one(const awq_linear *lin, float *in, float *out, int64_t m, int64_t n) {
  struct matrix mx, my;
  return awq_linear_forward(lin, rows_of(&mx, in, m, K, K), rows_of(&my, out, m, n, n), NULL);
}

static const int64_t ROWS[] = {1, 2, 7, 33};

static void many_bits(awq_compute compute, int32_t *g_idx) {
  enum { COUNT = 4 };
  static const int64_t N[COUNT] = {64, 8, 264, 64};
  const awq_linear *lins[COUNT];
  struct matrix mx, my[COUNT];
  DLTensor *ys[COUNT];
  for (int i = 0; i < COUNT; i++) lins[i] = made(ctx, N[i], K, GROUP, compute, g_idx, 20 + (uint32_t)i);
  for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++) {
    const int64_t m = ROWS[r], width = 64 + 8 + 264 + 64 + 3; /* side by side in the rows of one buffer, and a gap */
    int64_t at = 0;
    for (int i = 0; i < COUNT; at += N[i++]) ys[i] = rows_of(&my[i], y + at, m, N[i], width);
    memset(y, FILL, sizeof y);
    int ok = awq_linear_forward_many(lins, COUNT, rows_of(&mx, x, m, K, K), ys, NULL) == AWQ_OK;
    memset(want, FILL, sizeof want);
    at = 0;
    for (int i = 0; i < COUNT; at += N[i++])
      ok = ok && awq_linear_forward(lins[i], &mx.t, rows_of(&my[i], want + at, m, N[i], width), NULL) == AWQ_OK;
    same("many: the bits of single calls, nothing else written", ok && !memcmp(y, want, sizeof y));
  }
  for (int i = 0; i < COUNT; i++) awq_linear_destroy((awq_linear *)lins[i]);
}

/* One linear 64 times, at misaligned places, and once. */
static void many_most(awq_compute compute) {
  awq_linear *lin = made(ctx, 64, K, GROUP, compute, NULL, 16);
  const awq_linear *lins[64];
  struct matrix mx, my[64];
  DLTensor *ys[64];
  int ok = one(lin, x, want, 2, 64) == AWQ_OK;
  for (int i = 0; i < 64; i++) {
    lins[i] = lin;
    ys[i] = rows_of(&my[i], y + 128 * i, 2, 64, 64);
    ys[i]->byte_offset = 1;
  }
  ok = ok && awq_linear_forward_many(lins, 64, rows_of(&mx, x, 2, K, K), ys, NULL) == AWQ_OK;
  for (int i = 0; i < 64; i++) ok = ok && !memcmp((char *)(y + 128 * i) + 1, want, 128 * sizeof *want);
  same("many: 64 linears, misaligned", ok);
  ok = awq_linear_forward_many(lins, 1, &mx.t, ys, NULL) == AWQ_OK && !memcmp((char *)y + 1, want, 128 * sizeof *want);
  same("many: one linear", ok);
  awq_linear_destroy(lin);
}

static void parts_bits(awq_compute compute) {
  const int64_t n = 264;
  awq_linear *lin = made(ctx, n, K, GROUP, compute, NULL, 31);
  for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++)
    for (int32_t parts = 1; parts <= 40; parts = parts * 2 + 1) {
      const int64_t m = ROWS[r];
      struct matrix mx, my;
      memset(want, FILL, sizeof want);
      memset(y, FILL, sizeof y);
      int ok = one(lin, x, want, m, n) == AWQ_OK;
      for (int32_t part = parts - 1; part >= 0; part--)
        ok = ok && awq_linear_forward_part(lin, rows_of(&mx, x, m, K, K), rows_of(&my, y, m, n, n), part, parts) == AWQ_OK;
      same("parts: the bits of the whole", ok && !memcmp(y, want, sizeof y));
    }
  awq_linear_destroy(lin);
}

/* Against silu in double, of the two linears. */
static void glu_values(awq_compute compute) {
  const int64_t n = 136;
  static float a[MOST * 136];
  awq_linear *gate = made(ctx, n, K, GROUP, compute, NULL, 41), *up = made(ctx, n, K, GROUP, compute, NULL, 42);
  for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++) {
    const int64_t m = ROWS[r];
    struct matrix mx, my;
    int ok = one(gate, x, a, m, n) == AWQ_OK && one(up, x, want, m, n) == AWQ_OK;
    ok = ok && awq_linear_forward_glu(gate, up, rows_of(&mx, x, m, K, K), rows_of(&my, y, m, n, n), NULL) == AWQ_OK;
    for (int64_t i = 0; i < m * n; i++) {
      const double exact = a[i] / (1 + exp(-(double)a[i])) * want[i];
      ok = ok && fabs(y[i] - exact) <= 1e-6 * fabs(exact) + 1e-30;
    }
    same("glu: silu(gate) * up", ok);
  }
  awq_linear_destroy(gate), awq_linear_destroy(up);
}

/* Against a call for each expert. Where one expert has two rows or more, so has each of those calls: the last row is given twice. */
static void grouped_bits(awq_compute compute, int gated, const int32_t *counts, int routed) {
  const int64_t n = 72;
  const awq_linear *experts[EXPERTS], *gates[EXPERTS];
  int32_t offsets[EXPERTS + 1] = {0}, rows[MOST], most = 0;
  struct matrix mx, my, mrows, moffsets;
  static float in[(MOST + 1) * K], out[(MOST + 1) * 72];
  for (int e = 0; e < EXPERTS; e++) {
    experts[e] = made(ctx, n, K, GROUP, compute, NULL, 50 + (uint32_t)e);
    gates[e] = made(ctx, n, K, GROUP, compute, NULL, 60 + (uint32_t)e);
    offsets[e + 1] = offsets[e] + counts[e];
    if (counts[e] > most) most = counts[e];
  }
  const int64_t total = offsets[EXPERTS];
  for (int32_t i = 0; i < total; i++) rows[i] = routed ? (int32_t)(mix(99, (uint32_t)i) % 9) : i;
  memset(y, FILL, sizeof y);
  memset(want, FILL, sizeof want);
  const int64_t stride = n + 5;
  int ok = awq_linear_forward_grouped(experts, gated ? gates : NULL, EXPERTS, rows_of(&mx, x, routed ? 9 : total, K, K),
                                      routed ? ints_of(&mrows, rows, total) : NULL, ints_of(&moffsets, offsets, EXPERTS + 1),
                                      rows_of(&my, y, total, n, stride), NULL) == AWQ_OK;
  for (int e = 0; e < EXPERTS; e++) {
    int64_t m = counts[e];
    for (int64_t i = 0; i < m; i++) memcpy(in + i * K, x + rows[offsets[e] + i] * K, K * sizeof *in);
    if (m == 1 && most > 1) memcpy(in + m++ * K, in, K * sizeof *in);
    rows_of(&mx, in, m, K, K), rows_of(&my, out, m, n, n);
    ok = ok &&
         (gated ? awq_linear_forward_glu(gates[e], experts[e], &mx.t, &my.t, NULL) : awq_linear_forward(experts[e], &mx.t, &my.t, NULL)) == AWQ_OK;
    for (int64_t i = 0; i < counts[e]; i++) memcpy(want + (offsets[e] + i) * stride, out + i * n, (size_t)n * sizeof *out);
  }
  same("grouped: the bits of a call for each expert", ok && !memcmp(y, want, sizeof y));
  for (int e = 0; e < EXPERTS; e++) awq_linear_destroy((awq_linear *)experts[e]), awq_linear_destroy((awq_linear *)gates[e]);
}

/* With two threads, so that work is shared on one core too. */
static void all_bits(const char *isa) {
  static const awq_compute computes[] = {AWQ_COMPUTE_EXACT, AWQ_COMPUTE_INT8};
  static const int32_t counts[][EXPERTS] = {{0, 1, 0, 1, 1}, {1, 1, 1, 1, 1}, {0, 0, 0, 0, 1}, {0, 1, 13, 2, 0}, {30, 0, 1, 1, 5}, {0, 0, 2, 0, 0}};
  static int32_t turned[K];
  awq_context_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.threads = 2;
  options.isa = isa;
  must(awq_context_create(&options, &ctx), isa);
  for (int32_t i = 0; i < K; i++) turned[i] = (i + 3) % (K / GROUP);
  for (int c = 0; c < 2; c++) {
    snprintf(label, 32, "%.16s %s", isa, c ? "int8" : "exact");
    many_most(computes[c]);
    many_bits(computes[c], NULL);
    many_bits(computes[c], turned);
    parts_bits(computes[c]);
    glu_values(computes[c]);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
      for (int form = 0; form < 4; form++) grouped_bits(computes[c], form % 2, counts[i], form / 2);
  }
  awq_context_destroy(ctx);
}

int main(int argc, char **argv) {
  open_fixture(&shared, argc, argv);
  must(awq_context_create(NULL, &other), "awq_context_create");
  sample(x, MOST * K);
  make_siblings();
  many_errors();
  glu_errors();
  grouped_errors();
  destroy_siblings();
  int32_t devices = 0;
  must(awq_device_count(shared.context, &devices), "awq_device_count");
  for (int32_t i = 0; i < devices; i++) {
    awq_device_info info;
    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    must(awq_device_get(shared.context, i, &info), "awq_device_get");
    if (info.available && !strncmp(info.name, "cpu/", 4)) all_bits(info.name + 4);
  }
  awq_context_destroy(other);
  close_fixture(&shared);
  return summary(&shared);
}
