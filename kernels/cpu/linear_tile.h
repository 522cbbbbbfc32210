/* y = x . W^T for the tasks of a call: x is prepared once, then chunks of panels, of all tasks, are dealt to the threads. Which
 * arithmetic an exact call gets depends on its rows, the dtype of x and the instruction set alone (linear_dot.h, linear_float.h,
 * linear_bf16.h); within one arithmetic the bits of a row of y depend neither on the other rows, nor on threads, parts, strides or
 * siblings. */
#include "linear_bf16.h"
#include "linear_dot.h"
#include "linear_float.h"

namespace {

typedef const awqk_linear_args *Args;
typedef const awqk_linear_task *Task;

enum {
  PREPARED_BYTES = 8 << 20,    /* of x at once */
  LEAST_BLOCK = 48,
  LEAST_BF16_BLOCK = 96,       /* codes are spread out for each block anew */
  MOST_BLOCK = 480, /* rows prepared at once */
  WIDTH = 4                    /* panels whose sums are made side by side: streams from memory, sharers of x in the cache */
};
static_assert(LEAST_BLOCK % GEMM_MR == 0 && MOST_BLOCK % GEMM_MR == 0, "row blocks are made of whole tiles");

/* For callers without a plan. */
const awqk_plan OWN_PLAN = {INT32_MAX, 8, 2, 64 << 10, 30};

enum arithmetic { INT8_DIGIT, EXACT_DIGITS, FEW_FLOATS, MANY_FLOATS, BF16_PRODUCTS };

struct linear_job {
  Args g;
  const awqk_plan *plan;
  enum arithmetic arithmetic;
  digits d;
  floats f;
  bfloats b;
  int64_t row0, rows;          /* the block, in rows of the call */
  span *tile;                  /* rows of the block that are prepared together: single ones, or tiles of micro() */
  int64_t *first;              /* [tasks + 1]: first chunk of each task */
  int64_t chunk_panels;
  char *own;                   /* scratch a thread */
  int64_t own_bytes, code_bytes;
};

/* The rows of a task that lie in the block, in rows of the block. */
AWQ_INLINE span rows_of(const linear_job *j, Task t) {
  const int64_t from = most(t->row - j->row0, 0), to = least(t->row + t->rows - j->row0, j->rows);
  return {from, most(from, to)};
}

/* This call's share of a task's panels. */
AWQ_INLINE span share_of(Args g, Task t) {
  if (g->parts <= 1) return {0, t->w->panels};
  return {t->w->panels * g->part / g->parts, t->w->panels * (g->part + 1) / g->parts};
}

/* ---- x ---- */

void prepare_tile(void *argument, int64_t chunk, int32_t) {
  const linear_job *j = (const linear_job *)argument;
  Args g = j->g;
  const span tile = j->tile[chunk];
  for (int64_t i = tile.from; i < tile.to; i++) {
    const int64_t at = g->index ? g->index[j->row0 + i] : j->row0 + i;
    const char *row = (const char *)g->x + at * g->x_stride * value_size(g->x_dtype);
    if (j->arithmetic == MANY_FLOATS) prepare_floats(&j->f, g->tasks->w, row, g->x_dtype, tile.from, tile.to - tile.from, i - tile.from);
    else if (j->arithmetic == FEW_FLOATS) prepare_floats(&j->f, g->tasks->w, row, g->x_dtype, i, 0, 0);
    else if (HAS_BF16 && j->arithmetic == BF16_PRODUCTS) prepare_bf16(&j->b, g->tasks->w, row, i);
    else prepare_digits(&j->d, g->tasks->w, row, g->x_dtype, i);
  }
}

/* Cuts the block's rows into tiles at the boundaries of its tasks: siblings share all of their rows, others none. */
int64_t cut_tiles(linear_job *j) {
  const int64_t width = j->arithmetic == MANY_FLOATS ? (int64_t)GEMM_MR : 1;
  int64_t tiles = 0, done = 0;
  for (int64_t t = 0; t < j->g->count; t++) {
    const span rows = rows_of(j, j->g->tasks + t);
    for (int64_t row = most(rows.from, done); row < rows.to; row += width) j->tile[tiles++] = {row, least(row + width, rows.to)};
    done = most(done, rows.to);
  }
  return tiles;
}

/* ---- y ---- */

AWQ_INLINE void write_values(void *y, int32_t dtype, int64_t at, V value, int64_t count) {
  char *to = (char *)y + at * value_size(dtype);
  if (dtype == AWQK_F32 && count == 16) return vstore((float *)to, value);
  if (dtype == AWQK_F16 && count == 16) return store_f16((uint16_t *)to, value);
  float t[16];
  vstore(t, value);
  if (dtype == AWQK_F32) {
    __builtin_memcpy(to, t, sizeof(float) * (size_t)count);
    return;
  }
  uint16_t h[16];
  for (int c = 0; c < 16; c++) h[c] = dtype == AWQK_F16 ? awq_f32_to_f16(t[c]) : awq_f32_to_bf16(t[c]);
  __builtin_memcpy(to, h, sizeof(uint16_t) * (size_t)count);
}

AWQ_INLINE V with_bias(const awqk_weight *w, int64_t panel, V value) { return w->bias ? vadd(value, vload(w->bias + 16 * panel)) : value; }

/* x / (1 + e^-x) */
AWQ_INLINE V silu(V x) { return vdiv(x, vadd(vset(1), vexp(vsub(vset(0), x)))); }

/* FLOATS: whether this instruction set ever leaves the digits; the templates beyond are made only then. */
template <bool FLOATS> void sums(const linear_job *j, const awqk_weight *w, span panels, span rows, char *codes, float *acc) {
  if (j->arithmetic == INT8_DIGIT) return sum_digits<1>(&j->d, w, panels, rows, j->plan, (uint8_t *)codes, acc);
  if (j->arithmetic == EXACT_DIGITS) return sum_digits<3>(&j->d, w, panels, rows, j->plan, (uint8_t *)codes, acc);
  if (HAS_BF16 && j->arithmetic == BF16_PRODUCTS) return sum_bf16(&j->b, w, panels, rows, j->plan->ahead, (uint8_t *)codes, acc);
  if constexpr (FLOATS) {
    if (j->arithmetic == FEW_FLOATS) return sum_few<FLOATS>(&j->f, w, panels, rows, j->plan->ahead, acc);
    sum_many<FLOATS>(&j->f, w, panels, rows, (float *)codes, acc);
  }
}

void linear_chunk(void *argument, int64_t chunk, int32_t worker) {
  const linear_job *j = (const linear_job *)argument;
  int64_t low = 0, high = j->g->count; /* the task with first[task] <= chunk < first[task + 1] */
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (j->first[middle] <= chunk) low = middle;
    else high = middle;
  }
  Task t = j->g->tasks + low;
  const span share = share_of(j->g, t), rows = rows_of(j, t);
  const int64_t start = share.from + (chunk - j->first[low]) * j->chunk_panels, end = least(start + j->chunk_panels, share.to);
  const int64_t count = rows.to - rows.from;
  char *codes = j->own + worker * j->own_bytes;
  float *acc = (float *)(codes + j->code_bytes), *gate = acc + WIDTH * 16 * count;
  for (int64_t p = start; p < end; p += WIDTH) {
    const span panels = {p, least(p + WIDTH, end)};
    sums<((int)DIGIT_ROWS < (int)ALL_ROWS)>(j, t->w, panels, rows, codes, acc);
    if (t->gate) sums<((int)DIGIT_ROWS < (int)ALL_ROWS)>(j, t->gate, panels, rows, codes, gate);
    for (int64_t i = 0; i < count; i++)
      for (int64_t panel = panels.from; panel < panels.to; panel++) {
        const int64_t at = ((panel - panels.from) * count + i) * 16;
        V value = with_bias(t->w, panel, vload(acc + at));
        if (t->gate) value = vmul(silu(with_bias(t->gate, panel, vload(gate + at))), value);
        write_values(t->y, j->g->y_dtype, (j->row0 + rows.from + i - t->row) * t->y_stride + 16 * panel, value, least(16, t->w->n - 16 * panel));
      }
  }
}

/* ---- launcher ---- */

AWQ_INLINE int64_t round64(int64_t bytes) { return blocks(bytes, 64) * 64; }

void run(awqk_device *device, bool alone, int64_t chunks, double nanoseconds, awq_chunk_fn fn, void *arg) {
  if (!alone) return awq_parallel(device, chunks, nanoseconds, fn, arg);
  for (int64_t i = 0; i < chunks; i++) fn(arg, i, 0);
}

/* What all tasks of a call come to. */
struct totals {
  int64_t panels, rows;        /* rows: of the largest task */
  bool gated;
};
totals total(Args g) {
  totals s = {};
  for (int64_t t = 0; t < g->count; t++) {
    const span share = share_of(g, g->tasks + t);
    s.panels += share.to - share.from;
    s.rows = most(s.rows, g->tasks[t].rows);
    s.gated |= g->tasks[t].gate != nullptr;
  }
  return s;
}

/* Rows: of the largest task. One row alone goes by digits wherever they are used at all. */
enum arithmetic arithmetic_of(Args g, const awqk_plan *plan, int64_t rows) {
  if (g->tasks->w->mode == AWQK_INT8) return INT8_DIGIT;
  if (HAS_BF16 && g->x_dtype == AWQK_BF16 && rows > 1) return BF16_PRODUCTS;
  return rows <= DIGIT_ROWS ? EXACT_DIGITS : rows <= plan->decode_rows ? FEW_FLOATS : MANY_FLOATS;
}

/* Panels a chunk: enough bytes to stream, few enough that a late thread costs little. */
int64_t chunk_of(const awqk_weight *w, const awqk_plan *plan, int64_t panels, int32_t threads) {
  const int64_t size = most(blocks(plan->chunk_bytes, w->panel_bytes), blocks(panels, 16 * threads));
  return blocks(least(size, most(1, panels / (2 * threads))), WIDTH) * WIDTH;
}

/* Numbers the chunks of the block's tasks; the products that they come to. */
double deal(linear_job *j) {
  double products = 0;
  j->first[0] = 0;
  for (int64_t t = 0; t < j->g->count; t++) {
    const Task task = j->g->tasks + t;
    const span rows = rows_of(j, task), share = share_of(j->g, task);
    const int64_t panels = share.to - share.from;
    j->first[t + 1] = j->first[t] + (rows.from < rows.to ? blocks(panels, j->chunk_panels) : 0);
    products += (task->gate ? 32.0 : 16.0) * (double)panels * (double)task->w->k * (double)(rows.to - rows.from);
  }
  return products;
}

}  // namespace

extern "C" int32_t AWQ_KERNEL_NAME(linear_w4)(awqk_device *device, const awqk_linear_args *g, void *) {
  if (g->m <= 0 || g->count <= 0) return AWQK_OK;
  const bool alone = g->parts > 0;
  if (alone && (g->part < 0 || g->part >= g->parts)) return AWQK_ERR_INVALID_ARGUMENT;
  const awqk_weight *w = g->tasks->w;
  const totals all = total(g);
  const int32_t threads = alone ? 1 : awq_threads(device);
  linear_job j = {};
  j.g = g;
  j.plan = g->plan ? g->plan : &OWN_PLAN;
  j.arithmetic = arithmetic_of(g, j.plan, all.rows);
  const bool integers = j.arithmetic <= EXACT_DIGITS, bf16 = j.arithmetic == BF16_PRODUCTS;
  j.d.count = j.arithmetic == EXACT_DIGITS ? 3 : 1;
  j.d.depth = j.f.depth = 8 * w->lines;
  j.b.lines = blocks(w->lines, BF16_LINES) * BF16_LINES;
  j.b.depth = 8 * j.b.lines;

  const int64_t depth_bytes = bf16 ? 2 * j.b.depth : j.d.depth * (integers ? j.d.count : 4), row_bytes = w->segments * depth_bytes;
  const int64_t fit = bf16 ? BF16_BYTES / row_bytes / BF16_ROWS * BF16_ROWS : PREPARED_BYTES / row_bytes / GEMM_MR * GEMM_MR;
  const int64_t block = least(g->m, most(bf16 ? (int)LEAST_BF16_BLOCK : (int)LEAST_BLOCK, least(MOST_BLOCK, fit)));
  j.chunk_panels = chunk_of(w, j.plan, all.panels, threads);
  j.code_bytes = integers                      ? w->lines * SPREAD_LINE
                 : j.arithmetic == MANY_FLOATS ? w->lines * 8 * GEMM_NV * 64
                 : bf16                        ? j.b.lines * BF16_LINE * BF16_PANELS
                                               : 0;
  j.own_bytes = round64(j.code_bytes + (all.gated ? 2 : 1) * WIDTH * 64 * least(block, all.rows));
  const int64_t slack = 16 * (bf16 ? depth_bytes : j.d.depth); /* a tile reads sixteen (virtual) rows, wanted or not */
  const int64_t x_bytes = round64(block * row_bytes + slack), steps = integers ? round64(block * w->segments * 4) : 0;
  const int64_t digit_sums = steps * j.d.count, tiles = round64(block * (int64_t)sizeof(span)), firsts = round64((g->count + 1) * 8);
  char *scratch = (char *)awq_scratch_get(device, (size_t)(x_bytes + steps + digit_sums + tiles + firsts + threads * j.own_bytes));
  if (!scratch) return AWQK_ERR_OUT_OF_MEMORY;
  j.f.x = (float *)scratch;
  j.b.x = (uint16_t *)scratch;
  j.d.q = (int8_t *)scratch;
  j.d.step = (float *)(scratch + x_bytes);
  j.d.sum = (float *)(scratch + x_bytes + steps);
  j.tile = (span *)(scratch + x_bytes + steps + digit_sums);
  j.first = (int64_t *)(scratch + x_bytes + steps + digit_sums + tiles);
  j.own = scratch + x_bytes + steps + digit_sums + tiles + firsts;

  for (j.row0 = 0; j.row0 < g->m; j.row0 += block) {
    j.rows = j.d.rows = j.f.rows = j.b.rows = least(block, g->m - j.row0);
    run(device, alone, cut_tiles(&j), (double)j.rows * (double)w->k / 2, prepare_tile, &j);
    const double products = deal(&j);
    run(device, alone, j.first[g->count], products * j.plan->picoseconds / 1000, linear_chunk, &j);
  }
  awq_scratch_put(device, scratch);
  return AWQK_OK;
}
