/* AVX-512 F, BW, DQ, VL: sixteen lanes are one register. */
#ifndef AWQ_ISA_AVX512_H
#define AWQ_ISA_AVX512_H

#include <immintrin.h>

#include "../common/awq_num.h"
#include "cpu.h"

#ifndef AWQ_ISA
#define AWQ_ISA avx512
#endif

namespace {

struct V { __m512 a; };
struct I { __m512i a; };

#if defined(AWQ_TILES)
enum { GEMM_MR = 12, GEMM_NV = 2, DOT_ROWS = 15, DOT_LINES = 64, DIGIT_ROWS = 1 << 30, GEMV_PANELS = 4, GEMV_ROWS = 8, GEMV_SUMS = 8 };
#elif defined(AWQ_VNNI)
enum { GEMM_MR = 12, GEMM_NV = 2, DOT_ROWS = 9, DOT_LINES = 64, DIGIT_ROWS = 1 << 30, GEMV_PANELS = 4, GEMV_ROWS = 8, GEMV_SUMS = 8 };
#else
enum { GEMM_MR = 12, GEMM_NV = 2, DOT_ROWS = 6, DOT_LINES = 4, DIGIT_ROWS = 1, GEMV_PANELS = 4, GEMV_ROWS = 8, GEMV_SUMS = 8 };
#endif

#define AWQ_INLINE inline __attribute__((always_inline))

AWQ_INLINE V vload(const float *p) { return {_mm512_loadu_ps(p)}; }
AWQ_INLINE void vstore(float *p, V v) { _mm512_storeu_ps(p, v.a); }
AWQ_INLINE V vset(float f) { return {_mm512_set1_ps(f)}; }
AWQ_INLINE V vadd(V x, V y) { return {_mm512_add_ps(x.a, y.a)}; }
AWQ_INLINE V vsub(V x, V y) { return {_mm512_sub_ps(x.a, y.a)}; }
AWQ_INLINE V vmul(V x, V y) { return {_mm512_mul_ps(x.a, y.a)}; }
AWQ_INLINE V vdiv(V x, V y) { return {_mm512_div_ps(x.a, y.a)}; }
AWQ_INLINE V vfma(V x, V y, V z) { return {_mm512_fmadd_ps(x.a, y.a, z.a)}; }
AWQ_INLINE V vmin(V x, V y) { return {_mm512_min_ps(x.a, y.a)}; }
AWQ_INLINE V vmax(V x, V y) { return {_mm512_max_ps(x.a, y.a)}; }
AWQ_INLINE V vround(V x) { return {_mm512_roundscale_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
AWQ_INLINE V vpower(V x) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvttps_epi32(x.a), _mm512_set1_epi32(127)), 23))};
}

AWQ_INLINE V load_f16(const uint16_t *p) { return {_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p))}; }
AWQ_INLINE V load_bf16(const uint16_t *p) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16))};
}
AWQ_INLINE void store_f16(uint16_t *p, V v) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

AWQ_INLINE I iload(const void *p) { return {_mm512_loadu_si512(p)}; }
AWQ_INLINE void istore(void *p, I x) { _mm512_storeu_si512(p, x.a); }
AWQ_INLINE I iset(int32_t n) { return {_mm512_set1_epi32(n)}; }
AWQ_INLINE I ispread(const void *p) { /* four bytes, to every lane */
  int32_t n;
  __builtin_memcpy(&n, p, 4);
  return iset(n);
}
AWQ_INLINE I iand(I x, I y) { return {_mm512_and_si512(x.a, y.a)}; }
AWQ_INLINE I ixor(I x, I y) { return {_mm512_xor_si512(x.a, y.a)}; }
AWQ_INLINE I iadd(I x, I y) { return {_mm512_add_epi32(x.a, y.a)}; }
AWQ_INLINE I isub(I x, I y) { return {_mm512_sub_epi32(x.a, y.a)}; }
AWQ_INLINE I imul(I x, I y) { return {_mm512_mullo_epi32(x.a, y.a)}; }
template <int N> AWQ_INLINE I iright(I x) { return {_mm512_srli_epi32(x.a, N)}; }
template <int N> AWQ_INLINE I ileft(I x) { return {_mm512_slli_epi32(x.a, N)}; }
AWQ_INLINE I iround(V x) { return {_mm512_cvtps_epi32(vround(x).a)}; }
AWQ_INLINE V ifloat(I x) { return {_mm512_cvtepi32_ps(x.a)}; }
AWQ_INLINE I ibytes(const uint8_t *p) { return {_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p))}; }

/* Byte B of each lane in the order of a line's even and odd nibbles: lanes 0 2 4 6 1 3 5 7, then the same of 8..15. */
template <int B> AWQ_INLINE void ibytes_out(I x, int8_t *to) {
  const __m512i lanes = _mm512_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(_mm512_srli_epi32(_mm512_permutexvar_epi32(lanes, x.a), 8 * B)));
}

#ifdef AWQ_BF16
/* Codes as bfloat16 in pairs of k, a 32-bit lane a channel: nibbles e and e + 4 lie in the two halves of a lane. */
enum { BF16_BIAS = 0x10001 };
typedef I bf16_table;
AWQ_INLINE bf16_table bf16_load(const uint16_t (&integers)[32]) { return iload(integers); }
AWQ_INLINE void bf16_line(const uint16_t *from, uint16_t *to) { /* 0 4 1 5 2 6 3 7 */
  const __m128i v = _mm_loadu_si128((const __m128i *)from);
  _mm_storeu_si128((__m128i *)to, _mm_unpacklo_epi16(v, _mm_srli_si128(v, 8)));
}
AWQ_INLINE void bf16_codes(const uint8_t *line, I bias, bf16_table table, uint8_t *to) {
  const I word = iload(line), low = iset(0x000f000f);
  istore(to, {_mm512_permutexvar_epi16(iadd(iand(word, low), bias).a, table.a)});
  istore(to + 64, {_mm512_permutexvar_epi16(iadd(iand(iright<4>(word), low), bias).a, table.a)});
  istore(to + 128, {_mm512_permutexvar_epi16(iadd(iand(iright<8>(word), low), bias).a, table.a)});
  istore(to + 192, {_mm512_permutexvar_epi16(iadd(iand(iright<12>(word), low), bias).a, table.a)});
}
#endif

#ifdef AWQ_VNNI
typedef I P;
AWQ_INLINE P pzero() { return {_mm512_set1_epi32(0)}; }
AWQ_INLINE P pdot(P acc, I even, I xeven, I odd, I xodd) {
  return {_mm512_dpbusd_epi32(_mm512_dpbusd_epi32(acc.a, even.a, xeven.a), odd.a, xodd.a)};
}
AWQ_INLINE I pflush(I sum, P part) { return {_mm512_add_epi32(sum.a, part.a)}; }
#else
/* Partial dot products: 16-bit sums that hold 8 of maddubs' pairs, each at most 2 * 15 * 128, so DOT_LINES lines. */
struct P { __m512i a; };
AWQ_INLINE P pzero() { return {_mm512_set1_epi32(0)}; }
AWQ_INLINE P pdot(P acc, I even, I xeven, I odd, I xodd) {
  return {_mm512_add_epi16(_mm512_add_epi16(acc.a, _mm512_maddubs_epi16(even.a, xeven.a)), _mm512_maddubs_epi16(odd.a, xodd.a))};
}
AWQ_INLINE I pflush(I sum, P part) { return {_mm512_add_epi32(sum.a, _mm512_madd_epi16(part.a, _mm512_set1_epi16(1)))}; }
#endif

}  // namespace

#endif
