/* The one check of a linear call: two DLTensors against n and k become awqk_linear_args, or a status and a line of text.
 * After it no kernel has a way to fail on its arguments. Plain C, for C and C++ callers. */
#ifndef AWQ_LINEAR_CHECK_H
#define AWQ_LINEAR_CHECK_H

#include <stdint.h>
#include <stdio.h>

#include "../../include/dlpack/dlpack.h"
#include "../abi/awq_backend.h"
#include "awq_status.h"

typedef struct awq_matrix_view {
  const char *data;
  int64_t rows, stride;  /* stride in elements */
  int64_t bytes;         /* from the first to behind the last element */
  int64_t size;          /* of an element */
  int32_t dtype;
} awq_matrix_view;

static inline int32_t awq_check_dtype(DLDataType t, int32_t *dtype) {
  if (t.lanes == 1 && t.code == kDLFloat && t.bits == 32) *dtype = AWQK_F32;
  else if (t.lanes == 1 && t.code == kDLFloat && t.bits == 16) *dtype = AWQK_F16;
  else if (t.lanes == 1 && t.code == kDLBfloat && t.bits == 16) *dtype = AWQK_BF16;
  else return 0;
  return 1;
}

/* One tensor as rows of `columns` elements. */
static inline int32_t awq_check_matrix(const DLTensor *t, const char *name, int64_t columns, awq_matrix_view *view, char *text, size_t size) {
  if (!t) return snprintf(text, size, "%s is NULL", name), AWQK_ERR_INVALID_ARGUMENT;
  if (t->device.device_type != kDLCPU)
    return snprintf(text, size, "%s is on device type %d; this linear runs on the CPU (%d)", name, (int)t->device.device_type, (int)kDLCPU),
           AWQK_ERR_INVALID_ARGUMENT;
  if (!awq_check_dtype(t->dtype, &view->dtype))
    return snprintf(text, size, "%s has dtype code %d, %d bits, %d lanes; want float32, float16 or bfloat16 with 1 lane", name, (int)t->dtype.code,
                    (int)t->dtype.bits, (int)t->dtype.lanes),
           AWQK_ERR_INVALID_ARGUMENT;
  if (t->ndim < 1 || t->ndim > 32) return snprintf(text, size, "%s has %d dimensions; want 1 to 32", name, (int)t->ndim), AWQK_ERR_INVALID_ARGUMENT;
  if (!t->shape) return snprintf(text, size, "%s has no shape", name), AWQK_ERR_INVALID_ARGUMENT;
  const int32_t last = t->ndim - 1;
  if (t->shape[last] != columns)
    return snprintf(text, size, "%s has %lld columns; want %lld", name, (long long)t->shape[last], (long long)columns), AWQK_ERR_INVALID_ARGUMENT;
  view->size = t->dtype.bits / 8;
  view->rows = 1;
  for (int32_t i = 0; i < last; i++) {
    if (t->shape[i] < 0)
      return snprintf(text, size, "%s has size %lld in dimension %d", name, (long long)t->shape[i], (int)i), AWQK_ERR_INVALID_ARGUMENT;
    if (t->shape[i] == 0) view->rows = 0;
  }
  view->stride = columns;
  view->bytes = 0;
  view->data = NULL;
  if (view->rows == 0) return AWQK_OK;
  for (int32_t i = 0; i < last; i++)
    if (__builtin_mul_overflow(view->rows, t->shape[i], &view->rows))
      return snprintf(text, size, "%s has more rows than 63 bits count", name), AWQK_ERR_INVALID_ARGUMENT;
  if (t->strides) {
    if (columns > 1 && t->strides[last] != 1)
      return snprintf(text, size, "%s has column stride %lld; want 1", name, (long long)t->strides[last]), AWQK_ERR_INVALID_ARGUMENT;
    if (t->ndim == 2 && view->rows > 1) {
      view->stride = t->strides[0];
      if (view->stride < columns)
        return snprintf(text, size, "%s has row stride %lld; want at least %lld", name, (long long)view->stride, (long long)columns),
               AWQK_ERR_INVALID_ARGUMENT;
    }
    int64_t step = columns;
    for (int32_t i = last - 1; i >= 0 && t->ndim > 2; i--) { /* no overflow: the product of the sizes before has none */
      if (t->shape[i] > 1 && t->strides[i] != step)
        return snprintf(text, size, "%s has stride %lld in dimension %d; want %lld: more than two dimensions must be compact", name,
                        (long long)t->strides[i], (int)i, (long long)step),
               AWQK_ERR_INVALID_ARGUMENT;
      if (__builtin_mul_overflow(step, t->shape[i], &step)) return snprintf(text, size, "%s is larger than memory", name), AWQK_ERR_INVALID_ARGUMENT;
    }
  }
  int64_t reach;
  if (__builtin_mul_overflow(view->rows - 1, view->stride, &reach) || __builtin_add_overflow(reach, columns, &reach) ||
      __builtin_mul_overflow(reach, view->size, &view->bytes))
    return snprintf(text, size, "%s is larger than memory", name), AWQK_ERR_INVALID_ARGUMENT;
  if (!t->data) return snprintf(text, size, "%s has no data for %lld rows", name, (long long)view->rows), AWQK_ERR_INVALID_ARGUMENT;
  uintptr_t at, end;
  if (__builtin_add_overflow((uintptr_t)t->data, t->byte_offset, &at) || __builtin_add_overflow(at, (uintptr_t)view->bytes, &end))
    return snprintf(text, size, "%s reaches beyond the address space with byte offset %llu", name, (unsigned long long)t->byte_offset),
           AWQK_ERR_INVALID_ARGUMENT;
  view->data = (const char *)t->data + t->byte_offset;
  return AWQK_OK;
}

/* Whether two views share an element. Views of one buffer side by side (equal distance from row to row) may interleave. */
static inline int awq_check_overlap(const awq_matrix_view *x, int64_t x_columns, const awq_matrix_view *y, int64_t y_columns) {
  const uintptr_t a = (uintptr_t)x->data, b = (uintptr_t)y->data;
  if (a + (uintptr_t)x->bytes <= b || b + (uintptr_t)y->bytes <= a) return 0;
  const uintptr_t step = (uintptr_t)x->stride * (uintptr_t)x->size;
  if (x->rows < 2 || step != (uintptr_t)y->stride * (uintptr_t)y->size) return 1;
  const uintptr_t shift = a <= b ? (b - a) % step : (step - (a - b) % step) % step;
  return !(shift >= (uintptr_t)(x_columns * x->size) && shift + (uintptr_t)(y_columns * y->size) <= step);
}

/* y [..., n] called `name` against x [..., k], of which `in` has been made: the same leading dimensions, no overlap. */
static inline int32_t awq_check_output(const DLTensor *x, const awq_matrix_view *in, int64_t k, const DLTensor *y, const char *name, int64_t n,
                                       awq_matrix_view *out, char *text, size_t size) {
  const int32_t status = awq_check_matrix(y, name, n, out, text, size);
  if (status) return status;
  if (x->ndim != y->ndim)
    return snprintf(text, size, "x has %d dimensions and %s has %d; want the same", (int)x->ndim, name, (int)y->ndim), AWQK_ERR_INVALID_ARGUMENT;
  for (int32_t i = 0; i < x->ndim - 1; i++)
    if (x->shape[i] != y->shape[i])
      return snprintf(text, size, "x has size %lld and %s has size %lld in dimension %d; want the same", (long long)x->shape[i], name,
                      (long long)y->shape[i], (int)i),
             AWQK_ERR_INVALID_ARGUMENT;
  if (in->rows && awq_check_overlap(in, k, out, n)) return snprintf(text, size, "%s overlaps x", name), AWQK_ERR_INVALID_ARGUMENT;
  return AWQK_OK;
}

/* x [..., k] and y [..., n]. On success the x part of `args`, parts = 0, no plan, and the y part of `task`, all rows, are complete; m = 0
 * needs no data. Statuses are those of awq.h. */
static inline int32_t awq_linear_check(const DLTensor *x, const DLTensor *y, int64_t n, int64_t k, awqk_linear_args *args, awqk_linear_task *task,
                                       char *text, size_t size) {
  awq_matrix_view in, out;
  int32_t status = awq_check_matrix(x, "x", k, &in, text, size);
  if (!status) status = awq_check_output(x, &in, k, y, "y", n, &out, text, size);
  if (status) return status;
  const awqk_linear_args a = {task, 1, in.data, NULL, in.rows, in.stride, in.dtype, out.dtype, 0, 0, NULL};
  const awqk_linear_task t = {NULL, NULL, (void *)out.data, out.stride, 0, in.rows};
  *args = a;
  *task = t;
  return AWQK_OK;
}

#endif
