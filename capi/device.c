/* Devices are shared by a context and its linears, in C, so that destroying either never enters Go. */
#include <stdlib.h>

#include "core.h"

awqc_device *awqc_device_wrap(uintptr_t ops, uintptr_t dev, int32_t index) {
  awqc_device *d = malloc(sizeof *d);
  if (!d) return NULL;
  d->ops = (const awqk_ops *)ops;
  d->dev = (awqk_device *)dev;
  d->index = index;
  atomic_init(&d->refs, 1);
  return d;
}

void awqc_device_retain(awqc_device *d) { atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed); }

void awqc_device_release(awqc_device *d) {
  if (d && atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1) {
    d->ops->close(d->dev);
    free(d);
  }
}
