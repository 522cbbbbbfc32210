/* Products and sums in integers: int8 mode, and exact mode where few rows wait for the codes or the CPU has dot products.
 *
 * In a segment each digit's sum of (code - zero) * d is an exact integer; t puts the digits together (in exact mode two roundings),
 * and acc += t * (step * scale), segment after segment, without fused multiply-add: the bits of a row are the same on every
 * instruction set, and don't depend on which rows share its tile. With u = 2^-24 and S segments the error of exact mode is at most
 *   sum over segments of 2^(e-23) sum |w|   (x is aligned to its largest value, linear_digits.h)   + (S + 6) u sum |w x|. */
#ifndef AWQ_LINEAR_DOT_H
#define AWQ_LINEAR_DOT_H

#include "linear_digits.h"

namespace {

enum {
  SPREAD_LINE = 2 * AWQ_LINE   /* a line as bytes: its even nibbles, then its odd ones */
};

/* One line's share: x holds four bytes for the even and four for the odd nibbles of a virtual row. */
template <int V_ROWS, bool SPREAD>
AWQ_INLINE void dot_line(const uint8_t *line, const int8_t *x, int64_t depth, P (&part)[V_ROWS]) {
  I even, odd;
  if (SPREAD) {
    even = iload(line);
    odd = iload(line + AWQ_LINE);
  } else {
    const I word = iload(line), low = iset(0x0f0f0f0f);
    even = iand(word, low);
    odd = iand(iright<4>(word), low);
  }
#pragma GCC unroll 16
  for (int v = 0; v < V_ROWS; v++) part[v] = pdot(part[v], even, ispread(x + v * depth), odd, ispread(x + v * depth + 4));
}

/* sum[v] = the dot products of sixteen channels' codes with virtual row v at x + v * depth. SPREAD: the codes are bytes already.
 * LINES: lines a segment where the compiler shall know them (groups of 64 and 128: the loops are short), else 0. */
template <int V_ROWS, bool SPREAD, int LINES>
AWQ_INLINE void dot(const uint8_t *codes, int64_t any_lines, int64_t ahead, const int8_t *x, int64_t any_depth, I (&sum)[V_ROWS]) {
  const int64_t lines = LINES ? LINES : any_lines, depth = LINES ? 8 * LINES : any_depth;
  constexpr int64_t step = SPREAD ? (int64_t)SPREAD_LINE : (int64_t)AWQ_LINE;
#pragma GCC unroll 16
  for (int v = 0; v < V_ROWS; v++) sum[v] = iset(0);
  int64_t l = 0;
  if constexpr ((int)DOT_LINES < (int)WIDE_SUMS)
    for (; l + DOT_LINES <= lines; l += DOT_LINES) {
      P part[V_ROWS];
#pragma GCC unroll 16
      for (int v = 0; v < V_ROWS; v++) part[v] = pzero();
#pragma GCC unroll 4
      for (int i = 0; i < DOT_LINES; i++) {
        if (!SPREAD) __builtin_prefetch(codes + ahead + i * step, 0, HINT);
        dot_line<V_ROWS, SPREAD>(codes + i * step, x + 8 * i, depth, part);
      }
      codes += DOT_LINES * step;
      x += 8 * DOT_LINES;
#pragma GCC unroll 16
      for (int v = 0; v < V_ROWS; v++) sum[v] = pflush(sum[v], part[v]);
    }
  if (LINES ? LINES % DOT_LINES == 0 : l == lines) return;
  P part[V_ROWS];
#pragma GCC unroll 16
  for (int v = 0; v < V_ROWS; v++) part[v] = pzero();
#pragma GCC unroll 2
  for (; l < lines; l++, codes += step, x += 8) {
    if (!SPREAD) __builtin_prefetch(codes + ahead, 0, HINT);
    dot_line<V_ROWS, SPREAD>(codes, x, depth, part);
  }
#pragma GCC unroll 16
  for (int v = 0; v < V_ROWS; v++) sum[v] = pflush(sum[v], part[v]);
}

/* The lines of a segment as bytes, for many rows to read. */
AWQ_INLINE void spread_bytes(const uint8_t *line, int64_t lines, int64_t ahead, uint8_t *to) {
  const I low = iset(0x0f0f0f0f);
  for (int64_t l = 0; l < lines; l++, line += AWQ_LINE, to += SPREAD_LINE) {
    __builtin_prefetch(line + ahead, 0, HINT);
    const I word = iload(line);
    istore(to, iand(word, low));
    istore(to + AWQ_LINE, iand(iright<4>(word), low));
  }
}

/* One segment of one panel times rows [row, ...) of the block. */
template <int DIGITS, bool SPREAD, int LINES> struct segment_step {
  const digits *x;
  int64_t segment, row, lines, ahead;
  const uint8_t *codes;
  V scale, zeros;              /* zeros: negative */
  float *acc;                  /* [row][16] */

  template <int ROWS> AWQ_INLINE void run() const {
    constexpr int VIRTUAL = ROWS * DIGITS;
    const int64_t at = segment * x->rows + row;
    const int8_t *q = x->q + at * DIGITS * x->depth;
    const float *x_sum = x->sum + at * DIGITS;
    I sum[VIRTUAL];
#ifdef AWQ_TILES
    if constexpr (SPREAD && LINES > 0) {
      int32_t tile[16][16];
      tiles_dot<LINES>(codes, q, x->depth, tile[0]);
#pragma GCC unroll 16
      for (int v = 0; v < VIRTUAL; v++) sum[v] = iload(tile[v]);
    } else
#endif
      dot<VIRTUAL, SPREAD, LINES>(codes, lines, ahead, q, x->depth, sum);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
      V t = vset(0);
#pragma GCC unroll 3
      for (int d = DIGITS - 1; d >= 0; d--) { /* products with a zero point and with 256 are exact: fused or not is the same */
        const V digit = vfma(zeros, vset(x_sum[DIGITS * r + d]), ifloat(sum[DIGITS * r + d]));
        t = d == DIGITS - 1 ? digit : vfma(t, vset(256), digit);
      }
      float *to = acc + 16 * r;
      vstore(to, vadd(vload(to), vmul(t, vmul(vset(x->step[at + r]), scale))));
    }
  }
};

/* acc [panel][row][16] of some panels and rows. */
template <int DIGITS, bool SPREAD, int LINES>
void sweep(const digits *x, const awqk_weight *w, span panels, span rows, int64_t ahead, uint8_t *bytes, float *acc) {
  constexpr int ROWS = DOT_ROWS / DIGITS;
  const int64_t count = rows.to - rows.from;
  segment_step<DIGITS, SPREAD, LINES> step = {};
  step.x = x;
  step.lines = w->lines;
#ifdef AWQ_TILES
  if constexpr (SPREAD && LINES > 0) tiles_begin();
#endif
  for (int64_t s = 0; s < w->segments; s++) {
    step.ahead = ahead_of(w, s, ahead, panels.to - panels.from, panels.to);
    for (int64_t panel = panels.from; panel < panels.to; panel++) {
      const uint8_t *record = record_of(w, panel, s);
      __builtin_prefetch(record + 256, 0, HINT);
      step.segment = s;
      step.codes = lines_of(w, panel, s);
      step.scale = scale_of(record);
      step.zeros = vsub(vset(0), ifloat(zeros_of(record)));
      if (SPREAD) {
        spread_bytes(step.codes, w->lines, step.ahead, bytes);
        step.codes = bytes;
#ifdef AWQ_TILES
        if constexpr (LINES > 0) tiles_codes<LINES>(bytes);
#endif
      }
      step.acc = acc + (panel - panels.from) * 16 * count;
      for (step.row = rows.from; step.row + ROWS <= rows.to; step.row += ROWS, step.acc += 16 * ROWS) step.template run<ROWS>();
      if (step.row < rows.to) with_rows<ROWS>(rows.to - step.row, step);
    }
  }
#ifdef AWQ_TILES
  if constexpr (SPREAD && LINES > 0) tiles_end();
#endif
}

template <int DIGITS, bool SPREAD>
void sweep_lines(const digits *x, const awqk_weight *w, span panels, span rows, int64_t ahead, uint8_t *bytes, float *acc) {
  if (w->lines == 16) sweep<DIGITS, SPREAD, 16>(x, w, panels, rows, ahead, bytes, acc);
  else if (w->lines == 8) sweep<DIGITS, SPREAD, 8>(x, w, panels, rows, ahead, bytes, acc);
  else sweep<DIGITS, SPREAD, 0>(x, w, panels, rows, ahead, bytes, acc);
}

/* The sums of some panels for some rows: acc [panel][row][16]. `bytes` has room for a segment of spread lines. */
template <int DIGITS>
void sum_digits(const digits *x, const awqk_weight *w, span panels, span rows, const awqk_plan *plan, uint8_t *bytes, float *acc) {
  __builtin_memset(acc, 0, sizeof(float) * (size_t)(16 * (rows.to - rows.from) * (panels.to - panels.from)));
  if (rows.to - rows.from > plan->decode_rows) sweep_lines<DIGITS, true>(x, w, panels, rows, plan->ahead, bytes, acc);
  else sweep_lines<DIGITS, false>(x, w, panels, rows, plan->ahead, bytes, acc);
}

}  // namespace

#endif
