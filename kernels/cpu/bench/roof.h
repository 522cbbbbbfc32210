/* The machine's limits for one instruction set: multiply-adds from registers, and streamed reads. Include after its traits. */
#ifndef AWQ_ROOF_H
#define AWQ_ROOF_H

#include "../tile.h"

namespace {

/* Independent chains: enough to hide the latency, few enough to stay in registers. */
enum { CHAINS = GEMM_MR };

}  // namespace

/* `turns` rounds of CHAINS multiply-adds of 16 lanes; returns FLOP done. */
extern "C" double AWQ_JOIN(awq_roof_fma_, AWQ_ISA)(int64_t turns, float *sink) {
  float start[CHAINS * 16];
  for (int i = 0; i < CHAINS * 16; i++) start[i] = sink[0] * (float)i; /* all lanes differ, or the compiler computes one for two */
  V sum[CHAINS], x = vset(sink[1]), y = vset(sink[0]);
#pragma GCC unroll 16
  for (int i = 0; i < CHAINS; i++) sum[i] = vload(start + 16 * i);
  for (int64_t t = 0; t < turns; t++) {
#pragma GCC unroll 16
    for (int i = 0; i < CHAINS; i++) sum[i] = vfma(x, y, sum[i]);
  }
#pragma GCC unroll 16
  for (int i = 1; i < CHAINS; i++) sum[0] = vadd(sum[0], sum[i]);
  vstore(sink, sum[0]);
  return (double)turns * CHAINS * 32;
}

/* Reads `bytes` (a multiple of 1024) in four streams side by side. */
extern "C" void AWQ_JOIN(awq_roof_read_, AWQ_ISA)(const char *p, int64_t bytes, float *sink) {
  I sum[4] = {iset(0), iset(0), iset(0), iset(0)};
  const int64_t part = bytes / 4;
  for (int64_t at = 0; at < part; at += 64)
#pragma GCC unroll 4
    for (int s = 0; s < 4; s++) {
      __builtin_prefetch(p + s * part + at + 2048, 0, 2);
      sum[s] = isub(sum[s], iload(p + s * part + at));
    }
  vstore(sink, ifloat(isub(isub(sum[0], sum[1]), isub(sum[2], sum[3]))));
}

#endif
