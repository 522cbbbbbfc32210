/* Where the segments of lane blocks (cpu.h) lie along k: the one place that packing, unpacking and the kernels ask. */
#ifndef AWQ_LANE_BLOCK_H
#define AWQ_LANE_BLOCK_H

#include "cpu.h"

namespace {

/* Where segment s begins in k. */
inline __attribute__((always_inline)) int64_t segment_start(const awqk_weight *w, int64_t s) {
  return s / w->splits * w->group + s % w->splits * w->lines * 8;
}

/* How many codes it has; its last lines may be padding. */
inline __attribute__((always_inline)) int64_t segment_count(const awqk_weight *w, int64_t s) {
  const int64_t whole = w->lines * 8, left = (s / w->splits + 1) * w->group - segment_start(w, s);
  return left < whole ? left : whole;
}

}  // namespace

#endif
