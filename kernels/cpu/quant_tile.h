/* The quantisation rule of awq_backend.h, vector by vector: fake quantisation, final codes, clip search. Codes are the same
 * on every instruction set: true division, half to even, sums in one order, no fused multiply-add. */
#include "tile.h"

namespace {

template <class A> struct quant_job {
  const A *g;
  int64_t size;              /* rows a chunk */
  char *own;                 /* scratch a thread */
  int64_t own_bytes;
};

AWQ_INLINE V clamped(V x, V low, V high) { return vmin(vmax(x, low), high); }

/* Scale and zero of one group; code = clamp(round(w / scale) + zero, 0, 15) in either form. */
struct grid {
  float scale, zero;
};

AWQ_INLINE grid zero_for(float least_value, float scale, bool symmetric) {
  if (symmetric) return {scale, 8};
  float t[16];
  vstore(t, clamped(vround(vdiv(vset(-least_value), vset(scale))), vset(0), vset(15)));
  return {scale, t[0]};
}

AWQ_INLINE float scale_for(float low, float high, bool symmetric) {
  const float range = symmetric ? (high > -low ? high : -low) : high - low;
  return (range > 1e-5f ? range : 1e-5f) / (symmetric ? 7.0f : 15.0f);
}

AWQ_INLINE V codes_of(V w, V scale, V zero) { return clamped(vadd(vround(vdiv(w, scale)), zero), vset(0), vset(15)); }

/* w (times s), clamped to +-limit. */
AWQ_INLINE V value_at(const float *w, const float *s, int64_t k, int64_t left, V limit) {
  V x = load_part(w + k, left, 0);
  if (s) x = vmul(x, load_part(s + k, left, 0));
  return clamped(x, vsub(vset(0), limit), limit);
}

AWQ_INLINE void range_of(const float *w, const float *s, int64_t count, V limit, float *low, float *high) {
  V least_value = vset(0), most_value = vset(0);
  for (int64_t k = 0; k < count; k += 16) {
    const V x = value_at(w, s, k, count - k, limit);
    least_value = vmin(x, least_value);
    most_value = vmax(x, most_value);
  }
  *low = min_of(least_value);
  *high = max_of(most_value);
}

/* ---- fake quantisation ---- */

void fakequant_rows(void *argument, int64_t chunk, int32_t) {
  const auto *j = (const quant_job<awqk_fakequant_args> *)argument;
  const awqk_fakequant_args *g = j->g;
  const int64_t groups = g->k / g->group;
  for (int64_t n = chunk * j->size; n < least(g->n, (chunk + 1) * j->size); n++)
    for (int64_t i = 0; i < groups; i++) {
      const float *w = g->w + n * g->w_stride + i * g->group, *s = g->s ? g->s + i * g->group : nullptr;
      float *out = g->out + n * g->out_stride + i * g->group, low, high;
      const V limit = vset(g->limit ? g->limit[n * groups + i] : __builtin_inff());
      range_of(w, s, g->group, limit, &low, &high);
      const grid q = zero_for(low, scale_for(low, high, g->symmetric), g->symmetric);
      const V scale = vset(q.scale), zero = vset(q.zero);
      for (int64_t k = 0; k < g->group; k += 16) {
        const int64_t left = g->group - k;
        V y = vmul(vsub(codes_of(value_at(w, s, k, left, limit), scale, zero), zero), scale);
        if (s) y = vdiv(y, load_part(s + k, left, 1));
        if (g->difference) y = vsub(y, load_part(w + k, left, 0));
        store_part(out + k, y, left);
      }
    }
}

/* ---- final codes ---- */

void quantize_rows(void *argument, int64_t chunk, int32_t) {
  const auto *j = (const quant_job<awqk_quantize_args> *)argument;
  const awqk_quantize_args *g = j->g;
  const int64_t groups = g->k / g->group;
  for (int64_t n = chunk * j->size; n < least(g->n, (chunk + 1) * j->size); n++) {
    uint8_t *codes = g->codes + n * (g->k / 2);
    for (int64_t i = 0; i < groups; i++) {
      const float *w = g->w + n * g->w_stride + i * g->group;
      const V limit = vset(g->limit ? g->limit[n * groups + i] : __builtin_inff());
      float low, high;
      range_of(w, nullptr, g->group, limit, &low, &high);
      uint16_t half = awq_f32_to_f16(scale_for(low, high, g->symmetric));
      if (half > 0x7bff) half = 0x7bff; /* beyond fp16: its largest number */
      const grid q = zero_for(low, awq_f16_to_f32(half), g->symmetric);
      const V scale = vset(q.scale), zero = vset(q.zero);
      g->scales[n * groups + i] = half;
      g->zeros[n * groups + i] = (uint8_t)q.zero;
      for (int64_t k = 0; k < g->group; k += 16) {
        const int64_t left = least(16, g->group - k);
        float t[16];
        vstore(t, codes_of(value_at(w, nullptr, k, left, limit), scale, zero));
        for (int c = 0; c < left; c++) { /* a group of odd length may begin in the middle of a byte */
          const int64_t at = i * g->group + k + c;
          const uint8_t code = (uint8_t)t[c];
          codes[at / 2] = (uint8_t)(at % 2 ? (codes[at / 2] & 15) | code << 4 : code);
        }
      }
    }
  }
}

/* ---- clip ---- */

/* d of LEVELS limits for CLIP_ROWS rows, then d^T G d, sixteen columns of G at a time: G is read once for all of them.
 * Products and sums run over i in order for each column, over columns in sixteen lanes. */
enum { LEVELS = 10, TOGETHER = 5, CLIP_ROWS = 8 };
static_assert(LEVELS % TOGETHER == 0, "levels are evaluated in equal shares");

struct clip_scratch {
  float *d;                  /* [row][level / TOGETHER][i][level % TOGETHER] */
  float limit[CLIP_ROWS][LEVELS];
};

AWQ_INLINE float *share_of(const clip_scratch *c, int64_t group, int64_t row, int64_t level) {
  return c->d + ((row * (LEVELS / TOGETHER) + level / TOGETHER) * group) * TOGETHER + level % TOGETHER;
}

void clip_differences(const awqk_clip_args *g, const float *w, int64_t row, clip_scratch *c) {
  float low, high;
  range_of(w, nullptr, g->group, vset(__builtin_inff()), &low, &high);
  const float top = high > -low ? high : -low;
  for (int level = 0; level < LEVELS; level++) {
    const float bound = top * (float)(1.0 - level / 20.0);
    c->limit[row][level] = bound;
    const float l = low > -bound ? low : -bound, h = high < bound ? high : bound;
    const grid q = zero_for(l, scale_for(l, h, g->symmetric), g->symmetric);
    const V limit = vset(bound), scale = vset(q.scale), zero = vset(q.zero);
    float *d = share_of(c, g->group, row, level);
    for (int64_t k = 0; k < g->group; k += 16) {
      const int64_t left = least(16, g->group - k);
      const V x = load_part(w + k, left, 0);
      const V y = vmul(vsub(codes_of(clamped(x, vsub(vset(0), limit), limit), scale, zero), zero), scale);
      float t[16];
      vstore(t, vsub(y, x));
      for (int i = 0; i < left; i++) d[(k + i) * TOGETHER] = t[i];
    }
  }
}

/* error[level] lanes += d_j * sum_i d_i G_ij for columns j .. j+16 */
AWQ_INLINE void clip_columns(const float *d, const float *gram, int64_t group, int64_t column, V (&error)[TOGETHER]) {
  V sum[TOGETHER];
#pragma GCC unroll 8
  for (int l = 0; l < TOGETHER; l++) sum[l] = vset(0);
  const int64_t left = group - column;
  for (int64_t i = 0; i < group; i++) {
    const V line = load_part(gram + i * group + column, left, 0);
#pragma GCC unroll 8
    for (int l = 0; l < TOGETHER; l++) sum[l] = vadd(sum[l], vmul(vset(d[i * TOGETHER + l]), line));
  }
#pragma GCC unroll 8
  for (int l = 0; l < TOGETHER; l++) {
    float t[16];
    for (int i = 0; i < 16; i++) t[i] = i < left ? d[(column + i) * TOGETHER + l] : 0;
    error[l] = vadd(error[l], vmul(sum[l], vload(t)));
  }
}

void clip_block(void *argument, int64_t chunk, int32_t worker) {
  const auto *j = (const quant_job<awqk_clip_args> *)argument;
  const awqk_clip_args *g = j->g;
  const int64_t groups = g->k / g->group, i = chunk % groups, row0 = chunk / groups * CLIP_ROWS, rows = least(CLIP_ROWS, g->n - row0);
  const float *gram = g->gram + i * g->group * g->group;
  clip_scratch c;
  c.d = (float *)(j->own + worker * j->own_bytes);
  V error[CLIP_ROWS][LEVELS / TOGETHER][TOGETHER];
  for (int64_t r = 0; r < rows; r++) {
    clip_differences(g, g->w + (row0 + r) * g->w_stride + i * g->group, r, &c);
    for (auto &share : error[r])
      for (V &e : share) e = vset(0);
  }
  for (int64_t column = 0; column < g->group; column += 16)
    for (int64_t r = 0; r < rows; r++)
      for (int s = 0; s < LEVELS / TOGETHER; s++) clip_columns(share_of(&c, g->group, r, s * TOGETHER), gram, g->group, column, error[r][s]);
  for (int64_t r = 0; r < rows; r++) {
    const int64_t at = (row0 + r) * groups + i;
    const float plain = sum_of(error[r][0][0]);
    g->plain[at] = g->best[at] = plain;
    g->limit[at] = c.limit[r][0];
    for (int level = 1; level < LEVELS; level++) {
      const float e = sum_of(error[r][level / TOGETHER][level % TOGETHER]);
      if (!(e < g->best[at])) continue;
      g->best[at] = e;
      g->limit[at] = c.limit[r][level];
    }
  }
}

template <class A> AWQ_INLINE bool bad(const A *g) { return g->group < 1 || g->k < 1 || g->k % g->group; }

}  // namespace

extern "C" int32_t AWQ_KERNEL_NAME(fakequant_w4)(awqk_device *device, const awqk_fakequant_args *g, void *) {
  if (bad(g)) return AWQK_ERR_INVALID_ARGUMENT;
  quant_job<awqk_fakequant_args> j = {g, most(1, (16 << 10) / g->k), nullptr, 0};
  awq_parallel(device, blocks(g->n, j.size), (double)g->n * (double)g->k * 1.2, fakequant_rows, &j);
  return AWQK_OK;
}

extern "C" int32_t AWQ_KERNEL_NAME(quantize_w4)(awqk_device *device, const awqk_quantize_args *g, void *) {
  if (bad(g) || g->k % 2) return AWQK_ERR_INVALID_ARGUMENT;
  quant_job<awqk_quantize_args> j = {g, most(1, (16 << 10) / g->k), nullptr, 0};
  awq_parallel(device, blocks(g->n, j.size), (double)g->n * (double)g->k * 2, quantize_rows, &j);
  return AWQK_OK;
}

extern "C" int32_t AWQ_KERNEL_NAME(clip_w4)(awqk_device *device, const awqk_clip_args *g, void *) {
  if (bad(g)) return AWQK_ERR_INVALID_ARGUMENT;
  const int32_t threads = awq_threads(device);
  quant_job<awqk_clip_args> j = {g, CLIP_ROWS, nullptr, (CLIP_ROWS * LEVELS * g->group * (int64_t)sizeof(float) + 63) / 64 * 64};
  j.own = (char *)awq_scratch_get(device, (size_t)(threads * j.own_bytes));
  if (!j.own) return AWQK_ERR_OUT_OF_MEMORY;
  awq_parallel(device, blocks(g->n, CLIP_ROWS) * (g->k / g->group), (double)g->n * (double)g->k * (double)g->group, clip_block, &j);
  awq_scratch_put(device, j.own);
  return AWQK_OK;
}
