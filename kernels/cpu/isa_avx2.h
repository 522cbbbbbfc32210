/* AVX2, FMA and F16C: sixteen lanes as two registers. */
#ifndef AWQ_ISA_AVX2_H
#define AWQ_ISA_AVX2_H

#include <immintrin.h>

#include "../common/awq_num.h"
#include "cpu.h"

#ifndef AWQ_ISA
#define AWQ_ISA avx2
#endif

namespace {

struct V { __m256 a, b; };
struct I { __m256i a, b; };

#ifdef AWQ_VNNI
enum { GEMM_MR = 6, GEMM_NV = 1, DOT_ROWS = 4, DOT_LINES = 64, DIGIT_ROWS = 1 << 30, GEMV_PANELS = 2, GEMV_ROWS = 4, GEMV_SUMS = 4 };
#else
enum { GEMM_MR = 6, GEMM_NV = 1, DOT_ROWS = 4, DOT_LINES = 4, DIGIT_ROWS = 1, GEMV_PANELS = 2, GEMV_ROWS = 4, GEMV_SUMS = 4 };
#endif

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
AWQ_INLINE void istore(void *p, I x) {
  _mm256_storeu_si256((__m256i *)p, x.a);
  _mm256_storeu_si256((__m256i *)p + 1, x.b);
}
AWQ_INLINE I iset(int32_t n) { __m256i v = _mm256_set1_epi32(n); return {v, v}; }
AWQ_INLINE I ispread(const void *p) { /* four bytes, to every lane; in assembler, or GCC goes through a general register */
  __m256i v;
  __asm__("vpbroadcastd %1, %0" : "=x"(v) : "m"(*(const int32_t(*)[1])p));
  return {v, v};
}
AWQ_INLINE I iand(I x, I y) { return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
AWQ_INLINE I ixor(I x, I y) { return {_mm256_xor_si256(x.a, y.a), _mm256_xor_si256(x.b, y.b)}; }
AWQ_INLINE I iadd(I x, I y) { return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
AWQ_INLINE I isub(I x, I y) { return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)}; }
AWQ_INLINE I imul(I x, I y) { return {_mm256_mullo_epi32(x.a, y.a), _mm256_mullo_epi32(x.b, y.b)}; }
template <int N> AWQ_INLINE I iright(I x) { return {_mm256_srli_epi32(x.a, N), _mm256_srli_epi32(x.b, N)}; }
template <int N> AWQ_INLINE I ileft(I x) { return {_mm256_slli_epi32(x.a, N), _mm256_slli_epi32(x.b, N)}; }
AWQ_INLINE I iround(V x) { return {_mm256_cvtps_epi32(rounded(x.a)), _mm256_cvtps_epi32(rounded(x.b))}; }
AWQ_INLINE V ifloat(I x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
AWQ_INLINE I ibytes(const uint8_t *p) { /* sixteen bytes, zero extended */
  const __m128i v = half(p);
  return {_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8))};
}

/* Byte B of each lane in the order of a line's even and odd nibbles: lanes 0 2 4 6 1 3 5 7, then the same of 8..15. */
template <int B> AWQ_INLINE void bytes8(__m256i x, int8_t *to) {
  const __m256i pick = _mm256_setr_epi8(B, 8 + B, -1, -1, 4 + B, 12 + B, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, B, 8 + B, -1, -1, 4 + B,
                                        12 + B, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i y = _mm256_shuffle_epi8(x, pick);
  _mm_storel_epi64((__m128i *)to, _mm_or_si128(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1)));
}
template <int B> AWQ_INLINE void ibytes_out(I x, int8_t *to) {
  bytes8<B>(x.a, to);
  bytes8<B>(x.b, to + 8);
}

#ifdef AWQ_VNNI
typedef I P;
AWQ_INLINE P pzero() { return iset(0); }
AWQ_INLINE __m256i pdot(__m256i acc, __m256i codes, __m256i x) { return _mm256_dpbusd_avx_epi32(acc, codes, x); }
AWQ_INLINE I pflush(I sum, P part) { return iadd(sum, part); }
#else
/* Partial dot products: 16-bit sums that hold 8 of maddubs' pairs, each at most 2 * 15 * 128, so DOT_LINES lines. */
struct P { __m256i a, b; };
AWQ_INLINE P pzero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
/* The addition in assembler: GCC else collects all products first and adds them later, which takes a store and a load for each. */
AWQ_INLINE __m256i pdot(__m256i acc, __m256i codes, __m256i x) {
  __asm__("vpaddw %1, %0, %0" : "+x"(acc) : "x"(_mm256_maddubs_epi16(codes, x)));
  return acc;
}
AWQ_INLINE I pflush(I sum, P part) {
  const __m256i one = _mm256_set1_epi16(1);
  return {_mm256_add_epi32(sum.a, _mm256_madd_epi16(part.a, one)), _mm256_add_epi32(sum.b, _mm256_madd_epi16(part.b, one))};
}
#endif
AWQ_INLINE P pdot(P acc, I even, I xeven, I odd, I xodd) {
  acc = {pdot(acc.a, even.a, xeven.a), pdot(acc.b, even.b, xeven.b)};
  return {pdot(acc.a, odd.a, xodd.a), pdot(acc.b, odd.b, xodd.b)};
}

}  // namespace

#endif
