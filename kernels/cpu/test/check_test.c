/* The table of bad linear calls, and the good ones beside them; bit conversions of awq_num.h. Plain C. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/awq_linear_check.h"
#include "../../common/awq_num.h"

static int failures, checks;

#define EXPECT(condition, ...)                                                                                 \
  do {                                                                                                         \
    checks++;                                                                                                  \
    if (!(condition)) failures++, printf("%d: %s: ", __LINE__, #condition), printf(__VA_ARGS__), printf("\n"); \
  } while (0)

enum { N = 24, K = 64, ROWS = 6 };

typedef struct pair {
  DLTensor x, y;
  int64_t x_shape[4], y_shape[4], x_strides[4], y_strides[4];
  float *buffer;
} pair;

/* x [6, 64] and y [6, 24], float32, compact, in one buffer. */
static void reset(pair *p) {
  float *buffer = p->buffer;
  memset(p, 0, sizeof *p);
  p->buffer = buffer;
  const DLDataType f32 = {kDLFloat, 32, 1};
  const DLDevice cpu = {kDLCPU, 0};
  p->x_shape[0] = p->y_shape[0] = ROWS;
  p->x_shape[1] = p->x_strides[0] = K;
  p->y_shape[1] = p->y_strides[0] = N;
  p->x_strides[1] = p->y_strides[1] = 1;
  p->x = (DLTensor){buffer, cpu, 2, f32, p->x_shape, p->x_strides, 0};
  p->y = (DLTensor){buffer + 2048, cpu, 2, f32, p->y_shape, p->y_strides, 0};
}

static awqk_linear_args args;
static awqk_linear_task task;
static char text[256];

static int32_t check(const pair *p) {
  memset(text, 0, sizeof text);
  return awq_linear_check(&p->x, &p->y, N, K, &args, &task, text, sizeof text);
}

#define BAD(word, ...)                                                                                           \
  do {                                                                                                           \
    reset(&p);                                                                                                   \
    __VA_ARGS__;                                                                                                 \
    const int32_t status = check(&p);                                                                            \
    EXPECT(status == 1 && strstr(text, word) && !strchr(text, '\n'), "status %d, text '%s'", (int)status, text); \
  } while (0)

#define GOOD(...)                                                   \
  do {                                                              \
    reset(&p);                                                      \
    __VA_ARGS__;                                                    \
    const int32_t status = check(&p);                               \
    EXPECT(status == 0, "status %d, text '%s'", (int)status, text); \
  } while (0)

static void calls(void) {
  pair p;
  p.buffer = malloc(4096 * sizeof(float));
  if (!p.buffer) abort();
  GOOD((void)0);
  EXPECT(args.m == ROWS && task.rows == ROWS && task.row == 0 && args.x_stride == K && task.y_stride == N && args.parts == 0 && args.x == p.buffer,
         "m %lld", (long long)args.m);
  GOOD(p.x.strides = p.y.strides = NULL);
  EXPECT(args.x_stride == K && task.y_stride == N, "compact");
  GOOD(p.x.dtype.bits = 16);
  EXPECT(args.x_dtype == AWQK_F16 && args.y_dtype == AWQK_F32, "dtypes");
  GOOD(p.y.dtype.bits = 16, p.y.dtype.code = kDLBfloat);
  EXPECT(args.y_dtype == AWQK_BF16, "dtypes");
  GOOD(p.x_strides[0] = 100, p.y_strides[0] = 30);
  EXPECT(args.x_stride == 100 && task.y_stride == 30, "strides");
  GOOD(p.x.byte_offset = 40);
  EXPECT(args.x == p.buffer + 10, "offset");
  GOOD(p.x_shape[0] = p.y_shape[0] = 0, p.x.data = p.y.data = NULL);
  EXPECT(args.m == 0, "no rows");
  GOOD(p.x.ndim = p.y.ndim = 1, p.x_shape[0] = K, p.y_shape[0] = N, p.x_strides[0] = p.y_strides[0] = 1);
  EXPECT(args.m == 1, "one row");
  GOOD(p.x_shape[0] = p.y_shape[0] = 1, p.x_strides[0] = p.y_strides[0] = -7); /* the stride of a single row is never used */
  GOOD(p.x.ndim = p.y.ndim = 3, p.x.strides = p.y.strides = NULL, p.x_shape[0] = p.y_shape[0] = 2, p.x_shape[1] = p.y_shape[1] = 3, p.x_shape[2] = K,
       p.y_shape[2] = N);
  EXPECT(args.m == 6, "flattened");
  GOOD(p.x_strides[0] = p.y_strides[0] = 96, p.y.data = p.buffer + K); /* side by side in one buffer */

  EXPECT(awq_linear_check(NULL, NULL, N, K, &args, &task, text, sizeof text) == 1, "%s", text);
  reset(&p);
  EXPECT(awq_linear_check(&p.x, NULL, N, K, &args, &task, text, sizeof text) == 1 && strstr(text, "y is NULL"), "%s", text);
  BAD("device", p.x.device.device_type = kDLCUDA);
  BAD("device", p.y.device.device_type = kDLCUDA);
  BAD("dtype", p.x.dtype.bits = 64);
  BAD("dtype", p.x.dtype.bits = 8);
  BAD("dtype", p.x.dtype.lanes = 2);
  BAD("dtype", p.x.dtype.lanes = 0);
  BAD("dtype", p.y.dtype.code = kDLInt);
  BAD("dtype", p.y.dtype.code = kDLBfloat);
  BAD("dimensions", p.x.ndim = 0);
  BAD("dimensions", p.x.ndim = -1);
  BAD("dimensions", p.x.ndim = 1 << 30);
  BAD("shape", p.x.shape = NULL);
  BAD("65 columns; want 64", p.x_shape[1] = 65);
  BAD("23 columns; want 24", p.y_shape[1] = 23);
  BAD("size -1", p.x_shape[0] = -1);
  BAD("size 6 and y has size 5", p.y_shape[0] = 5);
  BAD("column stride", p.x_strides[1] = 2);
  BAD("column stride", p.y_strides[1] = 0);
  BAD("row stride 63", p.x_strides[0] = 63);
  BAD("row stride -64", p.x_strides[0] = -64);
  BAD("row stride 0", p.y_strides[0] = 0);
  BAD("larger than memory", p.x_strides[0] = INT64_MAX / 2);
  BAD("larger than memory", p.x_shape[0] = p.y_shape[0] = INT64_MAX / 64, p.x.strides = p.y.strides = NULL);
  BAD("no data", p.x.data = NULL);
  BAD("no data", p.y.data = NULL);
  BAD("address space", p.x.byte_offset = UINT64_MAX - 64);
  GOOD(p.x.byte_offset = 2, p.y.byte_offset = 1); /* misaligned elements work */
  BAD("overlaps", p.y.data = p.x.data);
  BAD("overlaps", p.y.data = p.buffer + 5 * K + 63);
  BAD("overlaps", p.x.data = p.buffer + 2048 + 6 * 24 - 1);
  BAD("overlaps", p.x_strides[0] = p.y_strides[0] = 96, p.y.data = p.buffer + K - 1);
  BAD("overlaps", p.x_strides[0] = p.y_strides[0] = 96, p.y.data = p.buffer + K + 9);
  BAD("x has 2 dimensions and y has 1", p.y.ndim = 1, p.y_shape[0] = N, p.y_strides[0] = 1);
  BAD("compact", p.x.ndim = p.y.ndim = 3, p.x_shape[0] = p.y_shape[0] = 2, p.x_shape[1] = p.y_shape[1] = 3, p.x_shape[2] = K, p.y_shape[2] = N,
      p.x_strides[2] = p.y_strides[2] = 1, p.x_strides[1] = 70, p.x_strides[0] = 210);
  BAD("63 bits", p.x.ndim = p.y.ndim = 4, p.x.strides = NULL, p.x_shape[0] = p.x_shape[1] = p.x_shape[2] = INT64_MAX, p.x_shape[3] = K);
  free(p.buffer);
}

static void numbers(void) {
  for (uint32_t h = 0; h < 65536; h++) {
    const float f = awq_f16_to_f32((uint16_t)h), b = awq_bf16_to_f32((uint16_t)h);
    const uint32_t e = h >> 10 & 31, m = h & 1023;
    if (e == 31) EXPECT(m ? isnan(f) : isinf(f), "f16 %04x", h);
    else EXPECT((double)f == (h >> 15 ? -1 : 1) * ldexp(e ? 1024 + m : m, (int)(e ? e : 1) - 25), "f16 %04x is %g", h, (double)f);
    if (isnan(f)) EXPECT((awq_f32_to_f16(f) & 0x7fff) > 0x7c00, "f16 %04x", h);
    else EXPECT(awq_f32_to_f16(f) == h, "f16 %04x comes back as %04x", h, awq_f32_to_f16(f));
    if (isnan(b)) EXPECT((awq_f32_to_bf16(b) & 0x7fff) > 0x7f80, "bf16 %04x", h);
    else EXPECT(awq_f32_to_bf16(b) == h, "bf16 %04x", h);
    if ((h & 0x7fff) >= 0x7bff) continue;
    const float above = awq_f16_to_f32((uint16_t)(h + 1)), middle = (f + above) / 2; /* exact */
    EXPECT(awq_f32_to_f16(middle) == (h & 1 ? h + 1 : h), "half to even above %04x", h);
    EXPECT(awq_f32_to_f16(nextafterf(middle, above)) == h + 1 && awq_f32_to_f16(nextafterf(middle, f)) == h, "nearest above %04x", h);
  }
  EXPECT(awq_f32_to_f16(65519.99f) == 0x7bff && awq_f32_to_f16(65520.0f) == 0x7c00 && awq_f32_to_f16(-1e9f) == 0xfc00, "overflow");
  EXPECT(awq_f32_to_bf16(1.00390625f) == 0x3f80 && awq_f32_to_bf16(1.01171875f) == 0x3f82, "bf16 half to even");
  const uint8_t row[2] = {0x21, 0x43};
  for (int k = 0; k < 4; k++) EXPECT(awq_code(row, k) == (uint32_t)k + 1, "code %d", k);
}

int main(void) {
  calls();
  numbers();
  printf("check: %d checks, %d failures\n", checks, failures);
  return failures != 0;
}
