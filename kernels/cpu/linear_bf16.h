/* Products of bfloat16 with sums in float32: exact mode where x is bfloat16, several rows wait for the codes and the CPU has such
 * products (AWQ_BF16).
 *
 * (code - zero) is a small integer, exact as bfloat16, and so are its products with x in float32. In each segment the products of one
 * row and one channel are added in an order and with roundings that the instruction set fixes (isa_*.h); then acc = fma(scale, sum,
 * acc), segment after segment. The bits of a row don't depend on which rows or panels share its tile. The error is that of
 * linear_float.h, and these instructions take what is smaller than 2^-126, of x as of sums, for zero: at most 2^-122 of scale for each k. */
#ifndef AWQ_LINEAR_BF16_H
#define AWQ_LINEAR_BF16_H

#include "linear_weight.h"

namespace {

/* Rows of a block: [segment][row][depth], each eight values in the order of bf16_line(). */
struct bfloats {
  int64_t rows, lines, depth;  /* lines a segment, whole steps of BF16_LINES; depth: 8 * lines */
  uint16_t *x;
};

#ifdef AWQ_BF16

/* Of an instruction set: rows of x that it takes as one (BF16_UNIT), rows and panels of a tile, lines of a step (BF16_LINES), bytes of x
 * prepared at once; and how codes and x lie side by side: bf16_line() of x, bf16_codes() of a line, bf16_dot() of both. */
enum {
  HAS_BF16 = 1,
  BF16_LINE = 4 * AWQ_LINE     /* bytes of a line whose codes are spread out */
};

/* -15..15 and nothing: what (15 - zero) + code finds. */
alignas(64) const uint16_t bf16_integers[32] = {0xc170, 0xc160, 0xc150, 0xc140, 0xc130, 0xc120, 0xc110, 0xc100, 0xc0e0, 0xc0c0, 0xc0a0,
                                                0xc080, 0xc040, 0xc000, 0xbf80, 0x0000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0,
                                                0x40e0, 0x4100, 0x4110, 0x4120, 0x4130, 0x4140, 0x4150, 0x4160, 0x4170, 0x0000};

/* Fills row `i` of p from a row of x. */
AWQ_INLINE void prepare_bf16(const bfloats *p, const awqk_weight *w, const char *row, int64_t i) {
  uint16_t buffer[AWQ_SEGMENT];
  for (int64_t s = 0; s < w->segments; s++) {
    const int64_t start = segment_start(w, s), count = segment_count(w, s);
    if (w->order)
      for (int64_t t = 0; t < count; t++) __builtin_memcpy(buffer + t, row + 2 * (int64_t)w->order[start + t], 2);
    else __builtin_memcpy(buffer, row + 2 * start, (size_t)(2 * count));
    __builtin_memset(buffer + count, 0, (size_t)(2 * (p->depth - count)));
    uint16_t *to = p->x + (s * p->rows + i) * p->depth;
    for (int64_t t = 0; t < p->depth; t += 8) bf16_line(buffer + t, to + t);
  }
}

/* The codes of a segment, then zeros up to a whole step. */
AWQ_INLINE void spread_bf16(const awqk_weight *w, const uint8_t *line, const uint8_t *record, int64_t lines, int64_t ahead, uint8_t *to) {
  const bf16_table table = bf16_load(bf16_integers);
  const I bias = imul(isub(iset(15), zeros_of(record)), iset(BF16_BIAS));
  int64_t l = 0;
  for (; l < w->lines; l++, line += AWQ_LINE, to += BF16_LINE) {
    __builtin_prefetch(line + ahead * w->lines * AWQ_LINE, 0, HINT);
    bf16_codes(line, bias, table, to);
  }
  for (; l < lines; l++, to += BF16_LINE) __builtin_memset(to, 0, BF16_LINE);
}

/* One segment of P panels times `wanted` rows, in tiles of whole units of rows. */
template <int P> struct bf16_step {
  const uint16_t *x;
  const uint8_t *codes;        /* [panel][line] */
  int64_t lines, depth, wanted, stride;
  float *acc;                  /* [panel][row][16], panels a stride apart */
  V scale[P];

  template <int UNITS> AWQ_INLINE void run() const {
    constexpr int ROWS = UNITS * BF16_UNIT;
    alignas(64) float sum[P][ROWS][16];
    bf16_dot<UNITS, P>(lines, codes, x, depth, sum[0][0]);
#pragma GCC unroll 2
    for (int p = 0; p < P; p++)
      for (int64_t r = 0; r < wanted; r++) {
        float *to = acc + p * stride + r * 16;
        vstore(to, vfma(scale[p], vload(sum[p][r]), vload(to)));
      }
  }
};

template <int P> void bf16_panels(const bfloats *b, const awqk_weight *w, span rows, int64_t panel, int64_t s, int64_t ahead, uint8_t *codes,
                                  float *acc, int64_t stride) {
  bf16_step<P> step = {};
#pragma GCC unroll 2
  for (int p = 0; p < P; p++) {
    const uint8_t *record = record_of(w, panel + p, s);
    __builtin_prefetch(record + 256, 0, HINT);
    spread_bf16(w, lines_of(w, panel + p, s), record, b->lines, ahead, codes + p * b->lines * BF16_LINE);
    step.scale[p] = scale_of(record);
  }
  step.codes = codes;
  step.lines = b->lines;
  step.depth = b->depth;
  step.stride = stride;
  const uint16_t *x = b->x + s * b->rows * b->depth;
  for (int64_t row = rows.from; row < rows.to; row += BF16_ROWS) {
    step.x = x + row * b->depth;
    step.acc = acc + (row - rows.from) * 16;
    step.wanted = least(BF16_ROWS, rows.to - row);
    with_rows<BF16_ROWS / BF16_UNIT>(blocks(step.wanted, BF16_UNIT), step);
  }
}

/* The sums of some panels for some rows: acc [panel][row][16]. `codes` has room for a segment of BF16_PANELS panels. */
AWQ_INLINE void sum_bf16(const bfloats *b, const awqk_weight *w, span panels, span rows, int64_t ahead, uint8_t *codes, float *acc) {
  const int64_t stride = 16 * (rows.to - rows.from);
  __builtin_memset(acc, 0, sizeof(float) * (size_t)(stride * (panels.to - panels.from)));
  bf16_begin(rows.to - rows.from);
  for (int64_t s = 0; s < w->segments; s++) {
    int64_t panel = panels.from;
    for (; panel + BF16_PANELS <= panels.to; panel += BF16_PANELS)
      bf16_panels<BF16_PANELS>(b, w, rows, panel, s, ahead, codes, acc + (panel - panels.from) * stride, stride);
    if constexpr ((int)BF16_PANELS > 1)
      for (; panel < panels.to; panel++) bf16_panels<1>(b, w, rows, panel, s, ahead, codes, acc + (panel - panels.from) * stride, stride);
  }
  bf16_end();
}

#else

enum { HAS_BF16 = 0, BF16_ROWS = 1, BF16_LINES = 1, BF16_LINE = 0, BF16_PANELS = 0, BF16_BYTES = 0 };
AWQ_INLINE void prepare_bf16(const bfloats *, const awqk_weight *, const char *, int64_t) {}
AWQ_INLINE void sum_bf16(const bfloats *, const awqk_weight *, span, span, int64_t, uint8_t *, float *) {}

#endif

}  // namespace

#endif
