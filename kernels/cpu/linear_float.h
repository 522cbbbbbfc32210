/* Products and sums in float32: exact mode where several rows wait for the same codes.
 *
 * For each segment the products of one row and one channel are added in one fp32 chain, in the order t = (e, j) of code 8j + e; then
 * acc += scale * chain. (code - zero) is formed as an integer, so weights are exact and a zero weight adds nothing. Both paths below
 * keep this order: the bits of a row don't depend on which rows share its tile. With u = 2^-24, L codes in each of S segments:
 * |error| <= (L + S + 2) u sum |w x|, in practice near sqrt of that.
 *
 * The codes are not shifted down: nibble e counts 16^e, and x comes prepared with 16^-e, an exact factor (nibble 7 would meet the
 * sign bit and is shifted). */
#ifndef AWQ_LINEAR_FLOAT_H
#define AWQ_LINEAR_FLOAT_H

#include "linear_weight.h"
#include "micro_tile.h"

namespace {

/* Rows of a block: for few of them [row][segment][t], else [segment][tile][t][row in tile]. */
struct floats {
  int64_t rows, depth;         /* values a row and segment, 8 * lines */
  float *x;
};

AWQ_INLINE void spread_x(const float *from, int64_t lines, int64_t stride, float *to) {
  static const float unit[8] = {1.0f, 0x1p-4f, 0x1p-8f, 0x1p-12f, 0x1p-16f, 0x1p-20f, 0x1p-24f, 1.0f};
  for (int e = 0; e < 8; e++)
    for (int64_t j = 0; j < lines; j++) to[(e * lines + j) * stride] = from[8 * j + e] * unit[e];
}

/* Row `r` of the tile of `width` rows that begins at row `first` of the block; width 0: a row of few. */
AWQ_INLINE void prepare_floats(const floats *p, const awqk_weight *w, const char *row, int32_t dtype, int64_t first, int64_t width, int64_t r) {
  float buffer[AWQ_SEGMENT + 16];
  for (int64_t s = 0; s < w->segments; s++) {
    read_row(row, dtype, w->order, segment_start(w, s), segment_count(w, s), p->depth, buffer);
    if (width) spread_x(buffer, w->lines, width, p->x + (s * p->rows + first) * p->depth + r);
    else spread_x(buffer, w->lines, 1, p->x + (first * w->segments + s) * p->depth);
  }
}

/* (code - zero) * 16^e of nibble e (e = 7: * 1) as floats; zero holds zero * 16^e. */
template <int E> AWQ_INLINE V weight_of(const uint8_t *line, I mask, I zero) {
  const I word = iload(line);
  if constexpr (E == 7) return ifloat(isub(iright<28>(word), zero));
  else return ifloat(isub(iand(word, mask), zero));
}
template <int E> AWQ_INLINE I zero_of(I zeros) { return E == 7 ? zeros : ileft < E == 7 ? 0 : 4 * E > (zeros); }
template <int E> AWQ_INLINE I mask_of() { return iset(15 << (E == 7 ? 0 : 4 * E)); }

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
template <int P, int R, int LINES> void few_floats(const floats *f, const awqk_weight *w, int64_t panel, int64_t row, int64_t prefetch,
                                                   float *acc_out, int64_t stride) {
  const int64_t x_row = w->segments * f->depth, lines = LINES ? LINES : w->lines, step = lines * AWQ_LINE;
  const float *x = f->x + row * x_row;
  const uint8_t *line[P], *record[P];
  V acc[P][R];
#pragma GCC unroll 4
  for (int p = 0; p < P; p++) {
    line[p] = lines_of(w, panel + p, 0);
    record[p] = record_of(w, panel + p, 0);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) acc[p][r] = vset(0);
  }
  for (int64_t s = 0; s < w->segments; s++, x += f->depth) {
    V sum[P][R];
    I zeros[P];
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) {
      zeros[p] = zeros_of(record[p]);
      __builtin_prefetch(record[p] + 256, 0, HINT);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) sum[p][r] = vset(0);
    }
    const int64_t ahead = ahead_of(w, s, prefetch, P, panel + P);
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
    for (int r = 0; r < R; r++) vstore(acc_out + p * stride + 16 * r, acc[p][r]);
}

/* Panels side by side for R rows: as many streams as there are registers for sums. */
constexpr int panels_for(int rows) {
  int panels = GEMV_PANELS;
  while (panels > 1 && panels * rows > GEMV_SUMS) panels /= 2;
  return panels;
}

struct few_step {
  const floats *f;
  const awqk_weight *w;
  span panels;
  int64_t row, ahead, stride;
  float *acc;

  template <int P, int R> AWQ_INLINE void some(int64_t panel) const {
    float *to = acc + (panel - panels.from) * stride;
    if (R <= 2 && w->lines == 16) few_floats<P, R, R <= 2 ? 16 : 0>(f, w, panel, row, ahead, to, stride);
    else few_floats<P, R, 0>(f, w, panel, row, ahead, to, stride);
  }

  template <int R> AWQ_INLINE void run() const {
    constexpr int P = panels_for(R);
    int64_t panel = panels.from;
    for (; panel + P <= panels.to; panel += P) some<P, R>(panel);
    if constexpr (P > 1)
      for (; panel < panels.to; panel++) some<1, R>(panel);
  }
};

/* The sums of some panels for few rows: acc [panel][row][16]. */
template <bool USED> void sum_few(const floats *f, const awqk_weight *w, span panels, span rows, int64_t ahead, float *acc) {
  for (int64_t row = rows.from; row < rows.to; row += GEMV_ROWS)
    with_rows<GEMV_ROWS>(rows.to - row, few_step{f, w, panels, row, ahead, 16 * (rows.to - rows.from), acc + 16 * (row - rows.from)});
}

/* ---- many rows: spread a segment's codes out once, then micro() ---- */

template <int E> AWQ_INLINE void spread_codes(const uint8_t *line, I zeros, int64_t lines, int64_t width, float *to) {
  const I mask = mask_of<E>(), zero = zero_of<E>(zeros);
  to += E * lines * width;
  for (int64_t l = 0; l < lines; l++) vstore(to + l * width, weight_of<E>(line + l * AWQ_LINE, mask, zero));
}

template <int NV> struct many_step {
  const float *x, *codes;
  float *acc;              /* [panel][row][16] */
  int64_t depth, stride;   /* stride from panel to panel */
  V scale[NV];

  template <int MR> AWQ_INLINE void run() const {
    V sum[MR][NV];
    micro<MR, NV>(depth, x, MR, codes, sum);
#pragma GCC unroll 16
    for (int r = 0; r < MR; r++)
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) {
        float *to = acc + v * stride + r * 16;
        vstore(to, vfma(scale[v], sum[r][v], vload(to)));
      }
  }
};

template <int NV> void many_panels(const floats *f, const awqk_weight *w, span rows, int64_t panel, int64_t s, float *codes, float *acc,
                                   int64_t stride) {
  many_step<NV> step = {};
#pragma GCC unroll 4
  for (int v = 0; v < NV; v++) {
    const uint8_t *line = lines_of(w, panel + v, s), *record = record_of(w, panel + v, s);
    const I zeros = zeros_of(record);
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
  step.depth = f->depth;
  step.stride = stride;
  const float *x = f->x + s * f->rows * f->depth;
  for (int64_t row = rows.from; row < rows.to; row += GEMM_MR) {
    step.x = x + row * f->depth;
    step.acc = acc + (row - rows.from) * 16;
    if (rows.to - row >= GEMM_MR) step.template run<GEMM_MR>();
    else with_rows<GEMM_MR>(rows.to - row, step);
  }
}

/* The sums of some panels for many rows. `codes` has room for a segment of GEMM_NV panels. */
template <bool USED> void sum_many(const floats *f, const awqk_weight *w, span panels, span rows, float *codes, float *acc) {
  const int64_t stride = 16 * (rows.to - rows.from);
  __builtin_memset(acc, 0, sizeof(float) * (size_t)(stride * (panels.to - panels.from)));
  for (int64_t s = 0; s < w->segments; s++) {
    int64_t panel = panels.from;
    for (; panel + GEMM_NV <= panels.to; panel += GEMM_NV)
      many_panels<GEMM_NV>(f, w, rows, panel, s, codes, acc + (panel - panels.from) * stride, stride);
    for (; panel < panels.to; panel++) many_panels<1>(f, w, rows, panel, s, codes, acc + (panel - panels.from) * stride, stride);
  }
}

}  // namespace

#endif
