/* 16-bit floats and 4-bit codes in plain integer arithmetic: the definition that every vector path must reproduce. */
#ifndef AWQ_NUM_H
#define AWQ_NUM_H

#include <stdint.h>

static inline uint32_t awq_float_bits(float f) {
  uint32_t u;
  __builtin_memcpy(&u, &f, 4);
  return u;
}

static inline float awq_bits_float(uint32_t u) {
  float f;
  __builtin_memcpy(&f, &u, 4);
  return f;
}

static inline float awq_f16_to_f32(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000u) << 16, magnitude = h & 0x7fffu;
  if (magnitude >= 0x7c00u) /* inf, and NaN made quiet as F16C does */
    return awq_bits_float(sign | 0x7f800000u | (magnitude > 0x7c00u ? 0x400000u : 0u) | ((magnitude & 0x3ffu) << 13));
  if (magnitude < 0x400u) { /* zero and denormals: an exact product */
    float f = (float)magnitude * 0x1p-24f;
    return awq_bits_float(sign | awq_float_bits(f));
  }
  return awq_bits_float(sign | ((magnitude << 13) + 0x38000000u));
}

/* Half to even; overflow goes to infinity. */
static inline uint16_t awq_f32_to_f16(float f) {
  uint32_t u = awq_float_bits(f), sign = u >> 16 & 0x8000u;
  u &= 0x7fffffffu;
  if (u > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (u >> 13 & 0x3ffu));
  if (u >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);
  if (u < 0x38800000u) { /* denormal: the addition aligns and rounds the mantissa */
    float r = awq_bits_float(u) + 0.5f;
    return (uint16_t)(sign | (awq_float_bits(r) - 0x3f000000u));
  }
  return (uint16_t)(sign | ((u - 0x38000000u + 0xfffu + (u >> 13 & 1u)) >> 13));
}

static inline float awq_bf16_to_f32(uint16_t h) { return awq_bits_float((uint32_t)h << 16); }

/* Half to even; NaN stays NaN. */
static inline uint16_t awq_f32_to_bf16(float f) {
  uint32_t u = awq_float_bits(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40u);
  return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

/* Canonical nibble order: the code of even k sits in the low half of byte k/2. */
static inline uint32_t awq_code(const uint8_t *row, int64_t k) { return row[k >> 1] >> ((k & 1) * 4) & 15u; }

#endif
