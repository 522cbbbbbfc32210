/* gemm: shapes around every tile and block edge, strides, both orders of b, accumulate, threads. */
#include "test.h"

namespace {

struct shape {
  int64_t m, n, k;
};

const shape shapes[] = {{1, 1, 1},    {1, 100, 64},  {3, 65, 100},  {4, 64, 16},    {5, 16, 7},     {6, 32, 256},   {7, 33, 257}, {13, 31, 513},
                        {97, 40, 64}, {50, 530, 30}, {12, 47, 600}, {200, 100, 20}, {96, 512, 256}, {193, 70, 300}, {64, 0, 3},   {2, 3, 0}};

void one(const awqk_ops *ops, const shape &s, int index) {
  source r((uint64_t)index + 1);
  for (int form = 0; form < 4; form++) {
    const bool trans = form & 1, accumulate = form & 2;
    const float alpha = form == 0 ? 1.0f : 0.37f;
    const int64_t lda = s.k + index % 3, ldb = (trans ? s.k : s.n) + index % 4, ldc = s.n + index % 5;
    const std::vector<float> a = normals(r, s.m * lda), b = normals(r, (trans ? s.n : s.k) * ldb), c0 = normals(r, s.m * ldc);
    std::vector<float> first;
    for (int32_t threads = 1; threads <= 3; threads++) {
      device d(ops, threads);
      std::vector<float> c = c0;
      const awqk_gemm_args args = {s.m, s.n, s.k, lda, ldb, ldc, a.data(), b.data(), c.data(), alpha, trans, accumulate};
      const int32_t status = ops->gemm(d.d, &args, nullptr);
      CHECK(status == 0, "%s: %d", ops->name, status);
      if (threads > 1) {
        CHECK(c == first, "%s %ld x %ld x %ld: %d threads change the bits", ops->name, (long)s.m, (long)s.n, (long)s.k, threads);
        continue;
      }
      first = c;
      for (int64_t i = 0; i < s.m; i++)
        for (int64_t j = 0; j < ldc; j++) {
          const float got = c[(size_t)(i * ldc + j)], old = c0[(size_t)(i * ldc + j)];
          if (j >= s.n) {
            CHECK(got == old, "%s wrote past row %ld", ops->name, (long)i);
            continue;
          }
          double want = 0, size = 0;
          for (int64_t k = 0; k < s.k; k++) {
            const double p = (double)a[(size_t)(i * lda + k)] * (double)b[(size_t)(trans ? j * ldb + k : k * ldb + j)];
            want += p, size += fabs(p);
          }
          want = want * (double)alpha + (accumulate ? (double)old : 0);
          size = size * (double)alpha + (accumulate ? fabs((double)old) : 0);
          CHECK(fabs((double)got - want) <= size * 0x1p-24 * (4 + 2 * sqrt((double)s.k)), "%s form %d %ld x %ld x %ld c[%ld][%ld] = %.9g, want %.9g",
                ops->name, form, (long)s.m, (long)s.n, (long)s.k, (long)i, (long)j, (double)got, want);
        }
    }
  }
}

/* More rows and columns than are packed at once. */
void spans(const awqk_ops *ops) {
  device d(ops, 2);
  for (int turn = 0; turn < 2; turn++) {
    const int64_t m = turn ? 4200 : 6, n = turn ? 5 : 4300, k = 3;
    source r(3);
    const std::vector<float> a = normals(r, m * k), b = normals(r, n * k);
    std::vector<float> c((size_t)(m * n));
    const awqk_gemm_args args = {m, n, k, k, k, n, a.data(), b.data(), c.data(), 1, 1, 0};
    CHECK(ops->gemm(d.d, &args, nullptr) == 0, "%s", ops->name);
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++) {
        double want = 0;
        for (int64_t t = 0; t < k; t++) want += (double)a[(size_t)(i * k + t)] * (double)b[(size_t)(j * k + t)];
        CHECK(fabs((double)c[(size_t)(i * n + j)] - want) <= 1e-5, "%s c[%ld][%ld]", ops->name, (long)i, (long)j);
      }
  }
}

}  // namespace

void test_gemm(const std::vector<const awqk_ops *> &tables) {
  for (const awqk_ops *ops : tables) {
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++) one(ops, shapes[i], i);
    spans(ops);
  }
}
