/* NEON with int8 matrix products: the lanes and the few-row kernel of the dot products, and where many rows wait products of two
 * channels with two virtual rows in one instruction.
 *
 * It wants eight bytes of k of each. Prepared x has them: four for the even nibbles of a line, four for the odd ones. Of the codes a
 * zip puts the same two fours of a channel side by side. */
#ifndef AWQ_ISA_NEONI8MM_H
#define AWQ_ISA_NEONI8MM_H

#ifndef AWQ_ISA
#define AWQ_ISA neoni8mm
#endif
#define AWQ_DOTPROD 1
#define AWQ_TILES 1
#include "isa_neon.h"

namespace {

AWQ_INLINE void tiles_begin() {}
AWQ_INLINE void tiles_end() {}

/* Spread lines, rewritten channel by channel. */
template <int LINES> AWQ_INLINE void tiles_codes(uint8_t *bytes) {
  for (int l = 0; l < LINES; l++, bytes += 2 * AWQ_LINE) {
    const I even = iload(bytes), odd = iload(bytes + AWQ_LINE);
    istore(bytes, {vzip1q_s32(even.a, odd.a), vzip2q_s32(even.a, odd.a), vzip1q_s32(even.b, odd.b), vzip2q_s32(even.b, odd.b)});
    istore(bytes + AWQ_LINE, {vzip1q_s32(even.c, odd.c), vzip2q_s32(even.c, odd.c), vzip1q_s32(even.d, odd.d), vzip2q_s32(even.d, odd.d)});
  }
}

/* sum [DOT_ROWS][16] of DOT_ROWS virtual rows of x; rows that the caller doesn't want may hold anything, but must be there. */
template <int LINES> AWQ_INLINE void tiles_dot(const uint8_t *codes, const int8_t *x, int64_t depth, int32_t *sum) {
  int32x4_t part[DOT_ROWS / 2][8]; /* of channels 2c, 2c+1 with rows 2r, 2r+1: in a row of channels, two rows side by side */
#pragma GCC unroll 4
  for (int r = 0; r < DOT_ROWS / 2; r++)
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++) part[r][c] = vdupq_n_s32(0);
#pragma GCC unroll 1
  for (int l = 0; l < LINES; l++, codes += 2 * AWQ_LINE, x += 8) {
    int8x16_t rows[DOT_ROWS / 2];
#pragma GCC unroll 4
    for (int r = 0; r < DOT_ROWS / 2; r++) rows[r] = vcombine_s8(vld1_s8(x + 2 * r * depth), vld1_s8(x + (2 * r + 1) * depth));
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++) {
      const int8x16_t channels = vreinterpretq_s8_u8(vld1q_u8(codes + 16 * c));
#pragma GCC unroll 4
      for (int r = 0; r < DOT_ROWS / 2; r++) part[r][c] = vmmlaq_s32(part[r][c], channels, rows[r]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < DOT_ROWS / 2; r++)
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
      vst1q_s32(sum + 32 * r + 4 * c, vuzp1q_s32(part[r][2 * c], part[r][2 * c + 1]));
      vst1q_s32(sum + 32 * r + 16 + 4 * c, vuzp2q_s32(part[r][2 * c], part[r][2 * c + 1]));
    }
}

}  // namespace

#endif
