/* The one AVX-VNNI instruction that isa_avx2vnni.h uses, as the manual defines it, for machines and compilers without it. */
#ifndef AWQ_EMULATED_AVXVNNI_H
#define AWQ_EMULATED_AVXVNNI_H

#include <immintrin.h>
#include <stdint.h>

static inline __m256i emulated_dpbusd(__m256i acc, __m256i a, __m256i b) {
  int32_t r[8];
  uint8_t x[32];
  int8_t y[32];
  _mm256_storeu_si256((__m256i *)r, acc);
  _mm256_storeu_si256((__m256i *)x, a);
  _mm256_storeu_si256((__m256i *)y, b);
  for (int k = 0; k < 32; k++) r[k / 4] = (int32_t)((uint32_t)r[k / 4] + (uint32_t)(x[k] * y[k]));
  return _mm256_loadu_si256((const __m256i *)r);
}
#define _mm256_dpbusd_avx_epi32 emulated_dpbusd

#endif
