/* AMX with int8 and bf16: the lanes and the few-row kernel of AVX-512 VNNI, and tiles of sixteen rows by sixteen channels where many rows
 * wait, or several of bfloat16.
 *
 * Spread lines are what a tile wants of B: row by row four bytes of each of sixteen channels. Prepared x is what it wants of A: virtual
 * rows of consecutive bytes in the same order. So a segment is one product for every eight lines, exact in int32 like all others.
 * Pairs of bfloat16 codes are what a tile wants of B as well: four lines a product. It adds even and odd k in a chain each, then the two,
 * then that to the sum, all rounded to nearest. */
#ifndef AWQ_ISA_AMX_H
#define AWQ_ISA_AMX_H

#define AWQ_ISA amx
#define AWQ_VNNI 1
#define AWQ_TILES 1
#define AWQ_BF16 1
#include "isa_avx512.h"

namespace {

enum { TILE_LINES = 8 }; /* 64 bytes of k */

/* Tiles 0 to 3 take sums, 4 and 5 rows of x, 6 and 7 codes: sixteen rows of 64 bytes, of sums and x no more than there are rows at all.
 * The compiler doesn't know that this instruction and the loads below read memory: what they read must have been stored. */
AWQ_INLINE void tiles_begin(int64_t rows = 16) {
  struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } config = {};
  config.palette = 1;
  for (int i = 0; i < 8; i++) config.bytes[i] = 64, config.rows[i] = i < 6 && rows < 16 ? (uint8_t)rows : 16;
  __asm__ volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
}
AWQ_INLINE void tiles_end() { _tile_release(); } /* else the kernel saves 8 KB at every switch of threads */

/* The codes of a segment of LINES spread lines. */
template <int LINES> AWQ_INLINE void tiles_codes(const uint8_t *bytes) {
  static_assert(LINES == TILE_LINES || LINES == 2 * TILE_LINES, "one or two tiles");
  __asm__ volatile("" ::: "memory");
  _tile_loadd(6, bytes, 64);
  if constexpr (LINES > TILE_LINES) _tile_loadd(7, bytes + 1024, 64);
}

/* sum [16][16] of sixteen virtual rows of x; rows that the caller doesn't want may hold anything, but must be there. */
template <int LINES> AWQ_INLINE void tiles_dot(const uint8_t *, const int8_t *x, int64_t depth, int32_t *sum) {
  __asm__ volatile("" ::: "memory");
  _tile_zero(0);
  _tile_loadd(4, x, depth);
  _tile_dpbsud(0, 4, 6);
  if constexpr (LINES > TILE_LINES) {
    _tile_loadd(5, x + 64, depth);
    _tile_dpbsud(0, 5, 7);
  }
  _tile_stored(0, sum, 64);
  __asm__ volatile("" ::: "memory");
}

/* x fits the second level cache: two panels' products take little longer than a pass over x. */
enum { BF16_UNIT = 16, BF16_ROWS = 32, BF16_PANELS = 2, BF16_LINES = 4, BF16_BYTES = 1 << 20 };

AWQ_INLINE void bf16_begin(int64_t rows) { tiles_begin(rows); }
AWQ_INLINE void bf16_end() { tiles_end(); }

/* sum [P][16 T][16] of T tiles of rows of x, `depth` apart, and the codes of P panels: with two by two each load serves two products. */
template <int T, int P> AWQ_INLINE void bf16_dot(int64_t lines, const uint8_t *codes, const uint16_t *x, int64_t depth, float *sum) {
  static_assert(T <= 2 && P <= 2, "eight tiles");
  const uint8_t *second = codes + lines * 256;
  __asm__ volatile("" ::: "memory");
  _tile_zero(0);
  if constexpr (P > 1) _tile_zero(1);
  if constexpr (T > 1) _tile_zero(2);
  if constexpr (T > 1 && P > 1) _tile_zero(3);
#pragma GCC unroll 1
  for (int64_t l = 0; l < lines; l += BF16_LINES, codes += 1024, second += 1024, x += 32) {
    _tile_loadd(6, codes, 64);
    _tile_loadd(4, x, 2 * depth);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (P > 1) {
      _tile_loadd(7, second, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (T > 1) {
      _tile_loadd(5, x + 16 * depth, 2 * depth);
      _tile_dpbf16ps(2, 5, 6);
    }
    if constexpr (T > 1 && P > 1) _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sum, 64);
  if constexpr (P > 1) _tile_stored(1, sum + T * 256, 64);
  if constexpr (T > 1) _tile_stored(2, sum + 256, 64);
  if constexpr (T > 1 && P > 1) _tile_stored(3, sum + 3 * 256, 64);
  __asm__ volatile("" ::: "memory");
}

}  // namespace

#endif
