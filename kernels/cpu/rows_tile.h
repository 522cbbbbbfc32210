/* Everything that goes row by row over floats: norms, rotation, softmax, gating, statistics, logits. Rows (or columns) are
 * independent tasks and sums run in a fixed order: the bits depend neither on threads nor on the instruction set. */
#include "tile.h"

extern "C" double sqrt(double);
extern "C" double log(double);

namespace {

template <class A> struct rows_job {
  const A *g;
  int64_t size;              /* rows or columns a chunk */
  double *part;
};

/* Runs fn over chunks of `size` of `count` items that cost `each` ns. */
template <class A> void over(awqk_device *device, const A *g, int64_t count, int64_t size, double each, awq_chunk_fn fn, double *part = nullptr) {
  rows_job<A> j = {g, size, part};
  awq_parallel(device, blocks(count, size), each * (double)count, fn, &j);
}

/* Rows a chunk so that it holds some 32 K values. */
AWQ_INLINE int64_t rows_of(int64_t width) { return most(1, (32 << 10) / most(1, width)); }

/* ---- norm ---- */

void rmsnorm_rows(void *argument, int64_t chunk, int32_t) {
  const auto *j = (const rows_job<awqk_rmsnorm_args> *)argument;
  const awqk_rmsnorm_args *g = j->g;
  for (int64_t i = chunk * j->size; i < least(g->m, (chunk + 1) * j->size); i++) {
    const float *x = g->x + i * g->x_stride;
    float *y = g->y + i * g->y_stride;
    double sums[16] = {};
    int64_t k = 0;
    for (; k + 16 <= g->k; k += 16)
      for (int c = 0; c < 16; c++) sums[c] += (double)x[k + c] * (double)x[k + c];
    for (int c = 0; k + c < g->k; c++) sums[c] += (double)x[k + c] * (double)x[k + c];
    const V unit = vset((float)(1.0 / sqrt(fold16(sums) / (double)g->k + (double)g->eps)));
    for (k = 0; k < g->k; k += 16) {
      const int64_t left = g->k - k;
      store_part(y + k, vmul(vmul(load_part(x + k, left, 0), unit), load_part(g->weight + k, left, 0)), left);
    }
  }
}

/* ---- rotation ---- */

void rope_rows(void *argument, int64_t chunk, int32_t) {
  const auto *j = (const rows_job<awqk_rope_args> *)argument;
  const awqk_rope_args *g = j->g;
  const int64_t half = g->rot / 2;
  for (int64_t i = chunk * j->size; i < least(g->m, (chunk + 1) * j->size); i++) {
    const float *cosine = g->cos + i * half, *sine = g->sin + i * half;
    for (int64_t head = 0; head < g->heads; head++) {
      float *x = g->x + i * g->stride + head * g->head_dim;
      if (g->interleaved) {
        for (int64_t c = 0; c < half; c++) {
          const float a = x[2 * c], b = x[2 * c + 1];
          x[2 * c] = a * cosine[c] - b * sine[c];
          x[2 * c + 1] = b * cosine[c] + a * sine[c];
        }
        continue;
      }
      for (int64_t c = 0; c < half; c += 16) {
        const int64_t left = half - c;
        const V a = load_part(x + c, left, 0), b = load_part(x + half + c, left, 0);
        const V cs = load_part(cosine + c, left, 0), sn = load_part(sine + c, left, 0);
        store_part(x + c, vsub(vmul(a, cs), vmul(b, sn)), left);
        store_part(x + half + c, vadd(vmul(b, cs), vmul(a, sn)), left);
      }
    }
  }
}

/* ---- softmax ---- */

AWQ_INLINE float row_max(const float *x, int64_t count) {
  V top = vset(-__builtin_inff());
  for (int64_t k = 0; k < count; k += 16) top = vmax(top, load_part(x + k, count - k, -__builtin_inff()));
  return max_of(top);
}

void softmax_rows(void *argument, int64_t chunk, int32_t) {
  const auto *j = (const rows_job<awqk_softmax_args> *)argument;
  const awqk_softmax_args *g = j->g;
  for (int64_t i = chunk * j->size; i < least(g->m, (chunk + 1) * j->size); i++) {
    float *row = g->x + i * g->stride;
    const int64_t to = most(0, least(g->n, g->past + i + 1)), from = g->window > 0 ? least(to, most(0, g->past + i - g->window + 1)) : 0;
    float *x = row + from;
    const int64_t count = to - from;
    for (int64_t k = 0; k < from; k++) row[k] = 0;
    for (int64_t k = to; k < g->n; k++) row[k] = 0;
    if (!count) continue;
    const V scale = vset(g->scale);
    V top = vset(-__builtin_inff());
    for (int64_t k = 0; k < count; k += 16) {
      const V value = vmul(load_part(x + k, count - k, 0), scale);
      store_part(x + k, value, count - k);
      top = vmax(top, load_part(x + k, count - k, -__builtin_inff()));
    }
    const V most_of_row = vset(max_of(top));
    V sum = vset(0);
    for (int64_t k = 0; k < count; k += 16) {
      const V e = vexp(vsub(load_part(x + k, count - k, -__builtin_inff()), most_of_row)); /* a missing lane adds exp(-inf) = 0 */
      store_part(x + k, e, count - k);
      sum = vadd(sum, e);
    }
    const V total = vset(sum_of(sum));
    for (int64_t k = 0; k < count; k += 16) store_part(x + k, vdiv(load_part(x + k, count - k, 0), total), count - k);
  }
}

/* ---- gate ---- */

void glu_rows(void *argument, int64_t chunk, int32_t) {
  const auto *j = (const rows_job<awqk_glu_args> *)argument;
  const awqk_glu_args *g = j->g;
  for (int64_t i = chunk * j->size; i < least(g->m, (chunk + 1) * j->size); i++) {
    const float *gate = g->gate + i * g->gate_stride, *up = g->up + i * g->up_stride;
    float *y = g->y + i * g->y_stride;
    for (int64_t k = 0; k < g->n; k += 16) {
      const int64_t left = g->n - k;
      const V x = load_part(gate + k, left, 0);
      const V silu = vdiv(x, vadd(vset(1), vexp(vsub(vset(0), x))));
      store_part(y + k, vmul(silu, load_part(up + k, left, 0)), left);
    }
  }
}

/* ---- statistics ---- */

enum { SUM_COLUMNS = 128 };

void abssum_columns(void *argument, int64_t chunk, int32_t) {
  const awqk_abssum_args *g = ((const rows_job<awqk_abssum_args> *)argument)->g;
  const int64_t from = chunk * SUM_COLUMNS, count = least(SUM_COLUMNS, g->k - from);
  double sums[SUM_COLUMNS] = {};
  for (int64_t i = 0; i < g->m; i++) {
    const float *x = g->x + i * g->stride + from;
    for (int64_t c = 0; c < count; c++) sums[c] += (double)__builtin_fabsf(x[c]);
  }
  for (int64_t c = 0; c < count; c++) g->sums[from + c] += sums[c];
}

void sqdiff_rows(void *argument, int64_t chunk, int32_t) {
  const auto *j = (const rows_job<awqk_sqdiff_args> *)argument;
  const awqk_sqdiff_args *g = j->g;
  double sums[16] = {};
  for (int64_t i = chunk * j->size; i < least(g->m, (chunk + 1) * j->size); i++) {
    const float *a = g->a + i * g->a_stride, *b = g->b ? g->b + i * g->b_stride : nullptr;
    for (int64_t k = 0; k < g->n; k += 16)
      for (int c = 0; c < least(16, g->n - k); c++) {
        const double d = (double)a[k + c] - (b ? (double)b[k + c] : 0.0);
        sums[c] += d * d;
      }
  }
  j->part[chunk] = fold16(sums);
}

/* ---- logits ---- */

/* log sum exp of a row. */
AWQ_INLINE double lse(const float *x, int64_t count, float top) {
  double sums[16] = {};
  for (int64_t k = 0; k < count; k += 16) {
    float e[16];
    vstore(e, vexp(vsub(load_part(x + k, count - k, -__builtin_inff()), vset(top))));
    for (int c = 0; c < 16; c++) sums[c] += (double)e[c];
  }
  return log(fold16(sums)) + (double)top;
}

AWQ_INLINE int64_t first_of(const float *x, int64_t count, float value) {
  for (int64_t k = 0; k < count; k++)
    if (x[k] == value) return k;
  return -1;
}

void logits_rows(void *argument, int64_t i, int32_t) {
  const awqk_logits_args *g = ((const rows_job<awqk_logits_args> *)argument)->g;
  const float *q = g->q + i * g->q_stride;
  const float top_q = row_max(q, g->v);
  const double lse_q = lse(q, g->v, top_q);
  const int32_t target = g->targets ? g->targets[i] : -1;
  if (g->nll) g->nll[i] = target >= 0 && target < g->v ? lse_q - (double)q[target] : 0.0;
  if (!g->p || (!g->kl && !g->agree)) return;
  const float *p = g->p + i * g->p_stride;
  const float top_p = row_max(p, g->v);
  if (g->agree) g->agree[i] = first_of(p, g->v, top_p) == first_of(q, g->v, top_q);
  if (!g->kl) return;
  const double lse_p = lse(p, g->v, top_p);
  double sums[16] = {}, weights[16] = {};
  for (int64_t k = 0; k < g->v; k += 16) {
    const int64_t left = g->v - k;
    const V value = load_part(p + k, left, -__builtin_inff());
    float e[16], a[16], b[16];
    vstore(e, vexp(vsub(value, vset(top_p))));
    vstore(a, value);
    vstore(b, load_part(q + k, left, 0));
    for (int c = 0; c < 16; c++) {
      const double weight = (double)e[c], term = weight * (((double)a[c] - lse_p) - ((double)b[c] - lse_q));
      sums[c] += weight == 0.0 ? 0.0 : term; /* 0 log 0, also where p is -inf */
      weights[c] += weight;
    }
  }
  g->kl[i] = fold16(sums) / fold16(weights);
}

}  // namespace

extern "C" int32_t AWQ_KERNEL_NAME(rmsnorm_f32)(awqk_device *device, const awqk_rmsnorm_args *g, void *) {
  over(device, g, g->m, rows_of(g->k), 0.5 * (double)g->k, rmsnorm_rows);
  return AWQK_OK;
}

extern "C" int32_t AWQ_KERNEL_NAME(rope_f32)(awqk_device *device, const awqk_rope_args *g, void *) {
  if (g->rot < 0 || g->rot % 2 || g->rot > g->head_dim) return AWQK_ERR_INVALID_ARGUMENT;
  over(device, g, g->m, rows_of(g->heads * g->rot), 0.5 * (double)(g->heads * g->rot), rope_rows);
  return AWQK_OK;
}

extern "C" int32_t AWQ_KERNEL_NAME(softmax_f32)(awqk_device *device, const awqk_softmax_args *g, void *) {
  over(device, g, g->m, rows_of(4 * g->n), 1.5 * (double)g->n, softmax_rows);
  return AWQK_OK;
}

extern "C" int32_t AWQ_KERNEL_NAME(glu_f32)(awqk_device *device, const awqk_glu_args *g, void *) {
  if (g->act != AWQK_ACT_SILU) return AWQK_ERR_UNSUPPORTED;
  over(device, g, g->m, rows_of(4 * g->n), 1.5 * (double)g->n, glu_rows);
  return AWQK_OK;
}

extern "C" int32_t AWQ_KERNEL_NAME(abssum_f32)(awqk_device *device, const awqk_abssum_args *g, void *) {
  over(device, g, g->k, SUM_COLUMNS, 0.5 * (double)g->m, abssum_columns);
  return AWQK_OK;
}

/* At most 256 blocks of rows, cut by m alone; their sums are added in order. */
extern "C" int32_t AWQ_KERNEL_NAME(sqdiff_f32)(awqk_device *device, const awqk_sqdiff_args *g, void *) {
  double part[256];
  const int64_t size = most(1, blocks(g->m, 256)), count = blocks(g->m, size);
  over(device, g, g->m, size, 0.5 * (double)g->n, sqdiff_rows, part);
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += part[i];
  *g->sum = sum;
  return AWQK_OK;
}

extern "C" int32_t AWQ_KERNEL_NAME(logits_f32)(awqk_device *device, const awqk_logits_args *g, void *) {
  over(device, g, g->m, 1, 3.0 * (double)g->v, logits_rows);
  return AWQK_OK;
}
