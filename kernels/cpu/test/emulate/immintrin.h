/* The AVX-512 instructions that isa_avx512.h uses, in plain C, lane by lane as the manual defines them. Found before the
 * compiler's header when the emulated archive is built: so the same traits and templates run on any machine. What the
 * compiler's own vectors define equally is left to them; the rest are calls, which keeps the templates quick to compile. */
#ifndef AWQ_EMULATED_IMMINTRIN_H
#define AWQ_EMULATED_IMMINTRIN_H

#include <stdint.h>

#include "../../../common/awq_num.h"

typedef float __m512 __attribute__((vector_size(64), aligned(64)));
typedef int32_t __m512i __attribute__((vector_size(64), aligned(64)));
typedef uint32_t emulated_u512 __attribute__((vector_size(64), aligned(64)));
typedef __m512i __m512bh;
struct __m128i { uint8_t b[16]; };
struct __m256i { uint16_t h[16]; };
union emulated_512 {
  __m512 v;
  __m512i w;
  float f[16];
  int32_t i[16];
  int16_t s[32];
  uint16_t h[32];
  uint8_t b[64];
  int8_t c[64];
};

enum { _MM_FROUND_TO_NEAREST_INT = 0, _MM_FROUND_NO_EXC = 8 };

#define SHORT static inline __attribute__((always_inline))
#define CALL static __attribute__((noinline, unused))

SHORT __m512 _mm512_add_ps(__m512 a, __m512 b) { return a + b; }
SHORT __m512 _mm512_sub_ps(__m512 a, __m512 b) { return a - b; }
SHORT __m512 _mm512_mul_ps(__m512 a, __m512 b) { return a * b; }
SHORT __m512 _mm512_div_ps(__m512 a, __m512 b) { return a / b; }
SHORT __m512i _mm512_and_si512(__m512i a, __m512i b) { return a & b; }
SHORT __m512i _mm512_xor_si512(__m512i a, __m512i b) { return a ^ b; }
SHORT __m512i _mm512_setr_epi32(int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int32_t f, int32_t g, int32_t h, int32_t i, int32_t j, int32_t k,
                                int32_t l, int32_t m, int32_t n, int32_t o, int32_t p) {
  return (__m512i){a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p};
}
SHORT __m512i _mm512_add_epi32(__m512i a, __m512i b) { return (__m512i)((emulated_u512)a + (emulated_u512)b); }
SHORT __m512i _mm512_sub_epi32(__m512i a, __m512i b) { return (__m512i)((emulated_u512)a - (emulated_u512)b); }
SHORT __m512i _mm512_mullo_epi32(__m512i a, __m512i b) { return (__m512i)((emulated_u512)a * (emulated_u512)b); }
SHORT __m512i _mm512_slli_epi32(__m512i a, unsigned n) { return (__m512i)((emulated_u512)a << n); }
SHORT __m512i _mm512_srli_epi32(__m512i a, unsigned n) { return (__m512i)((emulated_u512)a >> n); }
SHORT __m512 _mm512_set1_ps(float f) { return f - (__m512){}; }
SHORT __m512i _mm512_set1_epi32(int32_t n) { return n - (__m512i){}; }
SHORT __m512i _mm512_set1_epi16(int16_t n) { return _mm512_set1_epi32((int32_t)((uint32_t)(uint16_t)n * 0x10001u)); }
SHORT __m512 _mm512_castsi512_ps(__m512i a) { return (__m512)a; }
SHORT __m512 _mm512_cvtepi32_ps(__m512i a) { return __builtin_convertvector(a, __m512); }
SHORT __m512 _mm512_loadu_ps(const void *p) { __m512 r; __builtin_memcpy(&r, p, 64); return r; }
SHORT void _mm512_storeu_ps(void *p, __m512 a) { __builtin_memcpy(p, &a, 64); }
SHORT __m512i _mm512_loadu_si512(const void *p) { __m512i r; __builtin_memcpy(&r, p, 64); return r; }
SHORT void _mm512_storeu_si512(void *p, __m512i a) { __builtin_memcpy(p, &a, 64); }
SHORT void _mm_storeu_si128(__m128i *p, __m128i a) { __builtin_memcpy(p, &a, 16); }
SHORT __m256i _mm256_loadu_si256(const __m256i *p) { __m256i r; __builtin_memcpy(&r, p, 32); return r; }
SHORT void _mm256_storeu_si256(__m256i *p, __m256i a) { __builtin_memcpy(p, &a, 32); }
SHORT __m128i _mm_loadu_si128(const __m128i *p) { __m128i r; __builtin_memcpy(&r, p, 16); return r; }

CALL __m512 _mm512_min_ps(__m512 a, __m512 b) {
  emulated_512 x = {a}, y = {b};
  for (int k = 0; k < 16; k++) x.f[k] = x.f[k] < y.f[k] ? x.f[k] : y.f[k];
  return x.v;
}
CALL __m512 _mm512_max_ps(__m512 a, __m512 b) {
  emulated_512 x = {a}, y = {b};
  for (int k = 0; k < 16; k++) x.f[k] = x.f[k] > y.f[k] ? x.f[k] : y.f[k];
  return x.v;
}
CALL __m512 _mm512_fmadd_ps(__m512 a, __m512 b, __m512 c) {
  emulated_512 x = {a}, y = {b}, z = {c};
  for (int k = 0; k < 16; k++) z.f[k] = __builtin_fmaf(x.f[k], y.f[k], z.f[k]);
  return z.v;
}
CALL __m512 _mm512_roundscale_ps(__m512 a, int mode) {
  emulated_512 x = {a};
  for (int k = 0; k < 16; k++) x.f[k] = mode == (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC) ? __builtin_rintf(x.f[k]) : __builtin_nanf("");
  return x.v;
}
CALL __m512i _mm512_cvttps_epi32(__m512 a) {
  emulated_512 x = {a};
  for (int k = 0; k < 16; k++) x.i[k] = x.f[k] > -2147483904.0f && x.f[k] < 2147483648.0f ? (int32_t)x.f[k] : INT32_MIN;
  return x.w;
}
CALL __m512i _mm512_cvtps_epi32(__m512 a) { /* half to even */
  emulated_512 x = {a};
  for (int k = 0; k < 16; k++) x.f[k] = __builtin_rintf(x.f[k]);
  return _mm512_cvttps_epi32(x.v);
}
CALL __m512i _mm512_permutexvar_epi32(__m512i index, __m512i a) {
  emulated_512 n, x, r;
  n.w = index, x.w = a;
  for (int k = 0; k < 16; k++) r.i[k] = x.i[n.i[k] & 15];
  return r.w;
}
CALL __m512i _mm512_permutexvar_epi16(__m512i index, __m512i a) {
  emulated_512 n, x, r;
  n.w = index, x.w = a;
  for (int k = 0; k < 32; k++) r.h[k] = x.h[n.h[k] & 31];
  return r.w;
}
CALL __m128i _mm_srli_si128(__m128i a, int bytes) {
  __m128i r = {};
  for (int k = bytes; k < 16; k++) r.b[k - bytes] = a.b[k];
  return r;
}
CALL __m128i _mm_unpacklo_epi16(__m128i a, __m128i b) {
  __m128i r;
  for (int k = 0; k < 4; k++) __builtin_memcpy(r.b + 4 * k, a.b + 2 * k, 2), __builtin_memcpy(r.b + 4 * k + 2, b.b + 2 * k, 2);
  return r;
}
CALL __m128i _mm512_cvtepi32_epi8(__m512i a) {
  emulated_512 x;
  x.w = a;
  __m128i r;
  for (int k = 0; k < 16; k++) r.b[k] = (uint8_t)x.i[k];
  return r;
}
CALL __m512 _mm512_cvtph_ps(__m256i a) {
  emulated_512 x;
  for (int k = 0; k < 16; k++) x.f[k] = awq_f16_to_f32(a.h[k]);
  return x.v;
}
CALL __m256i _mm512_cvtps_ph(__m512 a, int mode) {
  emulated_512 x = {a};
  __m256i r;
  for (int k = 0; k < 16; k++) r.h[k] = mode == (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC) ? awq_f32_to_f16(x.f[k]) : (uint16_t)0x7e00;
  return r;
}
CALL __m512i _mm512_cvtepu16_epi32(__m256i a) {
  emulated_512 x;
  for (int k = 0; k < 16; k++) x.i[k] = a.h[k];
  return x.w;
}
CALL __m512i _mm512_cvtepu8_epi32(__m128i a) {
  emulated_512 x;
  for (int k = 0; k < 16; k++) x.i[k] = a.b[k];
  return x.w;
}
CALL __m512i _mm512_add_epi16(__m512i a, __m512i b) {
  emulated_512 x, y;
  x.w = a, y.w = b;
  for (int k = 0; k < 32; k++) x.s[k] = (int16_t)(uint16_t)((uint16_t)x.s[k] + (uint16_t)y.s[k]);
  return x.w;
}
CALL __m512i _mm512_maddubs_epi16(__m512i a, __m512i b) {
  emulated_512 x, y, r;
  x.w = a, y.w = b;
  for (int k = 0; k < 32; k++) {
    const int32_t sum = x.b[2 * k] * y.c[2 * k] + x.b[2 * k + 1] * y.c[2 * k + 1];
    r.s[k] = (int16_t)(sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum);
  }
  return r.w;
}
CALL __m512i _mm512_madd_epi16(__m512i a, __m512i b) {
  emulated_512 x, y;
  x.w = a, y.w = b;
  emulated_512 r;
  for (int k = 0; k < 16; k++) r.i[k] = x.s[2 * k] * y.s[2 * k] + x.s[2 * k + 1] * y.s[2 * k + 1];
  return r.w;
}
CALL __m512i _mm512_dpbusd_epi32(__m512i acc, __m512i a, __m512i b) {
  emulated_512 r, x, y;
  r.w = acc, x.w = a, y.w = b;
  for (int k = 0; k < 64; k++) r.i[k / 4] = (int32_t)((uint32_t)r.i[k / 4] + (uint32_t)(x.b[k] * y.c[k]));
  return r.w;
}

/* bfloat16 products: operands and results below 2^-126 become zero, sums are rounded to nearest whatever the mode. */
SHORT float emulated_daz(float f) { return __builtin_fabsf(f) < 0x1p-126f ? __builtin_copysignf(0, f) : f; }
SHORT float emulated_bf16(uint16_t h) { return emulated_daz(awq_bf16_to_f32(h)); }
SHORT float emulated_fma(float a, float b, float c) {
  /* whether a result is tiny the CPU decides after rounding to 24 bits without a bound to the exponent; the products are exact in double */
  const double exact = (double)a * (double)b + (double)emulated_daz(c);
  return __builtin_fabs(exact) < 0x1.ffffffp-127 ? (float)__builtin_copysign(0, exact) : __builtin_fmaf(a, b, emulated_daz(c));
}
CALL __m512 _mm512_dpbf16_ps(__m512 acc, __m512bh a, __m512bh b) { /* the odd product first */
  emulated_512 r = {acc}, x, y;
  x.w = a, y.w = b;
  for (int k = 0; k < 16; k++)
    for (int i = 1; i >= 0; i--) r.f[k] = emulated_fma(emulated_bf16(x.h[2 * k + i]), emulated_bf16(y.h[2 * k + i]), r.f[k]);
  return r.v;
}

/* AMX: eight tiles of up to 16 rows of 64 bytes a thread, shaped by the configuration. What lies beyond a tile's shape is zero after
 * each write; an operand of another shape, or a tile without configuration, faults on the CPU and aborts here. */
struct emulated_tiles {
  bool configured;
  uint16_t bytes[8];
  uint8_t rows[8];
  uint8_t data[8][16][64];
};
static thread_local emulated_tiles emulated_tile;

CALL void _tile_loadconfig(const void *p) {
  const uint8_t *config = (const uint8_t *)p;
  if (config[0] != 1) __builtin_trap();
  emulated_tile = {};
  for (int t = 0; t < 8; t++) {
    __builtin_memcpy(&emulated_tile.bytes[t], config + 16 + 2 * t, 2);
    emulated_tile.rows[t] = config[48 + t];
    if (emulated_tile.bytes[t] > 64 || emulated_tile.rows[t] > 16) __builtin_trap();
  }
  emulated_tile.configured = true;
}
CALL void _tile_release() { emulated_tile = {}; }
CALL void emulated_check(int t) {
  if (!emulated_tile.configured || !emulated_tile.rows[t] || !emulated_tile.bytes[t]) __builtin_trap();
}
CALL void _tile_zero(int t) {
  emulated_check(t);
  __builtin_memset(emulated_tile.data[t], 0, sizeof emulated_tile.data[t]);
}
CALL void _tile_loadd(int t, const void *p, int64_t stride) {
  _tile_zero(t);
  for (int r = 0; r < emulated_tile.rows[t]; r++) __builtin_memcpy(emulated_tile.data[t][r], (const char *)p + r * stride, emulated_tile.bytes[t]);
}
CALL void _tile_stored(int t, void *p, int64_t stride) {
  emulated_check(t);
  for (int r = 0; r < emulated_tile.rows[t]; r++) __builtin_memcpy((char *)p + r * stride, emulated_tile.data[t][r], emulated_tile.bytes[t]);
}
CALL void _tile_dpbsud(int c, int a, int b) { /* signed bytes of a times unsigned bytes of b */
  emulated_tiles &t = emulated_tile;
  emulated_check(c), emulated_check(a), emulated_check(b);
  if (t.rows[c] != t.rows[a] || t.bytes[a] != 4 * t.rows[b] || t.bytes[c] != t.bytes[b]) __builtin_trap();
  for (int m = 0; m < t.rows[c]; m++)
    for (int n = 0; n < t.bytes[c] / 4; n++) {
      int32_t sum;
      __builtin_memcpy(&sum, &t.data[c][m][4 * n], 4);
      for (int k = 0; k < t.bytes[a]; k++) sum = (int32_t)((uint32_t)sum + (uint32_t)((int8_t)t.data[a][m][k] * t.data[b][k / 4][4 * n + k % 4]));
      __builtin_memcpy(&t.data[c][m][4 * n], &sum, 4);
    }
}
CALL void _tile_dpbf16ps(int c, int a, int b) { /* a chain of even and one of odd k, added, then to the sum */
  emulated_tiles &t = emulated_tile;
  emulated_check(c), emulated_check(a), emulated_check(b);
  if (t.rows[c] != t.rows[a] || t.bytes[a] != 4 * t.rows[b] || t.bytes[c] != t.bytes[b]) __builtin_trap();
  for (int m = 0; m < t.rows[c]; m++)
    for (int n = 0; n < t.bytes[c] / 4; n++) {
      float chain[2] = {0, 0}, sum;
      for (int k = 0; k < t.bytes[a] / 4; k++)
        for (int i = 0; i < 2; i++) {
          uint16_t x, y;
          __builtin_memcpy(&x, &t.data[a][m][4 * k + 2 * i], 2);
          __builtin_memcpy(&y, &t.data[b][k][4 * n + 2 * i], 2);
          chain[i] = emulated_fma(emulated_bf16(x), emulated_bf16(y), chain[i]);
        }
      __builtin_memcpy(&sum, &t.data[c][m][4 * n], 4);
      sum = emulated_fma(1, sum, emulated_fma(1, chain[0], chain[1]));
      __builtin_memcpy(&t.data[c][m][4 * n], &sum, 4);
    }
}

#undef SHORT
#undef CALL
#endif
