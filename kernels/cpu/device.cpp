/* A CPU device: a pool and the scratch that its calls recycle. */
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect.h"
#include "pool.h"

namespace {

constexpr int kSlots = 16;          /* calls at the same time whose scratch is kept */
constexpr size_t kMostBytes = (size_t)1 << 40; /* more is a mistake, not a wish */

struct alignas(64) scratch_header {
  size_t bytes;
};

/* AWQ_NUM_THREADS: 0 when unset, -1 when it isn't a number from 1 to AWQK_MOST_THREADS. */
int32_t wanted_threads() {
  const char *text = getenv("AWQ_NUM_THREADS");
  if (!text || !*text) return 0;
  char *end;
  errno = 0;
  const long n = strtol(text, &end, 10);
  return errno || *end || n < 1 || n > AWQK_MOST_THREADS ? -1 : (int32_t)n;
}

}  // namespace

struct awqk_device {
  awq_pool *pool;
  scratch_header *slots[kSlots];
};

int32_t awqk_cpu_count(void) { return 1; }

int32_t awqk_cpu_open(int32_t index, int32_t threads, awqk_device **out) {
  *out = nullptr;
  if (index != 0 || threads < 0 || threads > AWQK_MOST_THREADS) return AWQK_ERR_INVALID_ARGUMENT;
  bool asked = threads > 0;
  if (!asked) {
    threads = wanted_threads();
    if (threads < 0) return AWQK_ERR_INVALID_ARGUMENT;
    asked = threads > 0;
  }
  awqk_device *device = (awqk_device *)calloc(1, sizeof *device);
  if (!device) return AWQK_ERR_OUT_OF_MEMORY;
  if (!asked) threads = awq_in_fork_child() ? 1 : awq_cpu_threads();
  if (threads > AWQK_MOST_THREADS) threads = AWQK_MOST_THREADS;
  device->pool = awq_pool_create(threads, asked);
  if (!device->pool) {
    free(device);
    return AWQK_ERR_OUT_OF_MEMORY;
  }
  *out = device;
  return AWQK_OK;
}

void awqk_cpu_close(awqk_device *device) {
  if (!device) return;
  awq_pool_destroy(device->pool);
  for (scratch_header *block : device->slots) free(block);
  free(device);
}

int32_t awqk_cpu_alloc(awqk_device *, size_t bytes, void **out) {
  *out = nullptr;
  return bytes > kMostBytes || posix_memalign(out, 64, bytes ? bytes : 1) ? AWQK_ERR_OUT_OF_MEMORY : AWQK_OK;
}

void awqk_cpu_release(awqk_device *, void *memory) { free(memory); }

int32_t awqk_cpu_copy(awqk_device *, void *dst, const void *src, size_t bytes, int32_t, void *) {
  if (bytes) memmove(dst, src, bytes);
  return AWQK_OK;
}

int32_t awqk_cpu_describe(const char *isa, int32_t index, char *text, size_t size) {
  if (index != 0 || !text || !size) return AWQK_ERR_INVALID_ARGUMENT;
  char brand[64];
  awq_cpu_brand(brand, sizeof brand);
  const int32_t cores = awq_cpu_threads();
  snprintf(text, size, "%s, %d %s, %s", brand, (int)cores, cores == 1 ? "core" : "cores", isa);
  return AWQK_OK;
}

int32_t awq_threads(const awqk_device *device) { return awq_pool_threads(device->pool); }

void awq_parallel(awqk_device *device, int64_t chunks, double nanoseconds, awq_chunk_fn fn, void *arg) {
  awq_pool_run(device->pool, chunks, nanoseconds, fn, arg);
}

void *awq_scratch_get(awqk_device *device, size_t bytes) {
  scratch_header *block = nullptr;
  for (int i = 0; i < kSlots && !block; i++) block = __atomic_exchange_n(&device->slots[i], (scratch_header *)nullptr, __ATOMIC_ACQ_REL);
  if (block && block->bytes >= bytes) return block + 1;
  free(block);
  void *memory = nullptr;
  if (bytes > kMostBytes || posix_memalign(&memory, 64, sizeof(scratch_header) + bytes)) return nullptr;
  block = (scratch_header *)memory;
  block->bytes = bytes;
  return block + 1;
}

void awq_scratch_put(awqk_device *device, void *scratch) {
  if (!scratch) return;
  scratch_header *block = (scratch_header *)scratch - 1;
  for (int i = 0; i < kSlots; i++) {
    scratch_header *empty = nullptr;
    if (__atomic_compare_exchange_n(&device->slots[i], &empty, block, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return;
  }
  free(block);
}
