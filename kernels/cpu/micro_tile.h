/* The inner loop of everything dense: MR rows of packed a times NV * 16 columns of packed b. */
#ifndef AWQ_MICRO_TILE_H
#define AWQ_MICRO_TILE_H

#include "tile.h"

namespace {

/* sum[r][v] = sum over t < depth of a[t][r] * b[t][v], one chain a lane in ascending t: the bits of a row don't depend on
 * which rows share its tile. a: [depth][MR], from t to t + 1 a_step apart; b: [depth][NV * 16]. */
template <int MR, int NV> AWQ_INLINE void micro(int64_t depth, const float *a, int64_t a_step, const float *b, V (&sum)[MR][NV]) {
#pragma GCC unroll 16
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) sum[r][v] = vset(0);
  for (int64_t t = 0; t < depth; t++, a += a_step, b += NV * 16) {
    V column[NV];
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) column[v] = vload(b + 16 * v);
#pragma GCC unroll 16
    for (int r = 0; r < MR; r++) {
      const V row = vset(a[r]);
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) sum[r][v] = vfma(row, column[v], sum[r][v]);
    }
  }
}

}  // namespace

#endif
