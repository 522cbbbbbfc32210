/* NEON with int8 and bfloat16 matrix products: bytes where one row or int8 is wanted, else products of two channels with two rows of
 * bfloat16 in one instruction.
 *
 * It wants four k of each: those of a line's even nibbles, then those of its odd ones. ARM rounds each product, each sum of two and each
 * sum with that to odd: up to a whole unit in the last place off, but as often up as down. */
#ifndef AWQ_ISA_NEONBF16_H
#define AWQ_ISA_NEONBF16_H

#define AWQ_ISA neonbf16
#define AWQ_BF16 1
#include "isa_neoni8mm.h"

namespace {

enum { BF16_UNIT = 2, BF16_ROWS = 6, BF16_PANELS = 1, BF16_LINES = 1, BF16_BYTES = 8 << 20, BF16_BIAS = 0x1010101 };

AWQ_INLINE void bf16_begin(int64_t) {}
AWQ_INLINE void bf16_end() {}

struct bf16_table { uint8x16x2_t low, high; }; /* bytes of the 32 integers */
AWQ_INLINE bf16_table bf16_load(const uint16_t (&integers)[32]) {
  const uint8x16x2_t x = vld2q_u8((const uint8_t *)integers), y = vld2q_u8((const uint8_t *)(integers + 16));
  return {{{x.val[0], y.val[0]}}, {{x.val[1], y.val[1]}}};
}
AWQ_INLINE void bf16_line(const uint16_t *from, uint16_t *to) { /* 0 2 4 6 1 3 5 7 */
  const uint16x4x2_t v = vld2_u16(from);
  vst1_u16(to, v.val[0]);
  vst1_u16(to + 4, v.val[1]);
}

/* Four codes each of four channels: [channel][four]. */
AWQ_INLINE void bf16_four(uint8x16_t codes, int32x4_t bias, const bf16_table &table, uint8_t *to) {
  const uint8x16_t at = vaddq_u8(codes, vreinterpretq_u8_s32(bias));
  const uint8x16_t low = vqtbl2q_u8(table.low, at), high = vqtbl2q_u8(table.high, at);
  vst1q_u8(to, vzip1q_u8(low, high));
  vst1q_u8(to + 16, vzip2q_u8(low, high));
}
AWQ_INLINE void bf16_codes(const uint8_t *line, I bias, const bf16_table &table, uint8_t *to) {
  const int32x4_t of[4] = {bias.a, bias.b, bias.c, bias.d};
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    const uint8x16_t word = vld1q_u8(line + 16 * c);
    bf16_four(vandq_u8(word, vdupq_n_u8(15)), of[c], table, to + 32 * c);
    bf16_four(vshrq_n_u8(word, 4), of[c], table, to + 128 + 32 * c);
  }
}

AWQ_INLINE bfloat16x8_t bf16(uint16x8_t v) { return vreinterpretq_bf16_u16(v); }

/* sum [2 PAIRS][16] of pairs of rows of x, `depth` apart, and the codes of a panel. */
template <int PAIRS, int P> AWQ_INLINE void bf16_dot(int64_t lines, const uint8_t *codes, const uint16_t *x, int64_t depth, float *sum) {
  static_assert(P == 1, "the sums fill the registers");
  float32x4_t part[PAIRS][8]; /* of channels 2c, 2c+1 with rows 2r, 2r+1: in a row of channels, two rows side by side */
#pragma GCC unroll 4
  for (int r = 0; r < PAIRS; r++)
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++) part[r][c] = vdupq_n_f32(0);
#pragma GCC unroll 1
  for (int64_t t = 0; t < 2 * lines; t++, codes += 128, x += 4) {
    bfloat16x8_t rows[PAIRS];
#pragma GCC unroll 4
    for (int r = 0; r < PAIRS; r++) rows[r] = bf16(vcombine_u16(vld1_u16(x + 2 * r * depth), vld1_u16(x + (2 * r + 1) * depth)));
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++) {
      const bfloat16x8_t channels = bf16(vreinterpretq_u16_u8(vld1q_u8(codes + 16 * c)));
#pragma GCC unroll 4
      for (int r = 0; r < PAIRS; r++) part[r][c] = vbfmmlaq_f32(part[r][c], channels, rows[r]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < PAIRS; r++)
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
      vst1q_f32(sum + 32 * r + 4 * c, vuzp1q_f32(part[r][2 * c], part[r][2 * c + 1]));
      vst1q_f32(sum + 32 * r + 16 + 4 * c, vuzp2q_f32(part[r][2 * c], part[r][2 * c + 1]));
    }
}

}  // namespace

#endif
