/* The hot path: forward, info and destroy of linears. Nothing here enters Go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "../kernels/common/awq_linear_check.h"

awq_linear *awqc_linear_new(awqc_device *d, uintptr_t weight, int64_t n, int64_t k, int32_t group, int32_t compute, int32_t has_bias,
                            uint64_t bytes) {
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
  l->device = d;
  l->weight = (awqk_weight *)weight;
  awqc_device_retain(d);
  return l;
}

static awq_status check_linear(const awq_linear *lin, const char *call) {
  if (!lin) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: lin is NULL", call);
  if (lin->magic != AWQC_LINEAR) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: lin is not a live awq_linear", call);
  return AWQ_OK;
}

awq_status awq_linear_forward(const awq_linear *lin, const DLTensor *x, DLTensor *y, void *stream) {
  awq_status st = check_linear(lin, "awq_linear_forward");
  if (st) return st;
  if (stream) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "awq_linear_forward: stream must be NULL on the CPU");
  awqk_linear_args args;
  char text[512];
  st = awq_linear_check(x, y, lin->n, lin->k, lin->weight, &args, text, sizeof text);
  if (st) return awqc_fail(st, "awq_linear_forward: %s", text);
  awqc_clear();
  if (args.m == 0) return AWQ_OK;
  st = lin->device->ops->linear(lin->device->dev, &args, NULL);
  if (st) return awqc_fail(st, "awq_linear_forward: %s could not compute %lld rows", lin->device->ops->name, (long long)args.m);
  return AWQ_OK;
}

awq_status awq_linear_info(const awq_linear *lin, awq_linear_properties *properties) {
  awq_status st = check_linear(lin, "awq_linear_info");
  if (st) return st;
  if (!properties) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "awq_linear_info: properties is NULL");
  awqc_clear();
  awq_linear_properties p = {sizeof p,           lin->n, lin->k,     lin->group, lin->compute, lin->has_bias, lin->device->ops->device_type,
                             lin->device->index, 0,      lin->bytes, ""};
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
