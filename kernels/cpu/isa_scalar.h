/* Plain C for any machine: sixteen lanes as four short vectors of the compiler, no fused multiply-add. */
#ifndef AWQ_ISA_SCALAR_H
#define AWQ_ISA_SCALAR_H

#include "../common/awq_num.h"
#include "cpu.h"

#define AWQ_ISA scalar

namespace {

typedef float f4 __attribute__((vector_size(16)));
typedef int32_t i4 __attribute__((vector_size(16)));

struct V { f4 a, b, c, d; };
struct I { i4 a, b, c, d; };

enum { GEMM_MR = 2, GEMM_NV = 1, DOT_ROWS = 3, DOT_LINES = 64, DIGIT_ROWS = 0, GEMV_PANELS = 1, GEMV_ROWS = 2, GEMV_SUMS = 2 };

#define AWQ_INLINE inline __attribute__((always_inline))

AWQ_INLINE f4 f4load(const float *p) { f4 v; __builtin_memcpy(&v, p, 16); return v; }
AWQ_INLINE i4 i4load(const void *p) { i4 v; __builtin_memcpy(&v, p, 16); return v; }
AWQ_INLINE i4 bits(f4 v) { return (i4)v; }
AWQ_INLINE f4 pick(i4 mask, f4 x, f4 y) { return (f4)((mask & bits(x)) | (~mask & bits(y))); }
AWQ_INLINE f4 smaller(f4 x, f4 y) { return pick(x < y, x, y); }
AWQ_INLINE f4 larger(f4 x, f4 y) { return pick(x > y, x, y); }

/* Half to even up to 2^23 in size, where +-2^23 + x has no fraction bits left; above that codes are clamped anyway. */
AWQ_INLINE f4 rounded(f4 x) {
  const f4 large = (f4)((bits(x) & INT32_MIN) | 0x4b000000);
  return (x + large) - large;
}
AWQ_INLINE f4 power(f4 x) { return (f4)((__builtin_convertvector(x, i4) + 127) << 23); }

AWQ_INLINE V vload(const float *p) { return {f4load(p), f4load(p + 4), f4load(p + 8), f4load(p + 12)}; }
AWQ_INLINE void vstore(float *p, V v) { __builtin_memcpy(p, &v, 64); }
AWQ_INLINE V vset(float f) { f4 v = {f, f, f, f}; return {v, v, v, v}; }
AWQ_INLINE V vadd(V x, V y) { return {x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d}; }
AWQ_INLINE V vsub(V x, V y) { return {x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d}; }
AWQ_INLINE V vmul(V x, V y) { return {x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d}; }
AWQ_INLINE V vdiv(V x, V y) { return {x.a / y.a, x.b / y.b, x.c / y.c, x.d / y.d}; }
AWQ_INLINE V vfma(V x, V y, V z) { return vadd(vmul(x, y), z); }
AWQ_INLINE V vmin(V x, V y) { return {smaller(x.a, y.a), smaller(x.b, y.b), smaller(x.c, y.c), smaller(x.d, y.d)}; }
AWQ_INLINE V vmax(V x, V y) { return {larger(x.a, y.a), larger(x.b, y.b), larger(x.c, y.c), larger(x.d, y.d)}; }
AWQ_INLINE V vround(V x) { return {rounded(x.a), rounded(x.b), rounded(x.c), rounded(x.d)}; }
AWQ_INLINE V vpower(V x) { return {power(x.a), power(x.b), power(x.c), power(x.d)}; }

AWQ_INLINE V load_f16(const uint16_t *p) {
  float f[16];
  for (int i = 0; i < 16; i++) f[i] = awq_f16_to_f32(p[i]);
  return vload(f);
}

AWQ_INLINE V load_bf16(const uint16_t *p) {
  float f[16];
  for (int i = 0; i < 16; i++) f[i] = awq_bf16_to_f32(p[i]);
  return vload(f);
}

AWQ_INLINE void store_f16(uint16_t *p, V v) {
  float f[16];
  vstore(f, v);
  for (int i = 0; i < 16; i++) p[i] = awq_f32_to_f16(f[i]);
}

AWQ_INLINE I iload(const void *p) {
  const char *q = (const char *)p;
  return {i4load(q), i4load(q + 16), i4load(q + 32), i4load(q + 48)};
}
AWQ_INLINE void istore(void *p, I x) { __builtin_memcpy(p, &x, 64); }
AWQ_INLINE I iset(int32_t n) { i4 v = {n, n, n, n}; return {v, v, v, v}; }
AWQ_INLINE I ispread(const void *p) { /* four bytes, to every lane */
  int32_t n;
  __builtin_memcpy(&n, p, 4);
  return iset(n);
}
AWQ_INLINE I iand(I x, I y) { return {x.a & y.a, x.b & y.b, x.c & y.c, x.d & y.d}; }
AWQ_INLINE I ixor(I x, I y) { return {x.a ^ y.a, x.b ^ y.b, x.c ^ y.c, x.d ^ y.d}; }
AWQ_INLINE I iadd(I x, I y) { return {x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d}; }
AWQ_INLINE I isub(I x, I y) { return {x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d}; }
AWQ_INLINE I imul(I x, I y) { return {x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d}; }
template <int N> AWQ_INLINE i4 right(i4 v) { typedef uint32_t u4 __attribute__((vector_size(16))); return (i4)((u4)v >> N); }
template <int N> AWQ_INLINE I iright(I x) { return {right<N>(x.a), right<N>(x.b), right<N>(x.c), right<N>(x.d)}; }
template <int N> AWQ_INLINE I ileft(I x) { return {x.a << N, x.b << N, x.c << N, x.d << N}; }
AWQ_INLINE i4 whole(f4 x) { return __builtin_convertvector(rounded(x), i4); }
AWQ_INLINE I iround(V x) { return {whole(x.a), whole(x.b), whole(x.c), whole(x.d)}; }
AWQ_INLINE V ifloat(I x) {
  return {__builtin_convertvector(x.a, f4), __builtin_convertvector(x.b, f4), __builtin_convertvector(x.c, f4),
          __builtin_convertvector(x.d, f4)};
}
AWQ_INLINE I ibytes(const uint8_t *p) { /* sixteen bytes, zero extended */
  int32_t n[16];
  for (int i = 0; i < 16; i++) n[i] = p[i];
  return iload(n);
}

/* Byte B of each lane in the order of a line's even and odd nibbles: lanes 0 2 4 6 1 3 5 7, then the same of 8..15. */
template <int B> AWQ_INLINE void ibytes_out(I x, int8_t *to) {
  int8_t t[64];
  __builtin_memcpy(t, &x, 64);
  for (int i = 0; i < 16; i++) to[(i & 8) + (i & 1) * 4 + (i & 7) / 2] = t[4 * i + B];
}

/* Partial dot products: each lane's four unsigned codes with four signed bytes. */
typedef I P;
AWQ_INLINE i4 dot4(i4 acc, i4 codes, i4 x) {
  for (int i = 0; i < 4; i++) {
    const i4 q = (codes >> (8 * i)) & 15, v = (i4)(x << (24 - 8 * i)) >> 24;
    acc += q * v;
  }
  return acc;
}
AWQ_INLINE P pzero() { return iset(0); }
AWQ_INLINE P pdot(P acc, I even, I xeven, I odd, I xodd) {
  return {dot4(dot4(acc.a, even.a, xeven.a), odd.a, xodd.a), dot4(dot4(acc.b, even.b, xeven.b), odd.b, xodd.b),
          dot4(dot4(acc.c, even.c, xeven.c), odd.c, xodd.c), dot4(dot4(acc.d, even.d, xeven.d), odd.d, xodd.d)};
}
AWQ_INLINE I pflush(I sum, P part) { return iadd(sum, part); }

}  // namespace

#endif
