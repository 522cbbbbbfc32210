/* CPU features by CPUID and XGETBV or from the kernel, and the number of threads that the process may use. */
#include "detect.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)
static uint64_t enabled_state() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

/* Linux lends tiles to a process that asks, once; a refusal stays one. */
static bool tiles_allowed() {
  static int answer; /* 0: not asked */
  int known = __atomic_load_n(&answer, __ATOMIC_RELAXED);
  if (!known) {
    const long arch_req_xcomp_perm = 0x1023, tile_data = 18;
    known = syscall(SYS_arch_prctl, arch_req_xcomp_perm, tile_data) == 0 ? 1 : -1;
    __atomic_store_n(&answer, known, __ATOMIC_RELAXED);
  }
  return known > 0;
}

extern "C" bool awq_slow_bf16(void) {
  uint32_t a, b, c, d;
  return __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx;
}

extern "C" uint32_t awq_cpu_features(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  const bool osxsave = c & bit_OSXSAVE, fma = c & bit_FMA, f16c = c & bit_F16C, avx = c & bit_AVX;
  if (!osxsave || !avx) return 0;
  const uint64_t state = enabled_state();
  if ((state & 0x6) != 0x6) return 0; /* SSE and AVX registers are saved */
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  uint32_t features = 0;
  if ((b & bit_AVX2) && fma && f16c) features |= AWQ_CAN_AVX2;
  const uint32_t need = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
  if ((features & AWQ_CAN_AVX2) && (state & 0xe0) == 0xe0 && (b & need) == need) {
    features |= AWQ_CAN_AVX512;
    if (c & bit_AVX512VNNI) features |= AWQ_CAN_AVX512VNNI;
    const uint32_t tiles = 1u << 22 | 1u << 24 | 1u << 25; /* of EDX: bf16, tiles, int8 */
    if ((d & tiles) == tiles && (state & 0x60000) == 0x60000 && tiles_allowed()) features |= AWQ_CAN_AMX;
  }
  if ((features & AWQ_CAN_AVX2) && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
    if (a & 1u << 4) features |= AWQ_CAN_AVXVNNI;
    if ((features & AWQ_CAN_AVX512) && (a & 1u << 5)) features |= AWQ_CAN_AVX512BF16;
  }
  return features;
}

extern "C" void awq_cpu_brand(char *text, size_t size) {
  uint32_t r[12];
  char brand[49] = "x86-64 CPU";
  if (__get_cpuid(0x80000002u, r, r + 1, r + 2, r + 3) && __get_cpuid(0x80000003u, r + 4, r + 5, r + 6, r + 7) &&
      __get_cpuid(0x80000004u, r + 8, r + 9, r + 10, r + 11)) {
    memcpy(brand, r, 48);
    brand[48] = 0;
  }
  const char *first = brand;
  while (*first == ' ') first++;
  size_t length = strlen(first);
  while (length && first[length - 1] == ' ') length--;
  snprintf(text, size, "%.*s", (int)length, first);
}
#elif defined(__aarch64__)
extern "C" uint32_t awq_cpu_features(void) {
  const unsigned long can = getauxval(AT_HWCAP), can2 = getauxval(AT_HWCAP2);
  if (!(can & HWCAP_ASIMD)) return 0;
  return AWQ_CAN_NEON | (can & HWCAP_ASIMDDP ? AWQ_CAN_DOTPROD : 0) | (can2 & HWCAP2_I8MM ? AWQ_CAN_I8MM : 0) |
         (can2 & HWCAP2_BF16 ? AWQ_CAN_BF16 : 0);
}

extern "C" void awq_cpu_brand(char *text, size_t size) {
  if (!(getauxval(AT_HWCAP) & HWCAP_CPUID)) { /* the kernel doesn't lend its register */
    snprintf(text, size, "AArch64 CPU");
    return;
  }
  uint64_t id;
  __asm__("mrs %0, MIDR_EL1" : "=r"(id));
  snprintf(text, size, "AArch64 CPU (implementer 0x%02x, part 0x%03x)", (unsigned)(id >> 24 & 0xff), (unsigned)(id >> 4 & 0xfff));
}
#else
extern "C" uint32_t awq_cpu_features(void) { return 0; }
extern "C" void awq_cpu_brand(char *text, size_t size) { snprintf(text, size, "CPU"); }
#endif

static bool read_line(const char *prefix, const char *folder, const char *name, char *line, size_t size) {
  char path[4608];
  if ((size_t)snprintf(path, sizeof path, "%s%s/%s", prefix, folder, name) >= sizeof path) return false;
  FILE *f = fopen(path, "re");
  if (!f) return false;
  const bool ok = fgets(line, (int)size, f) != nullptr;
  fclose(f);
  return ok;
}

/* Quota of one cgroup folder in CPUs, 0 for none. Half a CPU rounds up: a thread that is throttled part of the time costs
 * less than a CPU left idle. */
static int32_t folder_cpus(const char *prefix, const char *folder, bool v2) {
  char line[128];
  long long quota = 0, period = 0;
  if (v2) {
    if (!read_line(prefix, folder, "cpu.max", line, sizeof line) || sscanf(line, "%lld %lld", &quota, &period) != 2) return 0;
  } else {
    if (!read_line(prefix, folder, "cpu.cfs_quota_us", line, sizeof line) || sscanf(line, "%lld", &quota) != 1) return 0;
    if (!read_line(prefix, folder, "cpu.cfs_period_us", line, sizeof line) || sscanf(line, "%lld", &period) != 1) return 0;
  }
  if (quota <= 0 || period <= 0) return 0;
  const long long cpus = quota / period + (quota % period * 2 >= period ? 1 : 0);
  return cpus < 1 ? 1 : cpus > 65536 ? 65536 : (int32_t)cpus;
}

static void smaller(int32_t *least, int32_t cpus) {
  if (cpus && (!*least || cpus < *least)) *least = cpus;
}

/* Walks from the process's cgroup up to the mount point. */
static void walk(const char *prefix, const char *mount, const char *root, const char *path, bool v2, int32_t *least) {
  const size_t cut = strlen(root);
  if (cut > 1 && !strncmp(path, root, cut) && (path[cut] == '/' || !path[cut])) path += cut; /* mounted from inside */
  char folder[4352];
  if (strstr(path, "..") || (size_t)snprintf(folder, sizeof folder, "%s%s", mount, path) >= sizeof folder) path = "";
  snprintf(folder, sizeof folder, "%s%s", mount, path);
  const size_t stop = strlen(mount);
  for (;;) {
    size_t length = strlen(folder);
    while (length > stop && folder[length - 1] == '/') folder[--length] = 0;
    smaller(least, folder_cpus(prefix, folder, v2));
    if (length <= stop) return;
    char *slash = strrchr(folder, '/');
    if (!slash || (size_t)(slash - folder) < stop) return;
    *slash = 0;
  }
}

static bool lists(const char *commas, const char *word) {
  const size_t length = strlen(word);
  for (const char *p = commas; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : nullptr)
    if (!strncmp(p, word, length) && (p[length] == ',' || !p[length] || p[length] == '\n')) return true;
  return false;
}

/* The mount point and root of the cgroup hierarchy that carries the cpu controller. */
static bool find_mount(const char *mounts, bool v2, char *mount, char *root) {
  FILE *f = fopen(mounts, "re");
  if (!f) return false;
  char line[8192], type[64], options[1024];
  bool found = false;
  while (!found && fgets(line, sizeof line, f)) {
    const char *tail = strstr(line, " - ");
    if (!tail || sscanf(line, "%*s %*s %*s %4095s %4095s", root, mount) != 2) continue;
    options[0] = 0;
    if (sscanf(tail, " - %63s %*s %1023s", type, options) < 1) continue;
    found = v2 ? !strcmp(type, "cgroup2") : !strcmp(type, "cgroup") && lists(options, "cpu");
  }
  fclose(f);
  return found;
}

extern "C" int32_t awq_cgroup_cpus(const char *membership, const char *mounts, const char *prefix) {
  static const size_t longest = 4096;
  char *text = (char *)malloc(3 * longest);
  FILE *f = text ? fopen(membership, "re") : nullptr;
  int32_t least = 0;
  if (f) {
    char *line = text, *mount = text + longest, *root = text + 2 * longest;
    while (fgets(line, (int)longest, f)) {
      line[strcspn(line, "\n")] = 0;
      char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : nullptr;
      if (!path) continue;
      *path++ = 0;
      controllers++;
      const bool v2 = !*controllers;
      if ((v2 || lists(controllers, "cpu")) && find_mount(mounts, v2, mount, root))
        walk(prefix, strcmp(mount, "/") ? mount : "", root, path, v2, &least);
    }
    fclose(f);
  }
  free(text);
  return least;
}

extern "C" int32_t awq_cpu_threads(void) {
  int32_t threads = 1;
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) { /* the call fails while the set is smaller than the kernel's */
    cpu_set_t *set = CPU_ALLOC(cpus);
    if (!set) break;
    const size_t size = CPU_ALLOC_SIZE(cpus);
    const bool ok = sched_getaffinity(0, size, set) == 0;
    if (ok) threads = CPU_COUNT_S(size, set);
    CPU_FREE(set);
    if (ok) break;
  }
  const int32_t quota = awq_cgroup_cpus("/proc/self/cgroup", "/proc/self/mountinfo", "");
  if (quota && quota < threads) threads = quota;
  return threads < 1 ? 1 : threads;
}
