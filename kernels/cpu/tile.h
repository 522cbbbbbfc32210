/* What every tile template needs beside the traits: names, tails, sums in a fixed order, exp.
 *
 * All arithmetic here and in rows_tile.h and quant_tile.h is lane by lane over sixteen lanes and without fused
 * multiply-add, so that those ops give the same bits with every instruction set. */
#ifndef AWQ_TILE_H
#define AWQ_TILE_H

#define AWQ_JOIN2(a, b) a##b
#define AWQ_JOIN(a, b) AWQ_JOIN2(a, b)
#define AWQ_KERNEL_NAME(words) AWQ_JOIN(AWQ_JOIN(awqk_, words), AWQ_JOIN(_, AWQ_ISA))

namespace {

enum {
  WIDE_SUMS = 64,  /* DOT_LINES of an instruction set whose partial sums hold a whole segment */
  ALL_ROWS = 1 << 30 /* DIGIT_ROWS of one whose exact mode never uses floats: it has dot products of bytes */
};

AWQ_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
AWQ_INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
AWQ_INLINE int64_t blocks(int64_t n, int64_t size) { return (n + size - 1) / size; }

/* The first `count` (0..16) of sixteen floats; the other lanes read as `rest`. */
AWQ_INLINE V load_part(const float *p, int64_t count, float rest) {
  if (count >= 16) return vload(p);
  float t[16];
  for (int i = 0; i < 16; i++) t[i] = i < count ? p[i] : rest;
  return vload(t);
}

AWQ_INLINE void store_part(float *p, V v, int64_t count) {
  if (count >= 16) return vstore(p, v);
  float t[16];
  vstore(t, v);
  for (int i = 0; i < count; i++) p[i] = t[i];
}

/* Lanes combine as a tree: 0 with 8, then 4, 2, 1. */
template <class F> AWQ_INLINE float fold(V v, F f) {
  float t[16];
  vstore(t, v);
  for (int half = 8; half; half /= 2)
    for (int i = 0; i < half; i++) t[i] = f(t[i], t[i + half]);
  return t[0];
}

AWQ_INLINE float sum_of(V v) {
  return fold(v, [](float a, float b) { return a + b; });
}
AWQ_INLINE float max_of(V v) {
  return fold(v, [](float a, float b) { return a > b ? a : b; });
}
AWQ_INLINE float min_of(V v) {
  return fold(v, [](float a, float b) { return a < b ? a : b; });
}
AWQ_INLINE int32_t isum(I x) { /* wraps */
  uint32_t t[16], sum = 0;
  istore(t, x);
  for (int i = 0; i < 16; i++) sum += t[i];
  return (int32_t)sum;
}
AWQ_INLINE V vabs(V x) { return vmax(x, vsub(vset(0), x)); }

AWQ_INLINE double fold16(double *t) {
  for (int half = 8; half; half /= 2)
    for (int i = 0; i < half; i++) t[i] += t[i + half];
  return t[0];
}

/* exp, below 1 ulp off: x = n ln 2 + r with n ln 2 in two parts (the first exact), a polynomial on |r| <= ln 2 / 2, and 2^n
 * in two steps so that both ends under- and overflow by themselves. */
AWQ_INLINE V vexp(V x) {
  x = vmax(vset(-104.0f), vmin(vset(89.0f), x)); /* bound first: a NaN passes through */
  const V n = vround(vmul(x, vset(1.44269504088896341f)));
  V r = vsub(x, vmul(n, vset(0.693359375f)));
  r = vsub(r, vmul(n, vset(-2.12194440e-4f)));
  V p = vset(1.9891030654e-4f); /* (e^r - 1 - r) / r^2, interpolated at the Chebyshev points of |r| <= ln 2 / 2 */
  p = vadd(vmul(p, r), vset(1.3933685863e-3f));
  p = vadd(vmul(p, r), vset(8.3333108896e-3f));
  p = vadd(vmul(p, r), vset(4.1666464602e-2f));
  p = vadd(vmul(p, r), vset(1.6666666682e-1f));
  p = vadd(vmul(p, r), vset(0.5f));
  p = vadd(vadd(vmul(vmul(p, r), r), r), vset(1.0f));
  const V n1 = vround(vmul(n, vset(0.5f)));
  return vmul(vmul(p, vpower(n1)), vpower(vsub(n, n1)));
}

/* Calls f.template run<rows>() for a run-time 1 <= rows <= MR: the last tile of a block has its own instance. */
template <int MR, class F> AWQ_INLINE void with_rows(int64_t rows, const F &f) {
  if constexpr (MR > 1) {
    if (rows < MR) return with_rows<MR - 1>(rows, f);
  }
  f.template run<MR>();
}

}  // namespace

#endif
