/* AVX-512 with VNNI and BF16: the same lanes, bytes where one row or int8 is wanted, else bfloat16 dot products of pairs.
 *
 * Each pair is two fused multiply-adds, the odd k first, rounded to nearest. */
#ifndef AWQ_ISA_AVX512BF16_H
#define AWQ_ISA_AVX512BF16_H

#define AWQ_ISA avx512bf16
#define AWQ_VNNI 1
#define AWQ_BF16 1
#include "isa_avx512.h"

namespace {

enum { BF16_UNIT = 1, BF16_ROWS = 12, BF16_PANELS = 2, BF16_LINES = 1, BF16_BYTES = 8 << 20 };

AWQ_INLINE void bf16_begin(int64_t) {}
AWQ_INLINE void bf16_end() {}

/* sum [P][ROWS][16] of rows of x, `depth` apart, and the codes of P panels. */
template <int ROWS, int P> AWQ_INLINE void bf16_dot(int64_t lines, const uint8_t *codes, const uint16_t *x, int64_t depth, float *sum) {
  const int64_t panel = lines * 256;
  __m512 part[ROWS][P];
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 2
    for (int p = 0; p < P; p++) part[r][p] = _mm512_set1_ps(0);
#pragma GCC unroll 1
  for (int64_t t = 0; t < 4 * lines; t++, codes += 64, x += 2) {
    __m512bh channels[P];
#pragma GCC unroll 2
    for (int p = 0; p < P; p++) channels[p] = (__m512bh)_mm512_loadu_si512(codes + p * panel);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
      const __m512bh row = (__m512bh)ispread(x + r * depth).a;
#pragma GCC unroll 2
      for (int p = 0; p < P; p++) part[r][p] = _mm512_dpbf16_ps(part[r][p], channels[p], row);
    }
  }
#pragma GCC unroll 2
  for (int p = 0; p < P; p++)
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) _mm512_storeu_ps(sum + (p * ROWS + r) * 16, part[r][p]);
}

}  // namespace

#endif
