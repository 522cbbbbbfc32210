/* The hot path: forward, info and destroy of linears. Nothing here enters Go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "../kernels/common/awq_linear_check.h"

awq_linear *awqc_linear_new(awqc_device *d, uintptr_t weight, int64_t n, int64_t k, int32_t group, int32_t compute, int32_t has_bias, uint64_t bytes,
                            uint64_t order, int32_t shared, const awqk_plan *plan, int32_t plans) {
  awq_linear *l = calloc(1, sizeof *l);
  if (!l) {
    d->ops->unpack(d->dev, (awqk_weight *)weight);
    return NULL;
  }
  l->magic = AWQC_LINEAR;
  l->compute = compute;
  l->has_bias = has_bias;
  l->group = group;
  l->n = n;
  l->k = k;
  l->bytes = bytes;
  l->order = order;
  l->shared = shared;
  l->device = d;
  l->weight = (awqk_weight *)weight;
  l->plans = plans < AWQC_PLANS ? plans : AWQC_PLANS;
  for (int32_t i = 0; i < l->plans; i++) l->plan[i] = plan[i];
  awqc_device_retain(d);
  return l;
}

/* A parameter's name in messages: `at` below 0, or an element of an array. Written out only when a call fails. */
typedef struct label {
  const char *name;
  int64_t at;
} label;

static const char *text_of(label l, char text[48]) {
  if (l.at < 0) return l.name;
  snprintf(text, 48, "%s[%lld]", l.name, (long long)l.at);
  return text;
}

static awq_status check_linear(const awq_linear *lin, label who, const char *call) {
  char a[48];
  if (!lin) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %s is NULL", call, text_of(who, a));
  if (lin->magic != AWQC_LINEAR) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %s is not a live awq_linear", call, text_of(who, a));
  return AWQ_OK;
}

static awq_status check_lin(const awq_linear *lin, const char *call) { return check_linear(lin, (label){"lin", -1}, call); }

/* Whether `lin` can share a call, and so the prepared x, with `first`. */
static awq_status check_sibling(const awq_linear *first, label first_name, const awq_linear *lin, label name, const char *call) {
  char a[48], b[48];
  awq_status st = check_linear(lin, name, call);
  if (st) return st;
  if (lin->device != first->device)
    return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %s was made with another context than %s", call, text_of(name, a), text_of(first_name, b));
  if (lin->k != first->k || lin->group != first->group || lin->compute != first->compute)
    return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %s has k=%lld, group_size=%d, compute=%d, %s k=%lld, group_size=%d, compute=%d", call,
                     text_of(name, a), (long long)lin->k, lin->group, lin->compute, text_of(first_name, b), (long long)first->k, first->group,
                     first->compute);
  if (lin->order != first->order)
    return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %s has another g_idx than %s", call, text_of(name, a), text_of(first_name, b));
  return AWQ_OK;
}

static awq_status check_gate(const awq_linear *up, label up_name, const awq_linear *gate, label name, const char *call) {
  char a[48], b[48];
  awq_status st = check_sibling(up, up_name, gate, name, call);
  if (st) return st;
  if (gate->n != up->n)
    return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %s has n=%lld, %s n=%lld", call, text_of(name, a), (long long)gate->n, text_of(up_name, b),
                     (long long)up->n);
  return AWQ_OK;
}

/* `rows`: of the largest task. */
static awq_status run(const awq_linear *lin, awqk_linear_args *args, int64_t rows, const char *call) {
  awqc_clear();
  if (args->m == 0) return AWQ_OK;
  args->plan = lin->plans ? lin->plan : NULL;
  for (int32_t i = 1; i < lin->plans && rows > args->plan->rows; i++) args->plan++;
  awq_status st = lin->device->ops->linear(lin->device->dev, args, NULL);
  if (st) return awqc_fail(st, "%s: %s could not compute %lld rows", call, lin->device->ops->name, (long long)args->m);
  return AWQ_OK;
}

static awq_status check_stream(void *stream, const char *call) {
  return stream ? awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: stream must be NULL on the CPU", call) : AWQ_OK;
}

/* One task over all rows of x: lin, perhaps gated. parts 0: with the device's threads. */
static awq_status single(const awq_linear *lin, const awq_linear *gate, const DLTensor *x, DLTensor *y, int32_t part, int32_t parts,
                         const char *call) {
  awqk_linear_args args;
  awqk_linear_task task;
  char text[512];
  awq_status st = awq_linear_check(x, y, lin->n, lin->k, &args, &task, text, sizeof text);
  if (st) return awqc_fail(st, "%s: %s", call, text);
  task.w = lin->weight;
  task.gate = gate ? gate->weight : NULL;
  args.part = part;
  args.parts = parts;
  return run(lin, &args, args.m, call);
}

awq_status awq_linear_forward(const awq_linear *lin, const DLTensor *x, DLTensor *y, void *stream) {
  static const char call[] = "awq_linear_forward";
  awq_status st = check_lin(lin, call);
  if (!st) st = check_stream(stream, call);
  return st ? st : single(lin, NULL, x, y, 0, 0, call);
}

awq_status awq_linear_forward_part(const awq_linear *lin, const DLTensor *x, DLTensor *y, int32_t part, int32_t parts) {
  static const char call[] = "awq_linear_forward_part";
  awq_status st = check_lin(lin, call);
  if (st) return st;
  if (parts < 1 || part < 0 || part >= parts) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: part %d of %d", call, part, parts);
  return single(lin, NULL, x, y, part, parts, call);
}

awq_status awq_linear_forward_glu(const awq_linear *gate, const awq_linear *up, const DLTensor *x, DLTensor *y, void *stream) {
  static const char call[] = "awq_linear_forward_glu";
  awq_status st = check_linear(up, (label){"up", -1}, call);
  if (!st) st = check_gate(up, (label){"up", -1}, gate, (label){"gate", -1}, call);
  if (!st) st = check_stream(stream, call);
  return st ? st : single(up, gate, x, y, 0, 0, call);
}

enum { MANY_LINEARS = 64, MANY_EXPERTS = 1024 };

awq_status awq_linear_forward_many(const awq_linear *const *lins, size_t count, const DLTensor *x, DLTensor *const *ys, void *stream) {
  static const char call[] = "awq_linear_forward_many";
  if (!lins || !ys) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %s is NULL", call, lins ? "ys" : "lins");
  if (count < 1 || count > MANY_LINEARS) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %zu linears; want 1 to %d", call, count, MANY_LINEARS);
  awq_status st = check_linear(lins[0], (label){"lins", 0}, call);
  if (!st) st = check_stream(stream, call);
  if (st) return st;
  const int64_t k = lins[0]->k;
  awq_matrix_view in, view[MANY_LINEARS];
  char text[512], name[32];
  if ((st = awq_check_matrix(x, "x", k, &in, text, sizeof text))) return awqc_fail(st, "%s: %s", call, text);
  awqk_linear_task tasks[MANY_LINEARS];
  for (size_t i = 0; i < count; i++) {
    const awq_linear *lin = lins[i];
    if ((st = check_sibling(lins[0], (label){"lins", 0}, lin, (label){"lins", (int64_t)i}, call))) return st;
    if ((st = awq_check_output(x, &in, k, ys[i], "ys", lin->n, &view[i], text, sizeof text))) { /* once more, for the message alone */
      snprintf(name, sizeof name, "ys[%zu]", i);
      awq_check_output(x, &in, k, ys[i], name, lin->n, &view[i], text, sizeof text);
      return awqc_fail(st, "%s: %s", call, text);
    }
    if (view[i].dtype != view[0].dtype) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: ys[%zu] has another dtype than ys[0]", call, i);
    for (size_t o = 0; o < i && in.rows; o++)
      if (awq_check_overlap(&view[o], lins[o]->n, &view[i], lin->n))
        return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: ys[%zu] overlaps ys[%zu]", call, i, o);
    tasks[i] = (awqk_linear_task){lin->weight, NULL, (void *)view[i].data, view[i].stride, 0, in.rows};
  }
  awqk_linear_args args = {tasks, (int64_t)count, in.data, NULL, in.rows, in.stride, in.dtype, view[0].dtype, 0, 0, NULL};
  return run(lins[0], &args, args.m, call);
}

/* A vector of int32 in host memory. */
static awq_status vector(const DLTensor *t, const char *name, const int32_t **data, int64_t *length, const char *call) {
  if (!t) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %s is NULL", call, name);
  if (t->device.device_type != kDLCPU || t->dtype.code != kDLInt || t->dtype.bits != 32 || t->dtype.lanes != 1)
    return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %s has device type %d and DLPack dtype (%d, %d, %d); want int32 on the CPU", call, name,
                     (int)t->device.device_type, t->dtype.code, t->dtype.bits, t->dtype.lanes);
  if (t->ndim != 1 || !t->shape || t->shape[0] < 0 || (t->strides && t->shape[0] > 1 && t->strides[0] != 1))
    return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %s has %d dimensions; want one, compact", call, name, (int)t->ndim);
  const uintptr_t at = (uintptr_t)t->data + (uintptr_t)t->byte_offset;
  if (t->shape[0] && (!t->data || at % sizeof(int32_t)))
    return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %s has %s", call, name, t->data ? "data that is not aligned to 4 bytes" : "no data");
  *data = (const int32_t *)at;
  *length = t->shape[0];
  return AWQ_OK;
}

awq_status awq_linear_forward_grouped(const awq_linear *const *experts, const awq_linear *const *gates, size_t count, const DLTensor *x,
                                      const DLTensor *rows, const DLTensor *offsets, DLTensor *y, void *stream) {
  static const char call[] = "awq_linear_forward_grouped";
  if (!experts) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: experts is NULL", call);
  if (count < 1 || count > MANY_EXPERTS) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: %zu experts; want 1 to %d", call, count, MANY_EXPERTS);
  awq_status st = check_linear(experts[0], (label){"experts", 0}, call);
  if (!st) st = check_stream(stream, call);
  if (st) return st;
  const awq_linear *first = experts[0];
  awq_matrix_view in, out;
  char text[512];
  st = awq_check_matrix(x, "x", first->k, &in, text, sizeof text);
  if (!st) st = awq_check_matrix(y, "y", first->n, &out, text, sizeof text);
  if (st) return awqc_fail(st, "%s: %s", call, text);
  const int32_t *index = NULL, *offset;
  int64_t total = in.rows, offset_count;
  if (rows && (st = vector(rows, "rows", &index, &total, call))) return st;
  if ((st = vector(offsets, "offsets", &offset, &offset_count, call))) return st;
  if (offset_count != (int64_t)count + 1)
    return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: offsets holds %lld values; want %zu, one more than experts", call, (long long)offset_count,
                     count + 1);
  if (out.rows != total)
    return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: y has %lld rows; want %lld, one for each routed row", call, (long long)out.rows,
                     (long long)total);
  if (offset[0] != 0 || offset[count] != total)
    return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: offsets goes from %d to %d; want 0 to %lld", call, offset[0], offset[count], (long long)total);
  for (int64_t i = 0; index && i < total; i++)
    if (index[i] < 0 || index[i] >= in.rows)
      return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: rows[%lld] is %d; x has %lld rows", call, (long long)i, index[i], (long long)in.rows);
  if (total && awq_check_overlap(&in, first->k, &out, first->n)) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: y overlaps x", call);
  const awq_matrix_view routes = {(const char *)index, 1, total, total * (int64_t)sizeof *index, sizeof *index, 0};
  if (index && total && awq_check_overlap(&routes, total, &out, first->n)) /* it is read while y is written */
    return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: y overlaps rows", call);

  awqk_linear_task tasks[MANY_EXPERTS];
  int64_t largest = 0;
  for (size_t e = 0; e < count; e++) {
    const label expert = {"experts", (int64_t)e}, gate = {"gates", (int64_t)e};
    if ((st = check_sibling(first, (label){"experts", 0}, experts[e], expert, call))) return st;
    if (experts[e]->n != first->n)
      return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: experts[%zu] has n=%lld, experts[0] n=%lld", call, e, (long long)experts[e]->n,
                       (long long)first->n);
    if (gates && (st = check_gate(experts[e], expert, gates[e], gate, call))) return st;
    if (offset[e + 1] < offset[e])
      return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: offsets[%zu] is %d after %d", call, e + 1, offset[e + 1], offset[e]);
    tasks[e] =
        (awqk_linear_task){experts[e]->weight, gates ? gates[e]->weight : NULL, (char *)out.data + offset[e] * out.stride * out.size, out.stride,
                           offset[e],          offset[e + 1] - offset[e]};
    if (tasks[e].rows > largest) largest = tasks[e].rows;
  }
  awqk_linear_args args = {tasks, (int64_t)count, in.data, index, total, in.stride, in.dtype, out.dtype, 0, 0, NULL};
  return run(first, &args, largest, call);
}

awq_status awq_linear_info(const awq_linear *lin, awq_linear_properties *properties) {
  awq_status st = check_lin(lin, "awq_linear_info");
  if (st) return st;
  if (!properties) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "awq_linear_info: properties is NULL");
  awqc_clear();
  awq_linear_properties p = {
      sizeof p,   lin->n, lin->k,      lin->group, lin->compute, lin->has_bias, lin->device->ops->device_type, lin->device->index, 0,
      lin->bytes, "",     lin->shared, 0};
  snprintf(p.kernel, sizeof p.kernel, "%s", lin->device->ops->name);
  return awqc_write_struct(properties, &p, sizeof p, "awq_linear_properties");
}

void awq_linear_destroy(awq_linear *lin) {
  if (!lin || lin->magic != AWQC_LINEAR) return;
  lin->magic = AWQC_DEAD;
  lin->device->ops->unpack(lin->device->dev, lin->weight);
  awqc_device_release(lin->device);
  free(lin);
}
