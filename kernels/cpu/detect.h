/* What this machine can run. */
#ifndef AWQ_DETECT_H
#define AWQ_DETECT_H

#include <stddef.h>
#include <stdint.h>

enum {
  AWQ_CAN_AVX2 = 1,
  AWQ_CAN_AVX512 = 2,
  AWQ_CAN_AVX512VNNI = 4,
  AWQ_CAN_NEON = 8,
  AWQ_CAN_DOTPROD = 16,
  AWQ_CAN_AVXVNNI = 32,
  AWQ_CAN_AMX = 64,
  AWQ_CAN_I8MM = 128,
  AWQ_CAN_AVX512BF16 = 256,
  AWQ_CAN_BF16 = 512
};

extern "C" {
uint32_t awq_cpu_features(void);                    /* AWQ_CAN_* that both CPU and operating system offer */
/* Intel's CPUs take two cycles for a vector of bfloat16 products: three products of bytes are faster. Those that can do more have tiles. */
bool awq_slow_bf16(void);
void awq_cpu_brand(char *text, size_t size);        /* "AMD EPYC 7763 64-Core Processor" */
int32_t awq_cpu_threads(void);                      /* from affinity mask and cgroup quotas, at least 1 */

/* The smallest CPU quota, rounded to whole CPUs, of the cgroups that `membership` (/proc/self/cgroup) names and of their
 * parents, found through `mounts` (/proc/self/mountinfo). `prefix` stands before every path that is opened. 0: none. */
int32_t awq_cgroup_cpus(const char *membership, const char *mounts, const char *prefix);
}
#endif
