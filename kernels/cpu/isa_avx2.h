/* AVX2, FMA and F16C: sixteen lanes as two registers. */
#ifndef AWQ_ISA_AVX2_H
#define AWQ_ISA_AVX2_H

#include <immintrin.h>

#include "../common/awq_num.h"
#include "cpu.h"

#define AWQ_ISA avx2

namespace {

struct V { __m256 a, b; };
struct I { __m256i a, b; };

enum { GEMM_MR = 6, GEMM_NV = 1, GEMV_PANELS = 2, GEMV_ROWS = 4, GEMV_SUMS = 4 };

#define AWQ_INLINE inline __attribute__((always_inline))

AWQ_INLINE V vload(const float *p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
AWQ_INLINE void vstore(float *p, V v) { _mm256_storeu_ps(p, v.a); _mm256_storeu_ps(p + 8, v.b); }
AWQ_INLINE V vset(float f) { __m256 v = _mm256_set1_ps(f); return {v, v}; }
AWQ_INLINE V vadd(V x, V y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
AWQ_INLINE V vsub(V x, V y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
AWQ_INLINE V vmul(V x, V y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
AWQ_INLINE V vdiv(V x, V y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
AWQ_INLINE V vfma(V x, V y, V z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
AWQ_INLINE V vmin(V x, V y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
AWQ_INLINE V vmax(V x, V y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
AWQ_INLINE __m256 rounded(__m256 x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
AWQ_INLINE V vround(V x) { return {rounded(x.a), rounded(x.b)}; }
AWQ_INLINE __m256 power(__m256 x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvttps_epi32(x), _mm256_set1_epi32(127)), 23));
}
AWQ_INLINE V vpower(V x) { return {power(x.a), power(x.b)}; }

AWQ_INLINE __m128i half(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
AWQ_INLINE V load_f16(const uint16_t *p) { return {_mm256_cvtph_ps(half(p)), _mm256_cvtph_ps(half(p + 8))}; }
AWQ_INLINE __m256 widen(const uint16_t *p) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half(p)), 16)); }
AWQ_INLINE V load_bf16(const uint16_t *p) { return {widen(p), widen(p + 8)}; }
AWQ_INLINE void store_f16(uint16_t *p, V v) {
  _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(v.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

AWQ_INLINE I iload(const void *p) {
  const __m256i *q = (const __m256i *)p;
  return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
AWQ_INLINE I iset(int32_t n) { __m256i v = _mm256_set1_epi32(n); return {v, v}; }
AWQ_INLINE I iand(I x, I y) { return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
AWQ_INLINE I isub(I x, I y) { return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)}; }
AWQ_INLINE I imul(I x, I y) { return {_mm256_mullo_epi32(x.a, y.a), _mm256_mullo_epi32(x.b, y.b)}; }
template <int N> AWQ_INLINE I iright(I x) { return {_mm256_srli_epi32(x.a, N), _mm256_srli_epi32(x.b, N)}; }
template <int N> AWQ_INLINE I ileft(I x) { return {_mm256_slli_epi32(x.a, N), _mm256_slli_epi32(x.b, N)}; }
AWQ_INLINE V ifloat(I x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
AWQ_INLINE I ibytes(const uint8_t *p) { /* sixteen bytes, zero extended */
  const __m128i v = half(p);
  return {_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8))};
}

/* acc + the dot products of each lane's codes with signed bytes, two words at once: four sums of two products of at most
 * 15 * 127 stay within 16 bits. */
AWQ_INLINE __m256i dot(__m256i acc, __m256i low, __m256i xlow, __m256i high, __m256i xhigh) {
  const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(low, xlow), _mm256_maddubs_epi16(high, xhigh));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
AWQ_INLINE I idot2(I acc, I low, I xlow, I high, I xhigh) {
  return {dot(acc.a, low.a, xlow.a, high.a, xhigh.a), dot(acc.b, low.b, xlow.b, high.b, xhigh.b)};
}

}  // namespace

#endif
