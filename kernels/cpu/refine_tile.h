/* Refinement of a quantised weight: lower sum over rows of d H dT + 2 e d, d = (code - zero) * scale - w, by moving codes and scales.
 *
 * Group by group, for LANES rows at a time: the group's part of r = d H + e is all that its codes and its scale need to know of the
 * other groups. Each code moves to the best value with all others fixed (coordinate descent), the scale to its least squares; both
 * only ever lower the loss. What the group's weights changed by is then added to r of all columns, which is where the time goes: a
 * sweep is a product of [n, k] and [k, k]. Lane by lane with fused multiply-adds in a fixed order, so the result is the same on every
 * instruction set that has them, whatever the threads. */
#include "micro_tile.h"

namespace {

enum {
  LANES = 16 * GEMM_NV, /* rows of a tile */
  INNER = 2             /* passes over a group before the others hear of it */
};

struct refine_job {
  const awqk_refine_args *g;
  char *own;            /* scratch a thread */
  int64_t own_bytes;
};

/* A tile of rows: [k][LANES] or [group][LANES] floats. Missing rows are zeros, which nothing moves. */
struct tile {
  float *w, *r, *code;  /* [k] */
  float *q, *l, *u;     /* [group]: code - zero, r of the group while it moves, H of the group times q */
  float *before;        /* [group]: d when the group's turn began */
  float *scale, *zero;  /* [k / group] */
};

AWQ_INLINE V half(V x) { /* the nearest float16 */
  uint16_t h[16];
  store_f16(h, x);
  return load_f16(h);
}

/* to[c] += sum over t < depth of h[t][c] * b[t], for columns c < count. H is symmetric: a part of its rows is one of its columns. */
template <int MR> AWQ_INLINE void spread_tile(const float *h, int64_t k, int64_t depth, const float *b, float *to) {
  V sum[MR][GEMM_NV];
  micro<MR, GEMM_NV>(depth, h, k, b, sum);
#pragma GCC unroll 16
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 4
    for (int v = 0; v < GEMM_NV; v++) vstore(to + r * LANES + 16 * v, vadd(vload(to + r * LANES + 16 * v), sum[r][v]));
}

struct spread_step {
  const float *h;
  int64_t k, depth;
  const float *b;
  float *to;
  template <int MR> AWQ_INLINE void run() const { spread_tile<MR>(h, k, depth, b, to); }
};

void spread(const float *h, int64_t k, int64_t depth, const float *b, int64_t count, float *to) {
  for (int64_t c = 0; c < count; c += GEMM_MR) with_rows<GEMM_MR>(least(GEMM_MR, count - c), spread_step{h + c, k, depth, b, to + c * LANES});
}

/* d of a group: (code - zero) * scale - w. */
void differences(const tile *t, int64_t group, int64_t i, float *d) {
  for (int64_t j = 0; j < group; j++)
    for (int v = 0; v < GEMM_NV; v++) {
      const int64_t at = (i * group + j) * LANES + 16 * v;
      const V zero = vload(t->zero + i * LANES + 16 * v), scale = vload(t->scale + i * LANES + 16 * v);
      vstore(d + j * LANES + 16 * v, vsub(vmul(vsub(vload(t->code + at), zero), scale), vload(t->w + at)));
    }
}

/* Each code to where the loss is least, in order of k. h: the group's diagonal block, from row to row k apart. */
void move_codes(const tile *t, const float *h, int64_t k, int64_t group, int64_t i) {
  V scale[GEMM_NV], inverse[GEMM_NV];
  for (int v = 0; v < GEMM_NV; v++) {
    scale[v] = vload(t->scale + i * LANES + 16 * v);
    inverse[v] = vdiv(vset(1), scale[v]);
  }
  for (int64_t j = 0; j < group; j++) {
    const float *row = h + j * k;
    if (!(row[j] > 0)) continue;
    V step[GEMM_NV];
    for (int v = 0; v < GEMM_NV; v++) {
      float *at = t->code + (i * group + j) * LANES + 16 * v;
      const V code = vload(at), wish = vsub(code, vmul(vmul(vload(t->l + j * LANES + 16 * v), vset(1 / row[j])), inverse[v]));
      const V now = vmin(vmax(vround(wish), vset(0)), vset(15));
      vstore(at, now);
      step[v] = vmul(vsub(now, code), scale[v]);
    }
    for (int64_t c = 0; c < group; c++)
      for (int v = 0; v < GEMM_NV; v++) {
        float *at = t->l + c * LANES + 16 * v;
        vstore(at, vfma(step[v], vset(row[c]), vload(at)));
      }
  }
}

/* The scale to its least squares, rounded to float16, where that lowers the loss. */
void move_scale(const tile *t, const float *h, int64_t k, int64_t group, int64_t i) {
  V along[GEMM_NV], curve[GEMM_NV];
  for (int64_t j = 0; j < group; j++)
    for (int v = 0; v < GEMM_NV; v++)
      vstore(t->q + j * LANES + 16 * v, vsub(vload(t->code + (i * group + j) * LANES + 16 * v), vload(t->zero + i * LANES + 16 * v)));
  __builtin_memset(t->u, 0, sizeof(float) * (size_t)(group * LANES));
  spread(h, k, group, t->q, group, t->u);
  for (int v = 0; v < GEMM_NV; v++) along[v] = curve[v] = vset(0);
  for (int64_t j = 0; j < group; j++)
    for (int v = 0; v < GEMM_NV; v++) {
      const V q = vload(t->q + j * LANES + 16 * v);
      along[v] = vfma(q, vload(t->l + j * LANES + 16 * v), along[v]);
      curve[v] = vfma(q, vload(t->u + j * LANES + 16 * v), curve[v]);
    }
  for (int v = 0; v < GEMM_NV; v++) {
    float *at = t->scale + i * LANES + 16 * v;
    const V old = vload(at);
    float was[16], now[16], a[16], c[16];
    vstore(was, old);
    vstore(a, along[v]);
    vstore(c, curve[v]);
    for (int n = 0; n < 16; n++) now[n] = c[n] > 0 ? was[n] - a[n] / c[n] : was[n];
    vstore(now, half(vload(now)));
    for (int n = 0; n < 16; n++) {
      const float step = now[n] - was[n];
      if (!(now[n] >= 0x1p-14f && now[n] <= 65504 && step * (2 * a[n] + step * c[n]) < 0)) now[n] = was[n];
    }
    const V step = vsub(vload(now), old);
    vstore(at, vload(now));
    for (int64_t j = 0; j < group; j++) {
      float *l = t->l + j * LANES + 16 * v;
      vstore(l, vfma(step, vload(t->u + j * LANES + 16 * v), vload(l)));
    }
  }
}

void move_group(const tile *t, const awqk_refine_args *g, int64_t i) {
  const int64_t from = i * g->group;
  const float *h = g->h + from * g->k + from;
  differences(t, g->group, i, t->before);
  __builtin_memcpy(t->l, t->r + from * LANES, sizeof(float) * (size_t)(g->group * LANES));
  for (int pass = 0; pass < INNER; pass++) {
    move_codes(t, h, g->k, g->group, i);
    move_scale(t, h, g->k, g->group, i);
  }
  differences(t, g->group, i, t->q);
  for (int64_t j = 0; j < g->group * LANES; j += 16) vstore(t->q + j, vsub(vload(t->q + j), vload(t->before + j)));
  spread(g->h + from * g->k, g->k, g->group, t->q, g->k, t->r);
}

/* The loss of each row of the tile. */
void losses(const tile *t, const awqk_refine_args *g, int64_t row, int64_t rows, double *loss) {
  for (int64_t n = 0; n < rows; n++) loss[n] = 0;
  for (int64_t i = 0; i < g->k / g->group; i++) {
    differences(t, g->group, i, t->q);
    for (int64_t j = 0; j < g->group; j++)
      for (int64_t n = 0; n < rows; n++) {
        const int64_t k = i * g->group + j;
        const float e = g->e ? g->e[(row + n) * g->e_stride + k] : 0;
        loss[n] += (double)t->q[j * LANES + n] * ((double)t->r[k * LANES + n] + (double)e);
      }
  }
}

void load_tile(const tile *t, const awqk_refine_args *g, int64_t row, int64_t rows) {
  const int64_t groups = g->k / g->group;
  __builtin_memset(t->w, 0, sizeof(float) * (size_t)(3 * g->k * LANES)); /* w, r and code lie together */
  for (int64_t i = 0; i < groups * LANES; i++) t->scale[i] = 1, t->zero[i] = 0;
  for (int64_t n = 0; n < rows; n++) {
    const int64_t at = row + n;
    for (int64_t k = 0; k < g->k; k++) {
      t->w[k * LANES + n] = g->w[at * g->w_stride + k];
      t->code[k * LANES + n] = (float)awq_code(g->codes + at * (g->k / 2), k);
      if (g->e) t->r[k * LANES + n] = g->e[at * g->e_stride + k];
    }
    for (int64_t i = 0; i < groups; i++) {
      t->scale[i * LANES + n] = awq_f16_to_f32(g->scales[at * groups + i]);
      t->zero[i * LANES + n] = g->zeros[at * groups + i];
    }
  }
}

void store_row(const tile *t, const awqk_refine_args *g, int64_t row, int64_t n) {
  const int64_t groups = g->k / g->group;
  uint8_t *codes = g->codes + (row + n) * (g->k / 2);
  for (int64_t k = 0; k < g->k; k += 2) codes[k / 2] = (uint8_t)((int)t->code[k * LANES + n] | (int)t->code[(k + 1) * LANES + n] << 4);
  for (int64_t i = 0; i < groups; i++) g->scales[(row + n) * groups + i] = awq_f32_to_f16(t->scale[i * LANES + n]);
}

void refine_rows(void *argument, int64_t chunk, int32_t worker) {
  const refine_job *job = (const refine_job *)argument;
  const awqk_refine_args *g = job->g;
  const int64_t row = chunk * LANES, rows = least(LANES, g->n - row), groups = g->k / g->group;
  float *at = (float *)(job->own + worker * job->own_bytes);
  tile t;
  t.w = at;
  t.r = t.w + g->k * LANES;
  t.code = t.r + g->k * LANES;
  t.q = t.code + g->k * LANES;
  t.l = t.q + g->group * LANES;
  t.u = t.l + g->group * LANES;
  t.before = t.u + g->group * LANES;
  t.scale = t.before + g->group * LANES;
  t.zero = t.scale + groups * LANES;
  load_tile(&t, g, row, rows);
  for (int64_t i = 0; i < groups; i++) {
    differences(&t, g->group, i, t.q);
    spread(g->h + i * g->group * g->k, g->k, g->group, t.q, g->k, t.r);
  }
  losses(&t, g, row, rows, g->before + row);
  for (int32_t sweep = 0; sweep < g->sweeps; sweep++)
    for (int64_t i = 0; i < groups; i++) move_group(&t, g, i);
  losses(&t, g, row, rows, g->after + row);
  for (int64_t n = 0; n < rows; n++) {
    if (g->after[row + n] < g->before[row + n]) store_row(&t, g, row, n); /* false for NaN */
    else g->after[row + n] = g->before[row + n];
  }
}

}  // namespace

extern "C" int32_t AWQ_KERNEL_NAME(refine_w4)(awqk_device *device, const awqk_refine_args *g, void *) {
  if (g->group < 1 || g->k < 1 || g->k % g->group || g->k % 2 || g->sweeps < 0) return AWQK_ERR_INVALID_ARGUMENT;
  const int32_t threads = awq_threads(device);
  refine_job j = {g, nullptr, (int64_t)sizeof(float) * LANES * (3 * g->k + 4 * g->group + 2 * (g->k / g->group))};
  j.own = (char *)awq_scratch_get(device, (size_t)(threads * j.own_bytes));
  if (!j.own) return AWQK_ERR_OUT_OF_MEMORY;
  awq_parallel(device, blocks(g->n, LANES), 1e9, refine_rows, &j);
  awq_scratch_put(device, j.own);
  return AWQK_OK;
}
