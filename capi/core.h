/* What the C files of the library share: handles, the last message, the fork guard. Nothing here is public. */
#ifndef AWQ_CAPI_CORE_H
#define AWQ_CAPI_CORE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "../include/awq/awq.h"
#include "../kernels/abi/awq_backend.h"

/* A device shared by a context and the linears made with it; the last one closes it. */
typedef struct awqc_device {
  const awqk_ops *ops;
  awqk_device *dev;
  int32_t index;
  atomic_int refs;
} awqc_device;

awqc_device *awqc_device_wrap(uintptr_t ops, uintptr_t dev, int32_t index); /* NULL: out of memory */
void awqc_device_retain(awqc_device *d);
void awqc_device_release(awqc_device *d);

enum { AWQC_CONTEXT = 0x43515741, AWQC_LINEAR = 0x4c515741, AWQC_CHECKPOINT = 0x46515741, AWQC_DEAD = 0x44414544 };

struct awq_context {
  uint32_t magic;
  uintptr_t handle; /* the Go side's handle */
  awqc_device *device;
};

enum { AWQC_PLANS = 8 };

struct awq_linear {
  uint32_t magic;
  int32_t compute, has_bias, group, shared;
  int64_t n, k;
  uint64_t bytes;
  uint64_t order; /* hash of the order of its inputs, 0: as they come */
  awqc_device *device;
  awqk_weight *weight;
  int32_t plans;    /* in order of rows; 0: the kernel has its own */
  awqk_plan plan[AWQC_PLANS];
};

struct awq_checkpoint {
  uint32_t magic;
  uintptr_t handle;
};

awq_linear *awqc_linear_new(awqc_device *d, uintptr_t weight, int64_t n, int64_t k, int32_t group, int32_t compute, int32_t has_bias, uint64_t bytes,
                            uint64_t order, int32_t shared, const awqk_plan *plan, int32_t plans);

/* error.c: sets this thread's message and returns the status. */
awq_status awqc_fail(awq_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
awq_status awqc_fail_text(awq_status status, const char *text);
void awqc_clear(void);

/* fork.c: AWQ_OK, or AWQ_ERR_FORKED with its message. */
awq_status awqc_check_fork(void);
int awqc_forked(void);

/* config.c: copies a sized struct of the caller into one of ours. `theirs` may be NULL: all zero. */
awq_status awqc_read_struct(void *ours, size_t size, const void *theirs, const char *name);
/* Checks the size of a struct that will be filled later. */
awq_status awqc_check_struct(const void *theirs, size_t size, const char *name);
/* Copies a sized struct of ours to the caller, as far as theirs goes. */
awq_status awqc_write_struct(void *theirs, const void *ours, size_t size, const char *name);
/* callback.c */
void awqc_log(awq_log_fn fn, void *user, awq_log_level level, const char *text);
int32_t awqc_progress(awq_progress_fn fn, void *user, const awq_progress *p);
int32_t awqc_cancel(awq_cancel_fn fn, void *user);

awq_status awqc_check_context(const awq_context *ctx, const char *call);

#endif
