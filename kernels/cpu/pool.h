/* The device's threads. The caller takes part and claims chunks like a worker, so a call never waits for a thread that is
 * asleep or descheduled, only for chunks that already run. */
#ifndef AWQ_POOL_H
#define AWQ_POOL_H

#include <stdint.h>

#include "cpu.h"

struct awq_pool;

/* Starts no thread. `threads` counts the caller. `sticky`: a fork child gets as many threads again, else it gets one. */
awq_pool *awq_pool_create(int32_t threads, bool sticky);
void awq_pool_destroy(awq_pool *pool);
int32_t awq_pool_threads(const awq_pool *pool);
void awq_pool_run(awq_pool *pool, int64_t chunks, double nanoseconds, awq_chunk_fn fn, void *arg);

/* Changes in every child of fork() and of a raw clone(). */
uint32_t awq_fork_generation();
bool awq_in_fork_child();

#endif
