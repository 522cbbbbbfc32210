/* Linears of any shape for the ABI programs, made from a hash, and the tensors of their calls. C11. */
#ifndef AWQ_ABI_LINEARS_H
#define AWQ_ABI_LINEARS_H

#include "harness.h"

static inline uint32_t mix(uint32_t a, uint32_t b) {
  uint32_t h = a * 0x9E3779B1u + b * 0x85EBCA77u + 0x165667B1u;
  h ^= h >> 15;
  h *= 0x2C1B3C6Du;
  h ^= h >> 12;
  h *= 0x297A2D39u;
  return h ^ h >> 15;
}

/* g_idx may be NULL. An odd seed has a bias. */
static inline awq_linear *made(awq_context *ctx, int64_t n, int64_t k, int32_t group, awq_compute compute, int32_t *g_idx, uint32_t seed) {
  const int64_t groups = k / group;
  int64_t codes_shape[2] = {k, n / 8}, zeros_shape[2] = {groups, n / 8}, scales_shape[2] = {groups, n};
  uint32_t *codes = (uint32_t *)need(malloc((size_t)(k * n / 2))), *zeros = (uint32_t *)need(malloc((size_t)(groups * n / 2)));
  uint16_t *scales = (uint16_t *)need(malloc((size_t)(groups * n * 2)));
  float *bias = (float *)need(malloc((size_t)n * sizeof *bias));
  for (int64_t i = 0; i < k * n / 8; i++) codes[i] = mix(seed, (uint32_t)i);
  for (int64_t i = 0; i < groups * n / 8; i++) zeros[i] = mix(seed + 1000, (uint32_t)i);
  for (int64_t i = 0; i < groups * n; i++) scales[i] = (uint16_t)(0x1C00 | (mix(seed + 2000, (uint32_t)i) & 0x7FF)); /* 2^-8 to 2^-6 */
  for (int64_t i = 0; i < n; i++) bias[i] = (float)(mix(seed + 3000, (uint32_t)i) & 255) / 256;
  DLTensor qweight, qzeros, tscales, tbias, tg;
  set_tensor(&qweight, codes, kDLCPU, 2, kDLInt, 32, 1, codes_shape, NULL, 0);
  set_tensor(&qzeros, zeros, kDLCPU, 2, kDLInt, 32, 1, zeros_shape, NULL, 0);
  set_tensor(&tscales, scales, kDLCPU, 2, kDLFloat, 16, 1, scales_shape, NULL, 0);
  set_tensor(&tbias, bias, kDLCPU, 1, kDLFloat, 32, 1, &n, NULL, 0);
  set_tensor(&tg, g_idx, kDLCPU, 1, kDLInt, 32, 1, &k, NULL, 0);
  awq_linear_desc desc;
  memset(&desc, 0, sizeof desc);
  desc.struct_size = sizeof desc;
  desc.n = n;
  desc.k = k;
  desc.group_size = group;
  desc.compute = compute;
  desc.qweight = &qweight;
  desc.qzeros = &qzeros;
  desc.scales = &tscales;
  desc.bias = seed % 2 ? &tbias : NULL;
  desc.g_idx = g_idx ? &tg : NULL;
  awq_linear *out;
  must(awq_linear_create(ctx, &desc, &out), "awq_linear_create");
  free(codes), free(zeros), free(scales), free(bias);
  return out;
}

/* A tensor with its shape and strides. */
struct matrix {
  DLTensor t;
  int64_t shape[2], strides[2];
};

static inline DLTensor *rows_of(struct matrix *m, void *data, int64_t rows, int64_t columns, int64_t stride) {
  m->shape[0] = rows, m->shape[1] = columns;
  m->strides[0] = stride, m->strides[1] = 1;
  set_tensor(&m->t, data, kDLCPU, 2, kDLFloat, 32, 1, m->shape, m->strides, 0);
  return &m->t;
}

static inline DLTensor *ints_of(struct matrix *m, int32_t *data, int64_t count) {
  m->shape[0] = count;
  m->strides[0] = 1;
  set_tensor(&m->t, data, kDLCPU, 1, kDLInt, 32, 1, m->shape, m->strides, 0);
  return &m->t;
}

static inline void sample(float *x, int64_t count) {
  for (int64_t i = 0; i < count; i++) x[i] = (float)((int32_t)(mix(77, (uint32_t)i) & 0xFFFFF) - 0x80000) / 0x80000;
}

#endif
