/* Float GEMM. a and b are packed block by block into the order in which micro() reads them. The split of k into blocks is
 * fixed and every element of c belongs to one task a block, so the result doesn't depend on threads or chunks. */
#include "micro_tile.h"

namespace {

enum {
  DEPTH = 256,                 /* k block: a tile of b stays in L1 */
  ROWS = 192,                  /* rows a task at most: its part of a stays in L2 */
  COLUMNS = 512,               /* columns a task at most */
  ROW_SPAN = 4080,             /* rows and columns packed at once: bounds the scratch */
  COLUMN_SPAN = 4096,
  NR = GEMM_NV * 16
};
static_assert(ROWS % GEMM_MR == 0 && ROW_SPAN % GEMM_MR == 0 && COLUMNS % NR == 0, "tasks are made of whole tiles");

struct gemm_job {
  const awqk_gemm_args *g;
  int64_t row, rows, column, columns, k, depth;   /* the current block of c and of k */
  int64_t a_panels, b_panels;
  int64_t task_rows, task_columns, across;
  float *a, *b;
  bool first;
};

/* [rows][k] -> [k][width], missing rows as zeros. */
void pack_rows(const float *from, int64_t stride, int64_t rows, int64_t depth, int64_t width, float *to) {
  if (rows < width) __builtin_memset(to, 0, sizeof(float) * (size_t)(depth * width));
  int64_t t = 0;
  for (; t + 16 <= depth; t += 16)
    for (int64_t r = 0; r < rows; r++) {
      const float *line = from + r * stride + t;
      float *out = to + t * width + r;
      for (int i = 0; i < 16; i++) out[i * width] = line[i];
    }
  for (; t < depth; t++)
    for (int64_t r = 0; r < rows; r++) to[t * width + r] = from[r * stride + t];
}

/* [k][columns] -> [k][NR], missing columns as zeros. */
void pack_columns(const float *from, int64_t stride, int64_t columns, int64_t depth, float *to) {
  for (int64_t t = 0; t < depth; t++, from += stride, to += NR)
    for (int64_t v = 0; v < GEMM_NV; v++) vstore(to + 16 * v, columns > 16 * v ? load_part(from + 16 * v, columns - 16 * v, 0) : vset(0));
}

void gemm_pack(void *argument, int64_t chunk, int32_t) {
  const gemm_job *j = (const gemm_job *)argument;
  const awqk_gemm_args *g = j->g;
  if (chunk < j->a_panels) {
    const int64_t row = chunk * GEMM_MR, rows = least(GEMM_MR, j->rows - row); /* the last tile is packed as narrow as it is */
    pack_rows(g->a + (j->row + row) * g->lda + j->k, g->lda, rows, j->depth, rows, j->a + row * j->depth);
    return;
  }
  const int64_t column = (chunk - j->a_panels) * NR, columns = least(NR, j->columns - column);
  float *to = j->b + column * j->depth;
  if (g->trans_b) pack_rows(g->b + (j->column + column) * g->ldb + j->k, g->ldb, columns, j->depth, NR, to);
  else pack_columns(g->b + j->k * g->ldb + j->column + column, g->ldb, columns, j->depth, to);
}

struct gemm_step {
  const float *a, *b;
  float *c;
  int64_t depth, ldc, columns;
  float alpha;
  bool add;

  template <int MR> AWQ_INLINE void run() const {
    V sum[MR][GEMM_NV];
#pragma GCC unroll 16
    for (int r = 0; r < MR; r++) { /* c comes from memory while the products run */
      __builtin_prefetch(c + r * ldc, 1, 3);
      __builtin_prefetch(c + r * ldc + NR - 1, 1, 3);
    }
    micro<MR, GEMM_NV>(depth, a, MR, b, sum);
#pragma GCC unroll 16
    for (int r = 0; r < MR; r++)
#pragma GCC unroll 4
      for (int v = 0; v < GEMM_NV; v++) {
        const int64_t left = columns - 16 * v;
        if (left <= 0) continue;
        float *to = c + r * ldc + 16 * v;
        V value = vmul(vset(alpha), sum[r][v]);
        if (add) value = vadd(load_part(to, left, 0), value);
        store_part(to, value, left);
      }
  }
};

void gemm_task(void *argument, int64_t chunk, int32_t) {
  const gemm_job *j = (const gemm_job *)argument;
  const awqk_gemm_args *g = j->g;
  const int64_t row0 = chunk / j->across * j->task_rows, row1 = least(row0 + j->task_rows, j->rows);
  const int64_t column0 = chunk % j->across * j->task_columns, column1 = least(column0 + j->task_columns, j->columns);
  for (int64_t column = column0; column < column1; column += NR)
    for (int64_t row = row0; row < row1; row += GEMM_MR) {
      gemm_step step = {j->a + row * j->depth,
                        j->b + column * j->depth,
                        g->c + (j->row + row) * g->ldc + j->column + column,
                        j->depth,
                        g->ldc,
                        column1 - column,
                        g->alpha,
                        g->accumulate || !j->first};
      const int64_t rows = row1 - row;
      if (rows >= GEMM_MR) step.run<GEMM_MR>();
      else with_rows<GEMM_MR>(rows, step);
    }
}

/* Tasks small enough that each thread gets some: the partition has no influence on the bits. */
void gemm_partition(gemm_job *j, int32_t threads) {
  j->task_rows = ROWS;
  j->task_columns = COLUMNS;
  while (blocks(j->rows, j->task_rows) * blocks(j->columns, j->task_columns) < 6 * threads) {
    if (j->task_columns >= 2 * j->task_rows && j->task_columns > 2 * NR) j->task_columns = blocks(j->task_columns / 2, NR) * NR;
    else if (j->task_rows > 2 * GEMM_MR) j->task_rows = blocks(j->task_rows / 2, GEMM_MR) * GEMM_MR;
    else break;
  }
  j->across = blocks(j->columns, j->task_columns);
}

/* c when there is nothing to add up. */
void gemm_empty(const awqk_gemm_args *g) {
  if (!g->accumulate)
    for (int64_t i = 0; i < g->m; i++) __builtin_memset(g->c + i * g->ldc, 0, sizeof(float) * (size_t)g->n);
}

/* A few rows against b [n,k]: packing b would cost as much as the products, so each row of b is read once, in place. */
enum { THIN = 4, THIN_CHUNK = 64 };

void gemm_thin(void *argument, int64_t chunk, int32_t) {
  const awqk_gemm_args *g = (const awqk_gemm_args *)argument;
  for (int64_t n = chunk * THIN_CHUNK; n < least(g->n, (chunk + 1) * THIN_CHUNK); n++) {
    const float *b = g->b + n * g->ldb;
    V sum[THIN] = {vset(0), vset(0), vset(0), vset(0)};
    int64_t k = 0;
    for (; k + 16 <= g->k; k += 16) {
      const V column = vload(b + k);
      for (int64_t i = 0; i < g->m; i++) sum[i] = vfma(vload(g->a + i * g->lda + k), column, sum[i]);
    }
    for (int64_t i = 0; i < g->m; i++) {
      if (k < g->k) sum[i] = vfma(load_part(g->a + i * g->lda + k, g->k - k, 0), load_part(b + k, g->k - k, 0), sum[i]);
      float *c = g->c + i * g->ldc + n;
      const float value = g->alpha * sum_of(sum[i]);
      *c = g->accumulate ? *c + value : value;
    }
  }
}

}  // namespace

extern "C" int32_t AWQ_KERNEL_NAME(gemm_f32)(awqk_device *device, const awqk_gemm_args *g, void *) {
  if (g->m <= 0 || g->n <= 0) return AWQK_OK;
  if (g->k <= 0) {
    gemm_empty(g);
    return AWQK_OK;
  }
  const double work = 2.0 * (double)g->m * (double)g->n * (double)g->k;
  if (g->m <= THIN && g->trans_b) {
    awq_parallel(device, blocks(g->n, THIN_CHUNK), work / 10, gemm_thin, (void *)g);
    return AWQK_OK;
  }
  const int64_t depth = least(DEPTH, g->k);
  const int64_t rows = least(ROW_SPAN, g->m), columns = least(COLUMN_SPAN, blocks(g->n, NR) * NR);
  float *scratch = (float *)awq_scratch_get(device, sizeof(float) * (size_t)(depth * (blocks(rows, 16) * 16 + columns)));
  if (!scratch) return AWQK_ERR_OUT_OF_MEMORY;
  gemm_job j = {};
  j.g = g;
  j.b = scratch;
  j.a = scratch + depth * columns;
  for (j.row = 0; j.row < g->m; j.row += ROW_SPAN)
    for (j.column = 0; j.column < g->n; j.column += COLUMN_SPAN) {
      j.rows = least(ROW_SPAN, g->m - j.row);
      j.columns = least(COLUMN_SPAN, g->n - j.column);
      j.a_panels = blocks(j.rows, GEMM_MR);
      j.b_panels = blocks(j.columns, NR);
      gemm_partition(&j, awq_threads(device));
      for (j.k = 0; j.k < g->k; j.k += DEPTH) {
        j.depth = least(DEPTH, g->k - j.k);
        j.first = j.k == 0;
        const double moved = (double)(j.rows + j.columns) * (double)j.depth;
        awq_parallel(device, j.a_panels + j.b_panels, moved, gemm_pack, &j);
        awq_parallel(device, blocks(j.rows, j.task_rows) * j.across, 2.0 * (double)j.rows * (double)j.columns * (double)j.depth / 50, gemm_task, &j);
      }
    }
  awq_scratch_put(device, scratch);
  return AWQK_OK;
}
