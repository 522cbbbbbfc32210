/* The slots that are the same for every instruction set. */
#ifndef AWQ_DEVICE_H
#define AWQ_DEVICE_H

#include "cpu.h"

extern "C" {
int32_t awqk_cpu_count(void);
int32_t awqk_cpu_open(int32_t index, int32_t threads, awqk_device **out);
void awqk_cpu_close(awqk_device *device);
int32_t awqk_cpu_alloc(awqk_device *device, size_t bytes, void **out);
void awqk_cpu_release(awqk_device *device, void *memory);
int32_t awqk_cpu_copy(awqk_device *device, void *dst, const void *src, size_t bytes, int32_t kind, void *stream);
int32_t awqk_cpu_describe(const char *isa, int32_t index, char *text, size_t size);
int32_t awqk_cpu_pack(awqk_device *device, const awqk_qweight *canonical, int32_t mode, awqk_weight **out);
int32_t awqk_cpu_pack_gemm(awqk_device *device, const awqk_gemm_weight *words, int32_t mode, awqk_weight **out);
int32_t awqk_cpu_pack_read(awqk_device *device, const awqk_gemm_weight *words, awqk_read_fn read, void *source, int32_t mode, awqk_weight **out);
int32_t awqk_cpu_packed(awqk_device *device, const awqk_weight *weight, awqk_packed *out);
int32_t awqk_cpu_adopt(awqk_device *device, const awqk_packed *packed, awqk_weight **out);
void awqk_cpu_unpack(awqk_device *device, awqk_weight *weight);
}

/* A weight with room for its lane blocks, still empty; bias and order (NULL: none) are copied. awqk_cpu_unpack frees it. */
int32_t awq_weight_new(int64_t n, int64_t k, int64_t group, int32_t mode, const float *bias, const int32_t *order, awqk_weight **out);

#endif
