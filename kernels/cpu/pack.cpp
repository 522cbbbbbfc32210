/* Canonical weight -> lane blocks (cpu.h), once per linear. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../common/awq_num.h"
#include "device.h"
#include "lane_block.h"

namespace {

constexpr size_t kHuge = (size_t)2 << 20;

bool times(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }

/* Weights of some megabytes lie on 2 MB boundaries, where the kernel may give them huge pages. */
int32_t reserve(awqk_weight *w) {
  void *memory = nullptr;
  if (w->bytes >= 2 * kHuge) {
    const size_t size = (w->bytes + kHuge - 1) / kHuge * kHuge;
    if (posix_memalign(&memory, kHuge, size)) return AWQK_ERR_OUT_OF_MEMORY;
    madvise(memory, size, MADV_HUGEPAGE);
  } else if (posix_memalign(&memory, 64, w->bytes)) {
    return AWQK_ERR_OUT_OF_MEMORY;
  }
  w->data = (uint8_t *)memory;
  return AWQK_OK;
}

struct job {
  const awqk_qweight *q;
  awqk_weight *w;
};

void pack_channel(const awqk_qweight *q, const awqk_weight *w, uint8_t *panel, int64_t channel, int64_t lane) {
  const int64_t groups = q->k / q->group;
  const uint8_t *codes = q->codes + channel * (q->k / 2);
  uint8_t *records = panel + w->segments * w->lines * AWQ_LINE;
  for (int64_t s = 0; s < w->segments; s++) {
    const int64_t g = s / w->splits, start = segment_start(w, s), end = start + segment_count(w, s);
    uint8_t *lines = panel + s * w->lines * AWQ_LINE + 4 * lane;
    for (int64_t k = start, j = 0; k < end; j++) {
      uint32_t word = 0;
      for (int e = 0; e < 8 && k < end; e++, k++) word |= awq_code(codes, k) << (4 * e);
      memcpy(lines + j * AWQ_LINE, &word, 4);
    }
    memcpy(records + s * AWQ_RECORD + 2 * lane, &q->scales[channel * groups + g], 2);
    records[s * AWQ_RECORD + 32 + lane] = q->zeros[channel * groups + g];
  }
}

void pack_panel(void *argument, int64_t index, int32_t) {
  const job *j = (const job *)argument;
  uint8_t *panel = j->w->data + index * j->w->panel_bytes;
  memset(panel, 0, (size_t)j->w->panel_bytes);
  for (int64_t lane = 0; lane < AWQ_LANES; lane++) {
    const int64_t channel = index * AWQ_LANES + lane;
    if (channel < j->w->n) pack_channel(j->q, j->w, panel, channel, lane);
  }
}

int32_t shape(int64_t n, int64_t k, int64_t group, int32_t mode, awqk_weight *w) {
  if (n < 1 || k < 2 || k % 2 || group < 1 || group > k || k % group) return AWQK_ERR_INVALID_ARGUMENT;
  if (mode != AWQK_EXACT && mode != AWQK_INT8) return AWQK_ERR_UNSUPPORTED;
  w->n = n;
  w->k = k;
  w->group = group;
  w->mode = mode;
  w->panels = (n - 1) / AWQ_LANES + 1;
  w->splits = (group - 1) / AWQ_SEGMENT + 1;
  w->lines = ((group - 1) / w->splits + 8) / 8;
  int64_t bytes, total;
  if (!times(k / group, w->splits, &w->segments) || !times(w->segments, w->lines * AWQ_LINE + AWQ_RECORD, &bytes) || bytes > INT64_MAX - 63)
    return AWQK_ERR_INVALID_ARGUMENT;
  w->panel_bytes = (bytes + 63) / 64 * 64;
  if (!times(w->panels, w->panel_bytes, &total) || total > (int64_t)1 << 40) return AWQK_ERR_OUT_OF_MEMORY;
  w->bytes = (size_t)total;
  return AWQK_OK;
}

int32_t keep_bias(const float *bias, awqk_weight *w) {
  if (!bias) return AWQK_OK;
  w->bias = (float *)calloc((size_t)w->panels * AWQ_LANES, sizeof(float));
  if (!w->bias) return AWQK_ERR_OUT_OF_MEMORY;
  memcpy(w->bias, bias, (size_t)w->n * sizeof(float));
  return AWQK_OK;
}

}  // namespace

int32_t awq_weight_new(int64_t n, int64_t k, int64_t group, int32_t mode, const float *bias, const int32_t *order, awqk_weight **out) {
  *out = nullptr;
  awqk_weight *w = (awqk_weight *)calloc(1, sizeof *w);
  if (!w) return AWQK_ERR_OUT_OF_MEMORY;
  int32_t status = shape(n, k, group, mode, w);
  if (!status) status = reserve(w);
  if (!status) status = keep_bias(bias, w);
  if (!status && order) {
    w->order = (int32_t *)malloc((size_t)k * sizeof *w->order);
    if (w->order) memcpy(w->order, order, (size_t)k * sizeof *w->order);
    else status = AWQK_ERR_OUT_OF_MEMORY;
  }
  if (status) awqk_cpu_unpack(nullptr, w);
  else *out = w;
  return status;
}

int32_t awqk_cpu_pack(awqk_device *device, const awqk_qweight *q, int32_t mode, awqk_weight **out) {
  *out = nullptr;
  if (!q->codes || !q->scales || !q->zeros) return AWQK_ERR_INVALID_ARGUMENT;
  const int32_t status = awq_weight_new(q->n, q->k, q->group, mode, q->bias, q->order, out);
  if (status) return status;
  job j = {q, *out};
  awq_parallel(device, (*out)->panels, (double)q->n * (double)q->k, pack_panel, &j);
  return AWQK_OK;
}

int32_t awqk_cpu_packed(awqk_device *, const awqk_weight *w, awqk_packed *out) {
  if (w->order) return AWQK_ERR_UNSUPPORTED;
  *out = {w->n, w->k, w->group, nullptr, w->data, w->bytes, w->mode};
  return AWQK_OK;
}

int32_t awqk_cpu_adopt(awqk_device *, const awqk_packed *p, awqk_weight **out) {
  *out = nullptr;
  awqk_weight *w = (awqk_weight *)calloc(1, sizeof *w);
  if (!w) return AWQK_ERR_OUT_OF_MEMORY;
  int32_t status = shape(p->n, p->k, p->group, p->mode, w);
  if (!status && (!p->data || (uintptr_t)p->data % AWQ_LINE || p->bytes != w->bytes)) status = AWQK_ERR_INVALID_ARGUMENT;
  if (!status) status = keep_bias(p->bias, w);
  if (status) {
    free(w->bias);
    free(w);
    return status;
  }
  w->data = (uint8_t *)p->data; /* nobody writes to it */
  w->mapped = 1;
  *out = w;
  return AWQK_OK;
}

void awqk_cpu_unpack(awqk_device *, awqk_weight *w) {
  if (!w) return;
  if (w->mapped) munmap(w->data, w->bytes);
  else free(w->data);
  free(w->bias);
  free(w->order);
  free(w);
}
