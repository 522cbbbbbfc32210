/* The activations of a linear as signed bytes: what the integer dot products of linear_dot.h multiply with codes.
 *
 * Exact mode. In each row and segment x is aligned to its largest value, as float32 addition aligns its terms: with 2^e the power
 * of two at or below 1.0041 max|x|, X = round(x / 2^(e-22)), half to even, and |x - X 2^(e-22)| <= 2^(e-23). float16 and bfloat16
 * values no smaller than 2^-12 and 2^-15 of 2^e are taken without any rounding. X is held as three balanced digits of base 256,
 * X = d0 + 256 d1 + 65536 d2, each -128..127: |X| <= 2^23 / 1.0041 fits.
 * Int8 mode. x is rounded half to even to one digit of -127..127 steps of d = max|x| / 127, a row and group.
 *
 * A row with a NaN or an infinity gets the step NaN, which reaches all of its outputs. */
#ifndef AWQ_LINEAR_DIGITS_H
#define AWQ_LINEAR_DIGITS_H

#include "linear_weight.h"

namespace {

enum {
  EXACT_BITS = 22,             /* bits below 2^e */
  LEAST_EXPONENT = 127 - 80    /* smaller values are aligned as if 2^-80 were the largest: step times scale stays a normal number */
};

/* Prepared rows of one block: virtual row v = row * count + digit. */
struct digits {
  int64_t rows, depth, count;    /* depth: bytes a virtual row and segment, 8 * lines */
  int8_t *q;                     /* [segment][virtual row][depth], in the order of even and odd nibbles of a line */
  float *step;                   /* [segment][row] */
  float *sum;                    /* [segment][virtual row]: of each digit over the segment, exact */
};

/* max|x|; NaN if x holds one or an infinity. */
AWQ_INLINE float largest(const float *x, int64_t depth) {
  V top = vset(0), poison = vset(0);
  for (int64_t t = 0; t < depth; t += 16) {
    const V v = vload(x + t);
    top = vmax(vabs(v), top);
    poison = vadd(poison, vsub(v, v));
  }
  return max_of(top) + sum_of(poison);
}

/* Bytes of `count` lanes of y in the order of a line's even and odd nibbles. Segments end on multiples of 8, vectors of 16. */
template <int B> AWQ_INLINE void store_bytes(I y, int64_t count, int8_t *to) {
  int8_t t[16];
  ibytes_out<B>(y, t);
  __builtin_memcpy(to, t, count < 16 ? 8 : 16);
}

AWQ_INLINE void digits_exact(const float *x, const digits *p, int64_t segment, int64_t row) {
  const int64_t at = segment * p->rows + row;
  int8_t *to = p->q + at * 3 * p->depth;
  float *sum = p->sum + at * 3;
  const float top = largest(x, p->depth);
  if (!(top - top == 0)) {
    __builtin_memset(to, 0, (size_t)(3 * p->depth));
    sum[0] = sum[1] = sum[2] = 0;
    p->step[at] = top - top;
    return;
  }
  const uint32_t exponent = awq_float_bits(top * 1.0041f) >> 23;
  const uint32_t e = exponent < LEAST_EXPONENT ? (uint32_t)LEAST_EXPONENT : exponent;
  const V scale = vset(awq_bits_float((254 + EXACT_BITS - e) << 23));
  const I half = iset(0x808080); /* makes the digits unsigned bytes, each 128 too large */
  p->step[at] = awq_bits_float((e - EXACT_BITS) << 23);
  I sums[3] = {iset(0), iset(0), iset(0)};
  for (int64_t t = 0; t < p->depth; t += 16) {
    const I biased = iadd(iround(vmul(vload(x + t), scale)), half), y = ixor(biased, half);
    store_bytes<0>(y, p->depth - t, to + t);
    store_bytes<1>(y, p->depth - t, to + p->depth + t);
    store_bytes<2>(y, p->depth - t, to + 2 * p->depth + t);
    sums[0] = iadd(sums[0], iand(biased, iset(255)));
    sums[1] = iadd(sums[1], iand(iright<8>(biased), iset(255)));
    sums[2] = iadd(sums[2], iright<16>(biased));
  }
  const int32_t padded = (int32_t)(128 * 16 * blocks(p->depth, 16));
  for (int d = 0; d < 3; d++) sum[d] = (float)(isum(sums[d]) - padded);
}

AWQ_INLINE void digits_int8(const float *x, const digits *p, int64_t segment, int64_t row, float step) {
  const int64_t at = segment * p->rows + row;
  int8_t *to = p->q + at * p->depth;
  I all = iset(0);
  if (step > 0) {
    for (int64_t t = 0; t < p->depth; t += 16) {
      const I q = iround(vmin(vmax(vround(vdiv(vload(x + t), vset(step))), vset(-127)), vset(127)));
      store_bytes<0>(q, p->depth - t, to + t);
      all = iadd(all, q);
    }
  } else {
    __builtin_memset(to, 0, (size_t)p->depth);
  }
  p->step[at] = step;
  p->sum[at] = (float)isum(all);
}

/* Fills row `i` of p from a row of x. */
AWQ_INLINE void prepare_digits(const digits *p, const awqk_weight *w, const char *row, int32_t dtype, int64_t i) {
  float buffer[AWQ_SEGMENT + 16];
  if (p->count == 3) {
    for (int64_t s = 0; s < w->segments; s++) {
      read_row(row, dtype, w->order, segment_start(w, s), segment_count(w, s), p->depth, buffer);
      digits_exact(buffer, p, s, i);
    }
    return;
  }
  for (int64_t s0 = 0; s0 < w->segments; s0 += w->splits) {
    float top = 0;
    for (int64_t s = s0; s < s0 + w->splits; s++) {
      read_row(row, dtype, w->order, segment_start(w, s), segment_count(w, s), p->depth, buffer);
      const float t = largest(buffer, p->depth);
      top = t > top || !(t - t == 0) ? t : top;
      if (!(top - top == 0)) top = top - top; /* stays: NaN compares false */
    }
    for (int64_t s = s0; s < s0 + w->splits; s++) {
      if (w->splits > 1) read_row(row, dtype, w->order, segment_start(w, s), segment_count(w, s), p->depth, buffer);
      digits_int8(buffer, p, s, i, top / 127.0f);
    }
  }
}

}  // namespace

#endif
