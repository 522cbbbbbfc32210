/* What every linear kernel needs of a weight in lane blocks (cpu.h) and of a row of x. */
#ifndef AWQ_LINEAR_WEIGHT_H
#define AWQ_LINEAR_WEIGHT_H

#include "lane_block.h"
#include "tile.h"

namespace {

enum { HINT = 2 }; /* prefetch goes into L2 */

/* A half-open range of rows or panels. */
struct span {
  int64_t from, to;
};

AWQ_INLINE const uint8_t *panel_of(const awqk_weight *w, int64_t panel) { return w->data + panel * w->panel_bytes; }
AWQ_INLINE const uint8_t *lines_of(const awqk_weight *w, int64_t panel, int64_t segment) {
  return panel_of(w, panel) + segment * w->lines * AWQ_LINE;
}
AWQ_INLINE const uint8_t *record_of(const awqk_weight *w, int64_t panel, int64_t segment) {
  return panel_of(w, panel) + w->segments * w->lines * AWQ_LINE + segment * AWQ_RECORD;
}
/* From the lines of segment s of a panel before `end` to those that come `ahead` segments later, when `width` panels are gone through side
 * by side: in a short panel those of the next ones. Beyond the last panel nothing is there, and a prefetch would look for its page each time. */
AWQ_INLINE int64_t ahead_of(const awqk_weight *w, int64_t s, int64_t ahead, int64_t width, int64_t end) {
  const int64_t step = ahead * w->lines * AWQ_LINE;
  if (s + ahead < w->segments) return step;
  return end + width > w->panels ? 0 : step + width * w->panel_bytes - w->segments * w->lines * AWQ_LINE;
}
AWQ_INLINE V scale_of(const uint8_t *record) { return load_f16((const uint16_t *)record); }
AWQ_INLINE I zeros_of(const uint8_t *record) { return ibytes(record + 32); }

AWQ_INLINE int64_t value_size(int32_t dtype) { return dtype == AWQK_F32 ? 4 : 2; }

AWQ_INLINE float read_value(const char *row, int32_t dtype, int64_t k) {
  if (dtype == AWQK_F32) {
    float f;
    __builtin_memcpy(&f, row + 4 * k, 4);
    return f;
  }
  uint16_t h;
  __builtin_memcpy(&h, row + 2 * k, 2);
  return dtype == AWQK_F16 ? awq_f16_to_f32(h) : awq_bf16_to_f32(h);
}

/* Values k0 .. k0+count of a row as floats, then zeros up to a multiple of 16 at or above `depth`. With an order, value k lies at
 * order[k]. */
AWQ_INLINE void read_row(const char *row, int32_t dtype, const int32_t *order, int64_t k0, int64_t count, int64_t depth, float *to) {
  int64_t i = 0;
  if (order) {
    for (; i < count; i++) to[i] = read_value(row, dtype, order[k0 + i]);
  } else {
    const char *p = row + k0 * value_size(dtype);
    if (dtype == AWQK_F32)
      for (; i + 16 <= count; i += 16) vstore(to + i, vload((const float *)p + i));
    else if (dtype == AWQK_F16)
      for (; i + 16 <= count; i += 16) vstore(to + i, load_f16((const uint16_t *)p + i));
    else
      for (; i + 16 <= count; i += 16) vstore(to + i, load_bf16((const uint16_t *)p + i));
    for (; i < count; i++) to[i] = read_value(row, dtype, k0 + i);
  }
  for (; i < blocks(depth, 16) * 16; i++) to[i] = 0;
}

}  // namespace

#endif
