/* Row ops against double code, and their promise: the same bits on every instruction set and for every thread count. */
#include "test.h"

namespace {

typedef std::vector<float> floats;

void close_to(const char *what, const awqk_ops *ops, double got, double want, double bound) {
  CHECK(fabs(got - want) <= bound, "%s %s: %.9g, want %.9g, bound %.3g", ops->name, what, got, want, bound);
}

/* Collects everything that a table computes, to compare it with the first table's. */
struct record {
  std::vector<char> bytes;
  template <class T> void add(const std::vector<T> &v) {
    const char *p = (const char *)v.data();
    bytes.insert(bytes.end(), p, p + v.size() * sizeof(T));
  }
};

void rmsnorm(const awqk_ops *ops, awqk_device *d, record &all) {
  for (int64_t k : {1, 7, 16, 100, 576}) {
    source r((uint64_t)k);
    const int64_t m = 9, stride = k + 3;
    const floats x = normals(r, m * stride, 3), w = normals(r, k);
    floats y((size_t)(m * stride), 5);
    const awqk_rmsnorm_args args = {m, k, stride, stride, x.data(), w.data(), y.data(), 1e-5f};
    CHECK(ops->rmsnorm(d, &args, nullptr) == 0, "%s", ops->name);
    for (int64_t i = 0; i < m; i++) {
      double sum = 0;
      for (int64_t c = 0; c < k; c++) sum += (double)x[(size_t)(i * stride + c)] * (double)x[(size_t)(i * stride + c)];
      for (int64_t c = 0; c < stride; c++) {
        const size_t at = (size_t)(i * stride + c);
        const double want = c < k ? (double)x[at] * (double)w[(size_t)c] / sqrt(sum / (double)k + (double)1e-5f) : 5;
        close_to("rmsnorm", ops, (double)y[at], want, fabs(want) * 2e-7);
      }
    }
    floats in_place = x;
    const awqk_rmsnorm_args same = {m, k, stride, stride, in_place.data(), w.data(), in_place.data(), 1e-5f};
    CHECK(ops->rmsnorm(d, &same, nullptr) == 0, "%s", ops->name);
    for (int64_t i = 0; i < m; i++) CHECK(!memcmp(&in_place[(size_t)(i * stride)], &y[(size_t)(i * stride)], (size_t)k * 4), "%s: y = x", ops->name);
    all.add(y);
  }
}

void rope(const awqk_ops *ops, awqk_device *d, record &all) {
  for (int interleaved = 0; interleaved < 2; interleaved++)
    for (int64_t rot : {0, 2, 20, 64}) {
      source r((uint64_t)rot);
      const int64_t m = 6, heads = 3, dim = 64, stride = heads * dim + 8, half = rot / 2;
      const floats x = normals(r, m * stride), cosine = normals(r, m * half + 1), sine = normals(r, m * half + 1);
      floats y = x;
      const awqk_rope_args args = {m, heads, dim, rot, stride, y.data(), cosine.data(), sine.data(), interleaved};
      CHECK(ops->rope(d, &args, nullptr) == 0, "%s", ops->name);
      floats want = x;
      for (int64_t i = 0; i < m; i++)
        for (int64_t h = 0; h < heads; h++)
          for (int64_t c = 0; c < half; c++) {
            const size_t base = (size_t)(i * stride + h * dim), p = base + (size_t)(interleaved ? 2 * c : c),
                         q = base + (size_t)(interleaved ? 2 * c + 1 : c + half);
            const double cs = (double)cosine[(size_t)(i * half + c)], sn = (double)sine[(size_t)(i * half + c)];
            want[p] = (float)((double)x[p] * cs - (double)x[q] * sn);
            want[q] = (float)((double)x[q] * cs + (double)x[p] * sn);
          }
      for (size_t i = 0; i < y.size(); i++) close_to("rope", ops, (double)y[i], (double)want[i], 2e-6);
      all.add(y);
    }
  floats x(8), unit(8, 1);
  const awqk_rope_args odd = {1, 1, 8, 3, 8, x.data(), unit.data(), unit.data(), 0};
  CHECK(ops->rope(d, &odd, nullptr) == 1, "%s: odd rot", ops->name);
}

void softmax(const awqk_ops *ops, awqk_device *d, record &all) {
  const struct {
    int64_t m, n, past, window;
    float scale;
  } cases[] = {{1, 1, 0, 0, 1},      {5, 5, 0, 0, 0.125f}, {33, 40, 7, 0, 1},      {20, 50, 30, 8, 2},
               {4, 100, 200, 0, 30}, {3, 10, 100, 4, 1},   {17, 300, 283, 0, 0.1f}};
  for (const auto &c : cases) {
    source r((uint64_t)c.n);
    const int64_t stride = c.n + 2;
    const floats x = normals(r, c.m * stride, 4);
    floats y = x;
    const awqk_softmax_args args = {c.m, c.n, stride, c.past, c.window, y.data(), c.scale};
    CHECK(ops->softmax(d, &args, nullptr) == 0, "%s", ops->name);
    for (int64_t i = 0; i < c.m; i++) {
      const float *row = &x[(size_t)(i * stride)];
      double top = -INFINITY, sum = 0;
      std::vector<double> e((size_t)stride, 0.0);
      const auto seen = [&](int64_t j) { return j <= c.past + i && (c.window == 0 || j > c.past + i - c.window); };
      for (int64_t j = 0; j < c.n; j++)
        if (seen(j)) top = fmax(top, (double)row[j] * (double)c.scale);
      for (int64_t j = 0; j < c.n; j++)
        if (seen(j)) sum += e[(size_t)j] = exp((double)row[j] * (double)c.scale - top);
      for (int64_t j = 0; j < stride; j++) {
        const float got = y[(size_t)(i * stride + j)];
        if (j >= c.n) CHECK(got == row[j], "%s wrote past row %ld", ops->name, (long)i);
        else if (!seen(j)) CHECK(got == 0, "%s sees column %ld from row %ld", ops->name, (long)j, (long)i);
        else
          close_to("softmax", ops, (double)got, e[(size_t)j] / sum,
                   e[(size_t)j] / sum * (5e-7 + 0x1p-23 * (fabs(top) + fabs((double)row[j] * (double)c.scale))) + 1e-38);
      }
    }
    all.add(y);
  }
}

/* Through glu with gate = -x, up = 1 / x: 1 / (1 + exp(x)) shows exp in the small; softmax of two shows it for x <= 0. */
void exponential(const awqk_ops *ops, awqk_device *d, record &all) {
  double worst = 0;
  floats y;
  for (float x = -80; x <= 0; x += 0.00173f) y.push_back(0), y.push_back(x);
  const int64_t m = (int64_t)y.size() / 2;
  const floats x = y;
  const awqk_softmax_args args = {m, 2, 2, 1, 0, y.data(), 1};
  CHECK(ops->softmax(d, &args, nullptr) == 0, "%s", ops->name);
  for (int64_t i = 0; i < m; i++) {
    const double e = exp((double)x[(size_t)(2 * i + 1)]), want = e / (1 + e), got = (double)y[(size_t)(2 * i + 1)];
    worst = fmax(worst, fabs(got - want) / want);
  }
  CHECK(worst < 4 * 0x1p-24, "%s: exp / (1 + exp) off by %.3g relative", ops->name, worst);
  all.add(y);
}

void glu(const awqk_ops *ops, awqk_device *d, record &all) {
  source r(5);
  const int64_t m = 7, n = 101;
  floats gate = normals(r, m * (n + 1), 10), y((size_t)(m * (n + 3)), 5);
  const floats up = normals(r, m * (n + 2));
  gate[0] = 200, gate[1] = -200, gate[2] = 0, gate[3] = -89.5f, gate[4] = -100, gate[5] = -110;
  const awqk_glu_args args = {m, n, n + 1, n + 2, n + 3, gate.data(), up.data(), y.data(), AWQK_ACT_SILU};
  CHECK(ops->glu(d, &args, nullptr) == 0, "%s", ops->name);
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      const double g = (double)gate[(size_t)(i * (n + 1) + j)], want = g / (1 + exp(-g)) * (double)up[(size_t)(i * (n + 2) + j)];
      close_to("glu", ops, (double)y[(size_t)(i * (n + 3) + j)], want, fabs(want) * 5e-7 + 1e-36);
    }
  all.add(y);
  awqk_glu_args other = args;
  other.act = 9;
  CHECK(ops->glu(d, &other, nullptr) == 2, "%s: unknown activation", ops->name);
}

void statistics(const awqk_ops *ops, awqk_device *d, record &all) {
  for (int64_t k : {1, 130, 700}) {
    source r((uint64_t)k);
    const int64_t m = 777, stride = k + 1;
    const floats a = normals(r, m * stride), b = normals(r, m * stride);
    std::vector<double> sums((size_t)k, 3.0), result(2);
    const awqk_abssum_args args = {m, k, stride, a.data(), sums.data()};
    CHECK(ops->abssum(d, &args, nullptr) == 0, "%s", ops->name);
    double difference = 0, square = 0;
    for (int64_t c = 0; c < k; c++) {
      double want = 3;
      for (int64_t i = 0; i < m; i++) {
        const double p = (double)a[(size_t)(i * stride + c)], q = (double)b[(size_t)(i * stride + c)];
        want += fabs(p), difference += (p - q) * (p - q), square += p * p;
      }
      close_to("abssum", ops, sums[(size_t)c], want, want * 1e-13);
    }
    const awqk_sqdiff_args two = {m, k, stride, stride, a.data(), b.data(), &result[0]};
    const awqk_sqdiff_args alone = {m, k, stride, 0, a.data(), nullptr, &result[1]};
    CHECK(ops->sqdiff(d, &two, nullptr) == 0 && ops->sqdiff(d, &alone, nullptr) == 0, "%s", ops->name);
    close_to("sqdiff", ops, result[0], difference, difference * 1e-12);
    close_to("sqdiff", ops, result[1], square, square * 1e-12);
    all.add(sums);
    all.add(result);
  }
}

void logits(const awqk_ops *ops, awqk_device *d, record &all) {
  for (int64_t v : {1, 5, 16, 1003}) {
    source r((uint64_t)v);
    const int64_t m = 11;
    floats p = normals(r, m * v, 3);
    floats q = p;
    for (float &f : q) f += r.normal() * 0.1f;
    std::vector<int32_t> targets((size_t)m);
    for (int32_t &t : targets) t = (int32_t)r.below(v + 1) - 1;
    std::vector<double> nll((size_t)m), kl((size_t)m), alone((size_t)m);
    std::vector<uint8_t> agree((size_t)m, 9);
    const awqk_logits_args args = {m, v, v, v, p.data(), q.data(), targets.data(), nll.data(), kl.data(), agree.data()};
    CHECK(ops->logits(d, &args, nullptr) == 0, "%s", ops->name);
    const awqk_logits_args single = {m, v, 0, v, nullptr, q.data(), targets.data(), alone.data(), nullptr, nullptr};
    CHECK(ops->logits(d, &single, nullptr) == 0 && alone == nll, "%s: nll without p", ops->name);
    for (int64_t i = 0; i < m; i++) {
      const float *x = &p[(size_t)(i * v)], *y = &q[(size_t)(i * v)];
      double zp = 0, zq = 0, want = 0;
      int64_t best_p = 0, best_q = 0;
      for (int64_t j = 0; j < v; j++) {
        zp += exp((double)x[j]), zq += exp((double)y[j]);
        if (x[j] > x[best_p]) best_p = j;
        if (y[j] > y[best_q]) best_q = j;
      }
      for (int64_t j = 0; j < v; j++) want += exp((double)x[j]) / zp * (((double)x[j] - log(zp)) - ((double)y[j] - log(zq)));
      const int32_t t = targets[(size_t)i];
      close_to("nll", ops, nll[(size_t)i], t < 0 ? 0 : log(zq) - (double)y[t], 3e-7);
      close_to("kl", ops, kl[(size_t)i], want, 3e-7);
      CHECK(agree[(size_t)i] == (best_p == best_q), "%s: argmax %ld and %ld", ops->name, (long)best_p, (long)best_q);
    }
    all.add(nll), all.add(kl), all.add(agree);
  }
}

}  // namespace

void test_rows(const std::vector<const awqk_ops *> &tables) {
  record first;
  for (const awqk_ops *ops : tables)
    for (int32_t threads : {1, 3}) {
      device d(ops, threads);
      record all;
      rmsnorm(ops, d.d, all);
      rope(ops, d.d, all);
      softmax(ops, d.d, all);
      exponential(ops, d.d, all);
      glu(ops, d.d, all);
      statistics(ops, d.d, all);
      logits(ops, d.d, all);
      if (first.bytes.empty()) first = all;
      CHECK(all.bytes == first.bytes, "%s with %d threads: other bits than %s", ops->name, threads, tables[0]->name);
    }
}
