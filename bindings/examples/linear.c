/* linear DIR MODULE [M]: loads one quantised linear, runs M rows through it and compares with a plain dequantise-and-multiply.
 *
 *   cc linear.c $(pkg-config --cflags --libs awq) -lm -o linear
 *   ./linear SmolLM2-awq model.layers.0.mlp.down_proj
 *
 * The C, C++ and Python versions print the same line. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "awq/awq.h"

static void check(awq_status status) {
  if (status == AWQ_OK) return;
  fprintf(stderr, "%s: %s\n", awq_status_name(status), awq_last_error_message());
  exit(1);
}

static void *allocate(size_t count, size_t size) {
  void *p = calloc(count ? count : 1, size);
  if (!p) {
    fprintf(stderr, "out of memory\n");
    exit(1);
  }
  return p;
}

/* x[m][k] is a number in [-1, 1) made from the integer hash of (m, k): 24 bits, so exact in float32. */
static float sample(uint32_t m, uint32_t k) {
  uint32_t h = m * 0x9E3779B1u + k * 0x85EBCA77u + 0x165667B1u;
  h ^= h >> 15;
  h *= 0x2C1B3C6Du;
  h ^= h >> 12;
  h *= 0x297A2D39u;
  h ^= h >> 15;
  return (float)((int32_t)(h >> 8) - 8388608) / 8388608.0f;
}

static double from_half(uint16_t h) {
  int exponent = h >> 10 & 31, fraction = h & 1023;
  double v = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
  return h >> 15 ? -v : v;
}

static uint32_t crc32(const void *data, size_t size) {
  const uint8_t *p = data;
  uint32_t crc = 0xFFFFFFFFu;
  while (size--) {
    crc ^= *p++;
    for (int i = 0; i < 8; i++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

/* Finds tensor "module.part"; 0 if there is none. */
static int find(const awq_checkpoint *ckpt, const char *module, const char *part, awq_tensor_info *info) {
  char name[1024];
  size_t count;
  snprintf(name, sizeof name, "%s.%s", module, part);
  check(awq_checkpoint_tensor_count(ckpt, &count));
  for (size_t i = 0; i < count; i++) {
    *info = (awq_tensor_info){.struct_size = sizeof *info};
    check(awq_checkpoint_tensor_at(ckpt, i, info));
    if (!strcmp(info->name, name)) return 1;
  }
  return 0;
}

static void *read_tensor(const awq_checkpoint *ckpt, const char *module, const char *part) {
  awq_tensor_info info;
  if (!find(ckpt, module, part, &info)) {
    fprintf(stderr, "no tensor %s.%s\n", module, part);
    exit(1);
  }
  void *data = allocate((size_t)info.bytes, 1);
  check(awq_checkpoint_read(ckpt, info.name, data, (size_t)info.bytes));
  return data;
}

/* The bias as doubles, NULL if the module has none. */
static double *read_bias(const awq_checkpoint *ckpt, const char *module, int64_t n) {
  awq_tensor_info info;
  if (!find(ckpt, module, "bias", &info)) return NULL;
  double *bias = allocate((size_t)n, sizeof *bias);
  uint8_t *raw = read_tensor(ckpt, module, "bias");
  for (int64_t i = 0; i < n; i++) {
    uint32_t word = 0;
    float value;
    if (!strcmp(info.dtype, "F32")) {
      memcpy(&word, raw + 4 * i, 4);
    } else {
      uint16_t h;
      memcpy(&h, raw + 2 * i, 2);
      if (!strcmp(info.dtype, "F16")) {
        bias[i] = from_half(h);
        continue;
      }
      word = (uint32_t)h << 16; /* BF16 */
    }
    memcpy(&value, &word, 4);
    bias[i] = value;
  }
  free(raw);
  return bias;
}

int main(int argc, char **argv) {
  if (argc < 3 || argc > 4) {
    fprintf(stderr, "usage: %s DIR MODULE [M]\n", argv[0]);
    return 2;
  }
  const char *dir = argv[1], *module = argv[2];
  const int64_t m = argc > 3 ? atol(argv[3]) : 5;

  awq_context *ctx;
  awq_linear *linear;
  check(awq_context_create(NULL, &ctx));
  check(awq_linear_load(ctx, dir, module, NULL, &linear));
  awq_linear_properties p = {.struct_size = sizeof p};
  check(awq_linear_info(linear, &p));
  const int64_t n = p.n, k = p.k;

  /* y = x . W^T (+ bias), one call for all rows */
  float *x = allocate((size_t)(m * k), sizeof *x), *y = allocate((size_t)(m * n), sizeof *y);
  for (int64_t i = 0; i < m * k; i++) x[i] = sample((uint32_t)(i / k), (uint32_t)(i % k));
  int64_t x_shape[] = {m, k}, x_strides[] = {k, 1}, y_shape[] = {m, n}, y_strides[] = {n, 1};
  DLTensor tx = {.data = x, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = x_shape, .strides = x_strides};
  DLTensor ty = {.data = y, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = y_shape, .strides = y_strides};
  check(awq_linear_forward(linear, &tx, &ty, NULL));

  /* The same in double from the file's arrays: w = (q - z) * s; nibble i of a word holds column 8c + order[i]. */
  static const int order[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  awq_checkpoint *ckpt;
  check(awq_checkpoint_open(ctx, dir, &ckpt));
  uint32_t *qweight = read_tensor(ckpt, module, "qweight"), *qzeros = read_tensor(ckpt, module, "qzeros");
  uint16_t *scales = read_tensor(ckpt, module, "scales");
  double *bias = read_bias(ckpt, module, n), *w = allocate((size_t)k, sizeof *w);
  double max_abs = 0, error = 0, norm = 0;
  for (int64_t c = 0; c < n / 8; c++)
    for (int i = 0; i < 8; i++) {
      const int64_t o = 8 * c + order[i];
      for (int64_t j = 0; j < k; j++) {
        const int64_t g = j / p.group_size;
        const int q = qweight[j * (n / 8) + c] >> 4 * i & 15, z = qzeros[g * (n / 8) + c] >> 4 * i & 15;
        w[j] = (q - z) * from_half(scales[g * n + o]);
      }
      for (int64_t r = 0; r < m; r++) {
        double sum = bias ? bias[o] : 0;
        for (int64_t j = 0; j < k; j++) sum += w[j] * x[r * k + j];
        const double d = fabs(y[r * n + o] - sum);
        if (d > max_abs) max_abs = d;
        error += d * d;
        norm += sum * sum;
      }
    }
  const double relative = norm > 0 ? sqrt(error / norm) : sqrt(error);
  printf("linear %s n=%lld k=%lld crc32=%08x max_abs_err=%.2e rel_l2_err=%.2e\n", module, (long long)n, (long long)k,
         (unsigned)crc32(y, (size_t)(m * n) * sizeof *y), max_abs, relative);

  free(w), free(bias), free(scales), free(qzeros), free(qweight), free(y), free(x);
  awq_checkpoint_destroy(ckpt);
  awq_linear_destroy(linear);
  awq_context_destroy(ctx);
  return relative <= 1e-5 ? 0 : 1;
}
