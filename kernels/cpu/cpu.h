/* What the CPU kernels share: the packed weight, the device, its pool and its scratch. Plain declarations only: every
 * instruction-set TU includes this file, so nothing here may turn into code. */
#ifndef AWQ_CPU_H
#define AWQ_CPU_H

#include "../abi/awq_backend.h"
#include "../common/awq_status.h"

/* Lane blocks. A panel is 16 output channels; along k it is cut into segments of at most AWQ_SEGMENT codes, none of which
 * crosses a group. A segment is `lines` lines of 64 bytes: 32-bit lane c of line j holds in nibble e the code of channel
 * 16*panel + c at k = segment start + 8j + e. After the last segment's lines come the segments' records: 16 fp16 scales,
 * then 16 zero bytes. Missing channels and the tail of a segment have code, zero and scale 0 resp. meet x = 0. */
enum { AWQ_LANES = 16, AWQ_LINE = 64, AWQ_SEGMENT = 256, AWQ_RECORD = 48 };

enum { AWQ_PACKED_FORMAT = 1 }; /* goes up when the above changes: files hold lane blocks */

struct awqk_weight {
  int64_t n, k, group;
  int64_t panels;          /* ceil(n / 16) */
  int64_t lines;           /* lines a segment; 8 * lines codes, the tail of which may be padding */
  int64_t splits;          /* segments a group */
  int64_t segments;        /* segments a panel: splits * k / group */
  int64_t panel_bytes;     /* from panel to panel, a multiple of 64 */
  int32_t mode;
  int32_t mapped;          /* data is a mapping of a file, else from malloc */
  size_t bytes;
  uint8_t *data;           /* 64-byte aligned */
  float *bias;             /* [panels * 16] or NULL */
  int32_t *order;          /* [k] or NULL: where in a row of x the value of k lies */
};

#ifdef __cplusplus
extern "C" {
#endif

/* Runs fn(arg, chunk, worker) for chunk = 0..chunks-1. worker is 0 for the caller and below awq_threads() for all; two
 * chunks never run under one worker number at the same time. `nanoseconds` estimates the whole work on one thread. */
typedef void (*awq_chunk_fn)(void *arg, int64_t chunk, int32_t worker);
void awq_parallel(awqk_device *device, int64_t chunks, double nanoseconds, awq_chunk_fn fn, void *arg);
int32_t awq_threads(const awqk_device *device);

/* 64-byte aligned scratch, recycled by the device: after the first calls none of them allocates. NULL without memory. */
void *awq_scratch_get(awqk_device *device, size_t bytes);
void awq_scratch_put(awqk_device *device, void *scratch);

#ifdef __cplusplus
}
#endif
#endif
