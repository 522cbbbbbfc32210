/* y = x . W^T over lane blocks (cpu.h).
 *
 * Exact mode. For each segment the products of one row and one channel are added in one fp32 chain, in the order
 * t = (e, j) of code 8j + e; then acc += scale * chain, segment after segment; the bias comes last. (code - zero) is formed as
 * an integer, so weights are exact and a zero weight adds nothing. Every path below keeps this order: the bits of a row of y
 * depend neither on m, nor on threads, parts or strides. With u = 2^-24 and L codes a segment (L <= 256), S segments:
 * |error| <= (L + S + 2) u sum |w x|, in practice near sqrt of that.
 *
 * The codes are not shifted down: nibble e counts 16^e, and x comes prepared with 16^-e, an exact factor (nibble 7 would meet
 * the sign bit and is shifted).
 *
 * Int8 mode. x is rounded half to even to q = x / d, d = max|x| / 127 a row and group; a segment's sum of (code - zero) q is an
 * exact integer; then acc += (scale * d) * sum without fused multiply-add: the bits are those of every instruction set. */
#include "micro_tile.h"

namespace {

typedef const awqk_linear_args *Args;

enum {
  BLOCK_ROWS = 480,          /* rows prepared at once at most */
  FEW_ROWS = 8,              /* up to here each row tile decodes for itself, above codes are spread out once */
  STRIPE = 8,                /* panels a task when codes are spread out */
  CHUNK_BYTES = 64 << 10,
  AHEAD = 2,                 /* segments of prefetch */
  HINT = 2                   /* into L2 */
};
static_assert(BLOCK_ROWS % GEMM_MR == 0, "row blocks are made of whole tiles");

struct linear_job {
  Args g;
  const awqk_weight *w;
  int64_t row, rows;         /* current block of x */
  int64_t panel0, panel1;    /* share of the channels */
  int64_t chunk_panels;
  int64_t depth;             /* prepared values a segment */
  float *x;                  /* exact, few rows: [row][segment][t]; else [segment][tile][t][row in tile] */
  int8_t *q;                 /* int8: [row][segment][t] in the order of idot2 */
  float *unit;               /* int8: d, [row][segment] */
  int32_t *sum;              /* int8: sum of q, [row][segment] */
  char *own;                 /* scratch a thread */
  int64_t own_bytes;
};

/* ---- x ---- */

/* Values k0 .. k0+count of a row as floats; `count` <= AWQ_SEGMENT, the rest up to `depth` zero. */
AWQ_INLINE void read_row(const void *row, int32_t dtype, int64_t k0, int64_t count, int64_t depth, float *to) {
  int64_t i = 0;
  if (dtype == AWQK_F32) {
    const float *p = (const float *)row + k0;
    for (; i + 16 <= count; i += 16) vstore(to + i, vload(p + i));
    for (; i < count; i++) to[i] = p[i];
  } else if (dtype == AWQK_F16) {
    const uint16_t *p = (const uint16_t *)row + k0;
    for (; i + 16 <= count; i += 16) vstore(to + i, load_f16(p + i));
    for (; i < count; i++) to[i] = awq_f16_to_f32(p[i]);
  } else {
    const uint16_t *p = (const uint16_t *)row + k0;
    for (; i + 16 <= count; i += 16) vstore(to + i, load_bf16(p + i));
    for (; i < count; i++) to[i] = awq_bf16_to_f32(p[i]);
  }
  for (; i < depth; i++) to[i] = 0;
}

AWQ_INLINE const void *row_of(Args g, int64_t i) { return (const char *)g->x + i * g->x_stride * (g->x_dtype == AWQK_F32 ? 4 : 2); }

/* Where segment s begins in k and how many codes it has. */
AWQ_INLINE int64_t segment_start(const awqk_weight *w, int64_t s) { return s / w->splits * w->group + s % w->splits * w->lines * 8; }
AWQ_INLINE int64_t segment_count(const awqk_weight *w, int64_t s) {
  return least(w->lines * 8, (s / w->splits + 1) * w->group - segment_start(w, s));
}

AWQ_INLINE void spread(const float *from, int64_t lines, int64_t stride, float *to) {
  static const float unit[8] = {1.0f, 0x1p-4f, 0x1p-8f, 0x1p-12f, 0x1p-16f, 0x1p-20f, 0x1p-24f, 1.0f};
  for (int e = 0; e < 8; e++)
    for (int64_t j = 0; j < lines; j++) to[(e * lines + j) * stride] = from[8 * j + e] * unit[e];
}

/* One row tile of x; `few`: each row by itself. */
void prepare_exact(void *argument, int64_t tile, int32_t) {
  const linear_job *j = (const linear_job *)argument;
  const awqk_weight *w = j->w;
  float buffer[AWQ_SEGMENT + 8];
  const bool few = j->rows <= FEW_ROWS;
  const int64_t first = few ? tile : tile * GEMM_MR, rows = few ? 1 : least(GEMM_MR, j->rows - first);
  for (int64_t r = 0; r < rows; r++) {
    const void *row = row_of(j->g, j->row + first + r);
    for (int64_t s = 0; s < w->segments; s++) {
      read_row(row, j->g->x_dtype, segment_start(w, s), segment_count(w, s), j->depth, buffer);
      if (few) spread(buffer, w->lines, 1, j->x + (first * w->segments + s) * j->depth);
      else spread(buffer, w->lines, rows, j->x + (s * j->rows + first) * j->depth + r);
    }
  }
}

void prepare_int8(void *argument, int64_t i, int32_t) {
  const linear_job *j = (const linear_job *)argument;
  const awqk_weight *w = j->w;
  const void *row = row_of(j->g, j->row + i);
  float buffer[AWQ_SEGMENT + 8], whole[AWQ_SEGMENT + 8];
  for (int64_t s0 = 0; s0 < w->segments; s0 += w->splits) {
    V top = vset(0), poison = vset(0);
    for (int64_t s = s0; s < s0 + w->splits; s++) {
      read_row(row, j->g->x_dtype, segment_start(w, s), segment_count(w, s), j->depth, buffer);
      for (int64_t t = 0; t < j->depth; t += 16) {
        const V x = load_part(buffer + t, j->depth - t, 0);
        top = vmax(vabs(x), top);
        poison = vadd(poison, vsub(x, x)); /* NaN where x is infinite or NaN: it must reach y */
      }
    }
    const float unit = max_of(top) / 127.0f + sum_of(poison);
    for (int64_t s = s0; s < s0 + w->splits; s++) {
      if (w->splits > 1) read_row(row, j->g->x_dtype, segment_start(w, s), segment_count(w, s), j->depth, buffer);
      for (int64_t t = 0; t < j->depth; t += 16) {
        const V q = vround(vdiv(load_part(buffer + t, j->depth - t, 0), vset(unit)));
        store_part(whole + t, vmin(vmax(q, vset(-127)), vset(127)), j->depth - t);
      }
      const int64_t at = i * w->segments + s;
      int8_t *to = j->q + at * j->depth;
      int32_t sum = 0;
      for (int64_t t = 0; t < j->depth; t++) { /* codes 0, 2, 4, 6 of a line, then 1, 3, 5, 7 */
        const int32_t q = unit > 0 ? (int32_t)whole[t] : 0;
        to[(t & ~7) + (t & 1) * 4 + (t & 7) / 2] = (int8_t)q;
        sum += q;
      }
      j->unit[at] = unit;
      j->sum[at] = sum;
    }
  }
}

/* ---- y ---- */

AWQ_INLINE void write_row(const linear_job *j, int64_t i, int64_t panel, V value) {
  Args g = j->g;
  const int64_t n = panel * 16, count = least(16, j->w->n - n);
  if (j->w->bias) value = vadd(value, vload(j->w->bias + n));
  const int64_t at = (j->row + i) * g->y_stride + n;
  if (g->y_dtype == AWQK_F32) return store_part((float *)g->y + at, value, count);
  uint16_t *to = (uint16_t *)g->y + at;
  if (g->y_dtype == AWQK_F16 && count == 16) return store_f16(to, value);
  float t[16];
  vstore(t, value);
  for (int c = 0; c < count; c++) to[c] = g->y_dtype == AWQK_F16 ? awq_f32_to_f16(t[c]) : awq_f32_to_bf16(t[c]);
}

/* ---- codes ---- */

/* (code - zero) * 16^e of nibble e (e = 7: * 1) as floats; zero holds zero * 16^e. */
template <int E> AWQ_INLINE V weight_of(const uint8_t *line, I mask, I zero) {
  const I word = iload(line);
  if constexpr (E == 7) return ifloat(isub(iright<28>(word), zero));
  else return ifloat(isub(iand(word, mask), zero));
}
template <int E> AWQ_INLINE I zero_of(I zeros) { return E == 7 ? zeros : ileft < E == 7 ? 0 : 4 * E > (zeros); }
template <int E> AWQ_INLINE I mask_of() { return iset(15 << (E == 7 ? 0 : 4 * E)); }

AWQ_INLINE const uint8_t *panel_of(const awqk_weight *w, int64_t panel) { return w->data + panel * w->panel_bytes; }
AWQ_INLINE const uint8_t *records_of(const awqk_weight *w, const uint8_t *panel) { return panel + w->segments * w->lines * AWQ_LINE; }
AWQ_INLINE V scale_of(const uint8_t *record) { return load_f16((const uint16_t *)record); }

/* ---- few rows: decode in registers ---- */

template <int E, int P, int R>
AWQ_INLINE void nibbles(const uint8_t *const (&line)[P], const I (&zeros)[P], const float *x, int64_t x_row, int64_t lines, int64_t ahead,
                        V (&sum)[P][R]) {
  const I mask = mask_of<E>();
  I zero[P];
#pragma GCC unroll 4
  for (int p = 0; p < P; p++) zero[p] = zero_of<E>(zeros[p]);
  for (int64_t l = lines * E / 8; l < lines * (E + 1) / 8; l++) /* this pass's share of the segment that comes later */
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) __builtin_prefetch(line[p] + ahead + l * AWQ_LINE, 0, HINT);
  x += E * lines;
#pragma GCC unroll 4
  for (int64_t l = 0; l < lines; l++) {
    V value[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) value[r] = vset(x[r * x_row + l]);
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) {
      const V weight = weight_of<E>(line[p] + l * AWQ_LINE, mask, zero[p]);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) sum[p][r] = vfma(weight, value[r], sum[p][r]);
    }
  }
}

/* LINES: lines a segment where the compiler shall know them (the loops are short), else 0. */
template <int P, int R, int LINES> void few_exact(const linear_job *j, int64_t panel, int64_t row) {
  const awqk_weight *w = j->w;
  const int64_t x_row = w->segments * j->depth, lines = LINES ? LINES : w->lines, step = lines * AWQ_LINE;
  const float *x = j->x + row * x_row;
  const uint8_t *line[P], *record[P];
  V acc[P][R];
#pragma GCC unroll 4
  for (int p = 0; p < P; p++) {
    line[p] = panel_of(w, panel + p);
    record[p] = records_of(w, line[p]);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) acc[p][r] = vset(0);
  }
  for (int64_t s = 0; s < w->segments; s++, x += j->depth) {
    V sum[P][R];
    I zeros[P];
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) {
      zeros[p] = ibytes(record[p] + 32);
      __builtin_prefetch(record[p] + 256, 0, HINT);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) sum[p][r] = vset(0);
    }
    const int64_t ahead = AHEAD * step;
    nibbles<0>(line, zeros, x, x_row, lines, ahead, sum);
    nibbles<1>(line, zeros, x, x_row, lines, ahead, sum);
    nibbles<2>(line, zeros, x, x_row, lines, ahead, sum);
    nibbles<3>(line, zeros, x, x_row, lines, ahead, sum);
    nibbles<4>(line, zeros, x, x_row, lines, ahead, sum);
    nibbles<5>(line, zeros, x, x_row, lines, ahead, sum);
    nibbles<6>(line, zeros, x, x_row, lines, ahead, sum);
    nibbles<7>(line, zeros, x, x_row, lines, ahead, sum);
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) {
      const V scale = scale_of(record[p]);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) acc[p][r] = vfma(scale, sum[p][r], acc[p][r]);
      line[p] += step;
      record[p] += AWQ_RECORD;
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < P; p++)
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) write_row(j, row + r, panel + p, acc[p][r]);
}

template <int P, int R> void few_int8(const linear_job *j, int64_t panel, int64_t row) {
  const awqk_weight *w = j->w;
  const int64_t lines = w->lines, step = lines * AWQ_LINE;
  const I low = iset(0x0f0f0f0f);
  const uint8_t *line[P], *record[P];
  V acc[P][R];
#pragma GCC unroll 4
  for (int p = 0; p < P; p++) {
    line[p] = panel_of(w, panel + p);
    record[p] = records_of(w, line[p]);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) acc[p][r] = vset(0);
  }
  for (int64_t s = 0; s < w->segments; s++) {
    I sum[P][R];
#pragma GCC unroll 4
    for (int p = 0; p < P; p++)
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) sum[p][r] = iset(0);
    const int8_t *q[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) q[r] = j->q + ((row + r) * w->segments + s) * j->depth;
    for (int64_t l = 0; l < lines; l++) {
#pragma GCC unroll 4
      for (int p = 0; p < P; p++) {
        const I word = iload(line[p] + l * AWQ_LINE);
        __builtin_prefetch(line[p] + AHEAD * step + l * AWQ_LINE, 0, HINT);
        const I even = iand(word, low), odd = iand(iright<4>(word), low);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) {
          int32_t x[2];
          __builtin_memcpy(x, q[r] + 8 * l, 8);
          sum[p][r] = idot2(sum[p][r], even, iset(x[0]), odd, iset(x[1]));
        }
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) {
      const V scale = scale_of(record[p]);
      const I zeros = ibytes(record[p] + 32);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        const int64_t at = (row + r) * w->segments + s;
        const V exact = ifloat(isub(sum[p][r], imul(zeros, iset(j->sum[at]))));
        acc[p][r] = vadd(acc[p][r], vmul(vmul(scale, vset(j->unit[at])), exact));
      }
      line[p] += step;
      record[p] += AWQ_RECORD;
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < P; p++)
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) write_row(j, row + r, panel + p, acc[p][r]);
}

/* Panels side by side for R rows: as many streams as there are registers for sums. */
constexpr int panels_for(int rows) {
  int panels = GEMV_PANELS;
  while (panels > 1 && panels * rows > GEMV_SUMS) panels /= 2;
  return panels;
}

struct few_step {
  const linear_job *j;
  int64_t from, to, row;     /* panels */

  template <int P, int R> AWQ_INLINE void some(int64_t panel) const {
    if (j->w->mode == AWQK_INT8) few_int8<P, R>(j, panel, row);
    else if (R <= 2 && j->w->lines == 16) few_exact<P, R, R <= 2 ? 16 : 0>(j, panel, row);
    else few_exact<P, R, 0>(j, panel, row);
  }

  template <int R> AWQ_INLINE void run() const {
    constexpr int P = panels_for(R);
    int64_t panel = from;
    for (; panel + P <= to; panel += P) some<P, R>(panel);
    if constexpr (P > 1)
      for (; panel < to; panel++) some<1, R>(panel);
  }
};

/* A chunk of panels for all rows of the block: few panels at a time, so that their codes stay in the cache from one tile of
 * rows to the next. */
void few_chunk(void *argument, int64_t chunk, int32_t) {
  const linear_job *j = (const linear_job *)argument;
  const int64_t from = j->panel0 + chunk * j->chunk_panels, to = least(from + j->chunk_panels, j->panel1);
  for (int64_t panel = from; panel < to; panel += GEMV_PANELS)
    for (int64_t row = 0; row < j->rows; row += GEMV_ROWS)
      with_rows<GEMV_ROWS>(j->rows - row, few_step{j, panel, least(panel + GEMV_PANELS, to), row});
}

/* ---- many rows: spread a segment's codes out once, then micro() ---- */

template <int E> AWQ_INLINE void spread_codes(const uint8_t *line, I zeros, int64_t lines, int64_t width, float *to) {
  const I mask = mask_of<E>(), zero = zero_of<E>(zeros);
  to += E * lines * width;
  for (int64_t l = 0; l < lines; l++) vstore(to + l * width, weight_of<E>(line + l * AWQ_LINE, mask, zero));
}

template <int NV> struct many_step {
  const float *x, *codes;
  float *acc;              /* [row][NV * 16] */
  int64_t depth;
  V scale[NV];

  template <int MR> AWQ_INLINE void run() const {
    V sum[MR][NV];
    micro<MR, NV>(depth, x, codes, sum);
#pragma GCC unroll 16
    for (int r = 0; r < MR; r++)
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) {
        float *to = acc + (r * NV + v) * 16;
        vstore(to, vfma(scale[v], sum[r][v], vload(to)));
      }
  }
};

template <int NV> void many_panels(const linear_job *j, int64_t panel, int64_t s, float *codes, float *acc) {
  const awqk_weight *w = j->w;
  many_step<NV> step = {};
#pragma GCC unroll 4
  for (int v = 0; v < NV; v++) {
    const uint8_t *data = panel_of(w, panel + v), *line = data + s * w->lines * AWQ_LINE, *record = records_of(w, data) + s * AWQ_RECORD;
    const I zeros = ibytes(record + 32);
    step.scale[v] = scale_of(record);
    float *to = codes + 16 * v;
    spread_codes<0>(line, zeros, w->lines, NV * 16, to);
    spread_codes<1>(line, zeros, w->lines, NV * 16, to);
    spread_codes<2>(line, zeros, w->lines, NV * 16, to);
    spread_codes<3>(line, zeros, w->lines, NV * 16, to);
    spread_codes<4>(line, zeros, w->lines, NV * 16, to);
    spread_codes<5>(line, zeros, w->lines, NV * 16, to);
    spread_codes<6>(line, zeros, w->lines, NV * 16, to);
    spread_codes<7>(line, zeros, w->lines, NV * 16, to);
  }
  step.codes = codes;
  step.depth = j->depth;
  const float *x = j->x + s * j->rows * j->depth;
  for (int64_t row = 0; row < j->rows; row += GEMM_MR) {
    step.x = x + row * j->depth;
    step.acc = acc + row * NV * 16;
    if (j->rows - row >= GEMM_MR) step.template run<GEMM_MR>();
    else with_rows<GEMM_MR>(j->rows - row, step);
  }
}

void many_chunk(void *argument, int64_t chunk, int32_t worker) {
  const linear_job *j = (const linear_job *)argument;
  const int64_t from = j->panel0 + chunk * j->chunk_panels, to = least(from + j->chunk_panels, j->panel1);
  float *codes = (float *)(j->own + worker * j->own_bytes), *acc = codes + j->depth * GEMM_NV * 16;
  __builtin_memset(acc, 0, sizeof(float) * (size_t)((to - from) * 16 * j->rows));
  for (int64_t s = 0; s < j->w->segments; s++) {
    int64_t panel = from;
    for (; panel + GEMM_NV <= to; panel += GEMM_NV) many_panels<GEMM_NV>(j, panel, s, codes, acc + (panel - from) * 16 * j->rows);
    for (; panel < to; panel++) many_panels<1>(j, panel, s, codes, acc + (panel - from) * 16 * j->rows);
  }
  for (int64_t panel = from; panel < to;) {
    const int64_t together = panel + GEMM_NV <= to ? GEMM_NV : 1;
    for (int64_t i = 0; i < j->rows; i++)
      for (int64_t v = 0; v < together; v++) write_row(j, i, panel + v, vload(acc + ((panel - from) * j->rows + i * together + v) * 16));
    panel += together;
  }
}

/* ---- launcher ---- */

AWQ_INLINE int64_t round64(int64_t bytes) { return blocks(bytes, 64) * 64; }

void run(awqk_device *device, bool inline_only, int64_t chunks, double nanoseconds, awq_chunk_fn fn, void *arg) {
  if (!inline_only) return awq_parallel(device, chunks, nanoseconds, fn, arg);
  for (int64_t i = 0; i < chunks; i++) fn(arg, i, 0);
}

/* Panels a chunk: enough bytes to stream, few enough that a late thread costs little. */
int64_t chunk_of(const linear_job *j, int32_t threads, bool few) {
  const int64_t panels = j->panel1 - j->panel0;
  if (!few) return most(GEMM_NV, least(STRIPE, blocks(panels, 4 * threads) / GEMM_NV * GEMM_NV));
  const int64_t size = most(blocks(CHUNK_BYTES, j->w->panel_bytes), blocks(panels, 16 * threads));
  return blocks(least(size, most(1, panels / (2 * threads))), GEMV_PANELS) * GEMV_PANELS;
}

}  // namespace

extern "C" int32_t AWQ_KERNEL_NAME(linear_w4)(awqk_device *device, const awqk_linear_args *g, void *) {
  const awqk_weight *w = g->w;
  if (g->m <= 0) return AWQK_OK;
  const bool whole = g->parts <= 1, int8 = w->mode == AWQK_INT8;
  if (!whole && (g->part < 0 || g->part >= g->parts)) return AWQK_ERR_INVALID_ARGUMENT;
  linear_job j = {};
  j.g = g;
  j.w = w;
  j.depth = 8 * w->lines;
  j.panel1 = w->panels;
  if (!whole) {
    j.panel0 = w->panels * g->part / g->parts;
    j.panel1 = w->panels * (g->part + 1) / g->parts;
    if (j.panel0 == j.panel1) return AWQK_OK;
  }
  /* A block of rows keeps the prepared x below 8 MB or so, but has at least a few tiles. */
  const int64_t row_values = w->segments * j.depth, tiles = most(4, ((int64_t)2 << 20) / row_values / GEMM_MR);
  const int64_t block = least(g->m, least(BLOCK_ROWS, tiles * GEMM_MR));
  const int32_t threads = whole ? awq_threads(device) : 1;
  j.rows = block;
  const bool few = int8 || block <= FEW_ROWS;
  j.chunk_panels = chunk_of(&j, threads, few);
  const int64_t x_bytes = round64(block * row_values * (int8 ? 1 : 4)), s_bytes = int8 ? round64(block * w->segments * 4) : 0;
  if (!few) j.own_bytes = round64((j.depth * GEMM_NV * 16 + most(j.chunk_panels, GEMM_NV) * 16 * block) * 4);
  char *scratch = (char *)awq_scratch_get(device, (size_t)(x_bytes + 2 * s_bytes + threads * j.own_bytes));
  if (!scratch) return AWQK_ERR_OUT_OF_MEMORY;
  j.x = (float *)scratch;
  j.q = (int8_t *)scratch;
  j.unit = (float *)(scratch + x_bytes);
  j.sum = (int32_t *)(scratch + x_bytes + s_bytes);
  j.own = scratch + x_bytes + 2 * s_bytes;
  const int64_t chunks = blocks(j.panel1 - j.panel0, j.chunk_panels);
  for (j.row = 0; j.row < g->m; j.row += block) {
    j.rows = least(block, g->m - j.row);
    const double weights = (double)w->k * 16.0 * (double)(j.panel1 - j.panel0);
    const int64_t tasks = int8 || j.rows <= FEW_ROWS ? j.rows : blocks(j.rows, GEMM_MR);
    run(device, !whole, tasks, (double)j.rows * (double)w->k, int8 ? prepare_int8 : prepare_exact, &j);
    run(device, !whole, chunks, weights / 13 + weights * (double)j.rows / 25, int8 || j.rows <= FEW_ROWS ? few_chunk : many_chunk, &j);
  }
  awq_scratch_put(device, scratch);
  return AWQK_OK;
}
