/* Checks without a framework: a failed one prints its place and numbers, and the program ends with 1. */
#ifndef AWQ_CPU_TEST_H
#define AWQ_CPU_TEST_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vector>

#include "../../abi/awq_backend.h"
#include "../../common/awq_num.h"

inline long test_checks, test_failures;

#define CHECK(condition, ...)                                                           \
  do {                                                                                  \
    __atomic_fetch_add(&test_checks, 1, __ATOMIC_RELAXED);                              \
    if (!(condition) && __atomic_fetch_add(&test_failures, 1, __ATOMIC_RELAXED) < 20) { \
      printf("%s:%d: %s: ", __FILE__, __LINE__, #condition);                            \
      printf(__VA_ARGS__);                                                              \
      printf("\n");                                                                     \
    }                                                                                   \
  } while (0)

inline int test_end(const char *what) {
  printf("%s: %ld checks, %ld failures\n", what, test_checks, test_failures);
  return test_failures != 0;
}

/* xorshift64*: the same numbers everywhere */
struct source {
  uint64_t state;
  explicit source(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t next() {
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return state * 0x2545f4914f6cdd1du;
  }
  double uniform() { return (double)(next() >> 11) * 0x1p-53; }
  float normal() {
    double s = -6;
    for (int i = 0; i < 12; i++) s += uniform();
    return (float)s;
  }
  int64_t below(int64_t n) { return (int64_t)(next() % (uint64_t)n); }
};

inline std::vector<float> normals(source &r, int64_t count, float scale = 1) {
  std::vector<float> v((size_t)count);
  for (float &f : v) f = r.normal() * scale;
  return v;
}

/* The tables that can run here, worst first. */
inline std::vector<const awqk_ops *> runnable() {
  std::vector<const awqk_ops *> all;
  for (int32_t i = 0; const awqk_ops *ops = awqk_entry(AWQK_ABI, i); i++)
    if (ops->score() > 0) all.insert(all.begin(), ops);
  return all;
}

struct device {
  const awqk_ops *ops;
  awqk_device *d;
  device(const awqk_ops *o, int32_t threads) : ops(o), d(nullptr) {
    const int32_t status = ops->open(0, threads, &d);
    CHECK(status == 0 && d, "open %s: %d", ops->name, status);
  }
  ~device() { ops->close(d); }
  device(const device &) = delete;
};

void test_linear(const std::vector<const awqk_ops *> &tables);
void test_gemm(const std::vector<const awqk_ops *> &tables);
void test_rows(const std::vector<const awqk_ops *> &tables);
void test_quant(const std::vector<const awqk_ops *> &tables);

#endif
