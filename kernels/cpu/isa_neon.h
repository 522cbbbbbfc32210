/* NEON as every 64-bit ARM has it: sixteen lanes as four registers. */
#ifndef AWQ_ISA_NEON_H
#define AWQ_ISA_NEON_H

#include <arm_neon.h>

#include "../common/awq_num.h"
#include "cpu.h"

#ifndef AWQ_ISA
#define AWQ_ISA neon
#endif

namespace {

struct V { float32x4_t a, b, c, d; };
struct I { int32x4_t a, b, c, d; };

/* Three rows of sums, a line's codes and products are what 32 registers hold. A line of one row takes 24 byte dot products in exact
 * mode and 32 float multiply-adds: with dot products all rows go by digits. Without them the digits take 72 instructions and 12 that
 * rows share, floats 32 and 96 that rows share: digits for one row alone. */
#ifdef AWQ_DOTPROD
enum { DIGIT_ROWS = 1 << 30 };
#else
enum { DIGIT_ROWS = 1 };
#endif
#ifdef AWQ_TILES
enum { DOT_ROWS = 6 }; /* three pairs of matrix products */
#else
enum { DOT_ROWS = 3 };
#endif
enum { GEMM_MR = 6, GEMM_NV = 1, DOT_LINES = 64, GEMV_PANELS = 1, GEMV_ROWS = 4, GEMV_SUMS = 4 };

#define AWQ_INLINE inline __attribute__((always_inline))
#define AWQ_EACH(f, x, y) {f(x.a, y.a), f(x.b, y.b), f(x.c, y.c), f(x.d, y.d)}

/* By bytes: floats and integers may lie at any address. */
AWQ_INLINE uint8x16_t bytes(const void *p) { return vld1q_u8((const uint8_t *)p); }
AWQ_INLINE float32x4_t f4load(const float *p) { return vreinterpretq_f32_u8(bytes(p)); }
AWQ_INLINE void put(void *p, uint8x16_t v) { vst1q_u8((uint8_t *)p, v); }

/* Of a NaN and a number the second, as everywhere; fmin and fmax would return the NaN. */
AWQ_INLINE float32x4_t smaller(float32x4_t x, float32x4_t y) { return vbslq_f32(vcltq_f32(x, y), x, y); }
AWQ_INLINE float32x4_t larger(float32x4_t x, float32x4_t y) { return vbslq_f32(vcgtq_f32(x, y), x, y); }
AWQ_INLINE float32x4_t power(float32x4_t x) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(x), vdupq_n_s32(127)), 23));
}

AWQ_INLINE V vload(const float *p) { return {f4load(p), f4load(p + 4), f4load(p + 8), f4load(p + 12)}; }
AWQ_INLINE void vstore(float *p, V v) {
  put(p, vreinterpretq_u8_f32(v.a));
  put(p + 4, vreinterpretq_u8_f32(v.b));
  put(p + 8, vreinterpretq_u8_f32(v.c));
  put(p + 12, vreinterpretq_u8_f32(v.d));
}
AWQ_INLINE V vset(float f) { const float32x4_t v = vdupq_n_f32(f); return {v, v, v, v}; }
AWQ_INLINE V vadd(V x, V y) { return AWQ_EACH(vaddq_f32, x, y); }
AWQ_INLINE V vsub(V x, V y) { return AWQ_EACH(vsubq_f32, x, y); }
AWQ_INLINE V vmul(V x, V y) { return AWQ_EACH(vmulq_f32, x, y); }
AWQ_INLINE V vdiv(V x, V y) { return AWQ_EACH(vdivq_f32, x, y); }
AWQ_INLINE V vfma(V x, V y, V z) {
  return {vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c), vfmaq_f32(z.d, x.d, y.d)};
}
AWQ_INLINE V vmin(V x, V y) { return AWQ_EACH(smaller, x, y); }
AWQ_INLINE V vmax(V x, V y) { return AWQ_EACH(larger, x, y); }
AWQ_INLINE V vround(V x) { return {vrndnq_f32(x.a), vrndnq_f32(x.b), vrndnq_f32(x.c), vrndnq_f32(x.d)}; }
AWQ_INLINE V vpower(V x) { return {power(x.a), power(x.b), power(x.c), power(x.d)}; }

AWQ_INLINE V load_f16(const uint16_t *p) {
  const float16x8_t x = vreinterpretq_f16_u8(bytes(p)), y = vreinterpretq_f16_u8(bytes(p + 8));
  return {vcvt_f32_f16(vget_low_f16(x)), vcvt_high_f32_f16(x), vcvt_f32_f16(vget_low_f16(y)), vcvt_high_f32_f16(y)};
}
AWQ_INLINE float32x4_t widen(uint16x4_t h) { return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(h), 16)); }
AWQ_INLINE V load_bf16(const uint16_t *p) {
  const uint16x8_t x = vreinterpretq_u16_u8(bytes(p)), y = vreinterpretq_u16_u8(bytes(p + 8));
  return {widen(vget_low_u16(x)), widen(vget_high_u16(x)), widen(vget_low_u16(y)), widen(vget_high_u16(y))};
}
AWQ_INLINE void store_f16(uint16_t *p, V v) {
  put(p, vreinterpretq_u8_f16(vcvt_high_f16_f32(vcvt_f16_f32(v.a), v.b)));
  put(p + 8, vreinterpretq_u8_f16(vcvt_high_f16_f32(vcvt_f16_f32(v.c), v.d)));
}

AWQ_INLINE int32x4_t i4load(const char *p) { return vreinterpretq_s32_u8(bytes(p)); }
AWQ_INLINE I iload(const void *p) {
  const char *q = (const char *)p;
  return {i4load(q), i4load(q + 16), i4load(q + 32), i4load(q + 48)};
}
AWQ_INLINE void istore(void *p, I x) {
  char *q = (char *)p;
  put(q, vreinterpretq_u8_s32(x.a));
  put(q + 16, vreinterpretq_u8_s32(x.b));
  put(q + 32, vreinterpretq_u8_s32(x.c));
  put(q + 48, vreinterpretq_u8_s32(x.d));
}
AWQ_INLINE I iset(int32_t n) { const int32x4_t v = vdupq_n_s32(n); return {v, v, v, v}; }
AWQ_INLINE I ispread(const void *p) { /* four bytes, to every lane */
  int32_t n;
  __builtin_memcpy(&n, p, 4);
  return iset(n);
}
AWQ_INLINE I iand(I x, I y) { return AWQ_EACH(vandq_s32, x, y); }
AWQ_INLINE I ixor(I x, I y) { return AWQ_EACH(veorq_s32, x, y); }
AWQ_INLINE I iadd(I x, I y) { return AWQ_EACH(vaddq_s32, x, y); }
AWQ_INLINE I isub(I x, I y) { return AWQ_EACH(vsubq_s32, x, y); }
AWQ_INLINE I imul(I x, I y) { return AWQ_EACH(vmulq_s32, x, y); }
template <int N> AWQ_INLINE int32x4_t right(int32x4_t v) { return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(v), N)); }
template <int N> AWQ_INLINE I iright(I x) { return {right<N>(x.a), right<N>(x.b), right<N>(x.c), right<N>(x.d)}; }
template <int N> AWQ_INLINE I ileft(I x) { return {vshlq_n_s32(x.a, N), vshlq_n_s32(x.b, N), vshlq_n_s32(x.c, N), vshlq_n_s32(x.d, N)}; }
AWQ_INLINE I iround(V x) { return {vcvtnq_s32_f32(x.a), vcvtnq_s32_f32(x.b), vcvtnq_s32_f32(x.c), vcvtnq_s32_f32(x.d)}; }
AWQ_INLINE V ifloat(I x) { return {vcvtq_f32_s32(x.a), vcvtq_f32_s32(x.b), vcvtq_f32_s32(x.c), vcvtq_f32_s32(x.d)}; }
AWQ_INLINE int32x4_t wide(uint16x4_t v) { return vreinterpretq_s32_u32(vmovl_u16(v)); }
AWQ_INLINE I ibytes(const uint8_t *p) { /* sixteen bytes, zero extended */
  const uint8x16_t v = bytes(p);
  const uint16x8_t x = vmovl_u8(vget_low_u8(v)), y = vmovl_u8(vget_high_u8(v));
  return {wide(vget_low_u16(x)), wide(vget_high_u16(x)), wide(vget_low_u16(y)), wide(vget_high_u16(y))};
}

/* Byte B of each lane in the order of a line's even and odd nibbles: lanes 0 2 4 6 1 3 5 7, then the same of 8..15. */
template <int B> AWQ_INLINE void ibytes_out(I x, int8_t *to) {
  static const uint8_t pick[16] = {B,      8 + B,  16 + B, 24 + B, 4 + B,  12 + B, 20 + B, 28 + B,
                                   32 + B, 40 + B, 48 + B, 56 + B, 36 + B, 44 + B, 52 + B, 60 + B};
  const uint8x16x4_t all = {{vreinterpretq_u8_s32(x.a), vreinterpretq_u8_s32(x.b), vreinterpretq_u8_s32(x.c), vreinterpretq_u8_s32(x.d)}};
  put(to, vqtbl4q_u8(all, vld1q_u8(pick)));
}

/* Partial dot products, complete in each lane. */
typedef I P;
AWQ_INLINE P pzero() { return iset(0); }
#ifdef AWQ_DOTPROD
AWQ_INLINE int32x4_t pdot(int32x4_t acc, int8x16_t even, int8x16_t xeven, int8x16_t odd, int8x16_t xodd) {
  return vdotq_s32(vdotq_s32(acc, even, xeven), odd, xodd);
}
#else
/* A product is at most 15 * 128, and 16 bits hold four of them. */
AWQ_INLINE int32x4_t pdot(int32x4_t acc, int8x16_t even, int8x16_t xeven, int8x16_t odd, int8x16_t xodd) {
  const int16x8_t low = vmlal_s8(vmull_s8(vget_low_s8(even), vget_low_s8(xeven)), vget_low_s8(odd), vget_low_s8(xodd));
  const int16x8_t high = vmlal_high_s8(vmull_high_s8(even, xeven), odd, xodd);
  return vpadalq_s16(acc, vpaddq_s16(low, high));
}
#endif
AWQ_INLINE int8x16_t i8(int32x4_t v) { return vreinterpretq_s8_s32(v); }
AWQ_INLINE P pdot(P acc, I even, I xeven, I odd, I xodd) {
  return {pdot(acc.a, i8(even.a), i8(xeven.a), i8(odd.a), i8(xodd.a)), pdot(acc.b, i8(even.b), i8(xeven.b), i8(odd.b), i8(xodd.b)),
          pdot(acc.c, i8(even.c), i8(xeven.c), i8(odd.c), i8(xodd.c)), pdot(acc.d, i8(even.d), i8(xeven.d), i8(odd.d), i8(xodd.d))};
}
AWQ_INLINE I pflush(I sum, P part) { return iadd(sum, part); }

}  // namespace

#endif
