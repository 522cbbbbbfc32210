/* AMX: the lanes and the few-row kernel of AVX-512 VNNI, and tiles of sixteen rows by sixteen channels where many rows wait.
 *
 * Spread lines are what a tile wants of B: row by row four bytes of each of sixteen channels. Prepared x is what it wants of A: virtual
 * rows of consecutive bytes in the same order. So a segment is one product for every eight lines, exact in int32 like all others. */
#ifndef AWQ_ISA_AMX_H
#define AWQ_ISA_AMX_H

#define AWQ_ISA amx
#define AWQ_VNNI 1
#define AWQ_TILES 1
#include "isa_avx512.h"

namespace {

enum { TILE_LINES = 8 }; /* 64 bytes of k */

/* Tile 0 takes sums, 1 and 2 rows of x, 3 and 4 codes: all of 16 rows of 64 bytes. The compiler doesn't know that this instruction and
 * the loads below read memory: what they read must have been stored. */
AWQ_INLINE void tiles_begin() {
  struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } config = {};
  config.palette = 1;
  for (int i = 0; i < 5; i++) config.bytes[i] = 64, config.rows[i] = 16;
  __asm__ volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
}
AWQ_INLINE void tiles_end() { _tile_release(); } /* else the kernel saves 8 KB at every switch of threads */

/* The codes of a segment of LINES spread lines. */
template <int LINES> AWQ_INLINE void tiles_codes(const uint8_t *bytes) {
  static_assert(LINES == TILE_LINES || LINES == 2 * TILE_LINES, "one or two tiles");
  __asm__ volatile("" ::: "memory");
  _tile_loadd(3, bytes, 64);
  if constexpr (LINES > TILE_LINES) _tile_loadd(4, bytes + 1024, 64);
}

/* sum [16][16] of sixteen virtual rows of x; rows that the caller doesn't want may hold anything, but must be there. */
template <int LINES> AWQ_INLINE void tiles_dot(const uint8_t *, const int8_t *x, int64_t depth, int32_t *sum) {
  __asm__ volatile("" ::: "memory");
  _tile_zero(0);
  _tile_loadd(1, x, depth);
  _tile_dpbsud(0, 1, 3);
  if constexpr (LINES > TILE_LINES) {
    _tile_loadd(2, x + 64, depth);
    _tile_dpbsud(0, 2, 4);
  }
  _tile_stored(0, sum, 64);
  __asm__ volatile("" ::: "memory");
}

}  // namespace

#endif
