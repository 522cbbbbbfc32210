/* pack and linear: shapes, groups, dtypes, strides, parts, threads, both modes. */
#include <sys/mman.h>

#include "../cpu.h"
#include "test.h"

namespace {

struct weight {
  int64_t n, k, group;
  std::vector<uint8_t> codes, zeros;
  std::vector<uint16_t> scales;
  std::vector<float> bias;
  awqk_qweight q;

  weight(source &r, int64_t n_, int64_t k_, int64_t group_, bool with_bias) : n(n_), k(k_), group(group_) {
    codes.resize((size_t)(n * k / 2));
    zeros.resize((size_t)(n * k / group));
    scales.resize(zeros.size());
    for (uint8_t &c : codes) c = (uint8_t)r.next();
    for (uint8_t &z : zeros) z = (uint8_t)r.below(16);
    for (uint16_t &s : scales) s = awq_f32_to_f16((float)(0.002 + 0.01 * r.uniform()));
    if (with_bias) bias = normals(r, n);
    q = {n, k, group, codes.data(), scales.data(), zeros.data(), with_bias ? bias.data() : nullptr, nullptr};
  }
  double at(int64_t i, int64_t c) const {
    const size_t g = (size_t)(i * (k / group) + c / group);
    return ((int)awq_code(codes.data() + i * k / 2, c) - zeros[g]) * (double)awq_f16_to_f32(scales[g]);
  }
};

size_t size_of(int32_t dtype) { return dtype == AWQK_F32 ? 4 : 2; }

float get(const void *p, int64_t i, int32_t dtype) {
  if (dtype == AWQK_F32) return ((const float *)p)[i];
  const uint16_t h = ((const uint16_t *)p)[i];
  return dtype == AWQK_F16 ? awq_f16_to_f32(h) : awq_bf16_to_f32(h);
}

void put(void *p, int64_t i, int32_t dtype, float f) {
  if (dtype == AWQK_F32) ((float *)p)[i] = f;
  else ((uint16_t *)p)[i] = dtype == AWQK_F16 ? awq_f32_to_f16(f) : awq_f32_to_bf16(f);
}

/* A tensor whose rows lie `stride` apart and end exactly at the end of the allocation. */
struct tensor {
  int64_t m, n, stride;
  int32_t dtype;
  std::vector<char> bytes;
  tensor(int64_t m_, int64_t n_, int64_t gap, int32_t dtype_) : m(m_), n(n_), stride(n_ + gap), dtype(dtype_) {
    bytes.assign(m ? (size_t)((m - 1) * stride + n) * size_of(dtype) : 0, (char)0x5a);
  }
  float value(int64_t i, int64_t j) const { return get(bytes.data(), i * stride + j, dtype); }
};

/* What int8 mode makes of a row. */
std::vector<double> rounded(const tensor &x, int64_t i, int64_t group) {
  std::vector<double> out((size_t)x.n);
  for (int64_t g = 0; g < x.n; g += group) {
    float top = 0;
    for (int64_t k = g; k < g + group; k++) top = fmaxf(top, fabsf(x.value(i, k)));
    const float unit = top / 127.0f;
    for (int64_t k = g; k < g + group; k++) out[(size_t)k] = unit > 0 ? (double)rintf(x.value(i, k) / unit) * (double)unit : 0;
  }
  return out;
}

void compare(const awqk_ops *ops, const weight &w, int32_t mode, const tensor &x, const tensor &y) {
  const double unit = y.dtype == AWQK_F32 ? 0 : y.dtype == AWQK_F16 ? 0x1p-11 : 0x1p-8;
  double error2 = 0, sum2 = 0;
  for (int64_t i = 0; i < x.m; i++) {
    std::vector<double> row((size_t)x.n);
    for (int64_t k = 0; k < x.n; k++) row[(size_t)k] = (double)x.value(i, k);
    std::vector<double> top((size_t)(w.k / w.group));
    for (int64_t k = 0; k < x.n; k++) top[(size_t)(k / w.group)] = fmax(top[(size_t)(k / w.group)], fabs(row[(size_t)k]) * 1.0041);
    if (mode == AWQK_INT8) row = rounded(x, i, w.group);
    for (int64_t n = 0; n < w.n; n++) {
      double want = w.bias.empty() ? 0 : (double)w.bias[(size_t)n], size = fabs(want);
      double aligned = 0; /* exact mode may align x to the largest of up to 256 values of a group */
      for (int64_t k = 0; k < w.k; k++) aligned += mode == AWQK_EXACT ? fabs(w.at(n, k)) * top[(size_t)(k / w.group)] * 0x1p-23 : 0;
      for (int64_t k = 0; k < w.k; k++) want += w.at(n, k) * row[(size_t)k], size += fabs(w.at(n, k) * row[(size_t)k]);
      const double got = (double)y.value(i, n), error = fabs(got - want);
      /* the bound of linear_tile.h with its constant relaxed to (sqrt of the chain) * 8 */
      const double chains = (double)(w.group < 256 ? w.group : 256) + (double)(w.k / 128 + 4);
      const double bound = size * 0x1p-24 * fmin(chains, 8 * sqrt(chains)) + aligned + unit * fabs(want) + (unit > 0 ? 1e-7 : 1e-30);
      CHECK(error <= bound, "%s mode %d m %ld n %ld k %ld group %ld y[%ld][%ld] = %.9g, want %.9g, bound %.3g", ops->name, mode, (long)x.m, (long)w.n,
            (long)w.k, (long)w.group, (long)i, (long)n, got, want, bound);
      error2 += error * error, sum2 += want * want;
    }
  }
  if (unit == 0 && sum2 > 0)
    CHECK(sqrt(error2 / sum2) < 1e-6, "%s mode %d: relative L2 error %.3g at k %ld", ops->name, mode, sqrt(error2 / sum2), (long)w.k);
}

void forward(const awqk_ops *ops, awqk_device *d, awqk_weight *p, const tensor &x, tensor &y, int32_t parts, const awqk_plan *plan = nullptr) {
  std::vector<char> before = y.bytes;
  for (int32_t part = 0; part < (parts ? parts : 1); part++) { /* 0: the whole, with threads */
    const awqk_linear_task task = {p, nullptr, y.bytes.data(), y.stride, 0, x.m};
    const awqk_linear_args args = {&task, 1, x.bytes.data(), nullptr, x.m, x.stride, x.dtype, y.dtype, part, parts, plan};
    const int32_t status = ops->linear(d, &args, nullptr);
    CHECK(status == 0, "%s: status %d", ops->name, status);
  }
  const size_t s = size_of(y.dtype);
  for (int64_t i = 0; i + 1 < y.m; i++) /* the gaps between rows stay as they were */
    CHECK(!memcmp(&y.bytes[(size_t)(i * y.stride + y.n) * s], &before[(size_t)(i * y.stride + y.n) * s], (size_t)(y.stride - y.n) * s),
          "%s wrote past row %ld", ops->name, (long)i);
}

struct shape {
  int64_t m, n, k, group;
};

const shape shapes[] = {
    {1, 16, 32, 32},     {1, 64, 128, 128}, {1, 33, 256, 64},   {2, 17, 96, 32},      {3, 48, 128, 128},  {4, 100, 256, 128},  {5, 31, 192, 64},
    {7, 16, 512, 256},   {8, 65, 128, 32},  {9, 80, 256, 128},  {13, 96, 128, 128},   {17, 33, 384, 128}, {25, 7, 64, 64},     {1, 1, 2, 2},
    {2, 3, 10, 5},       {1, 18, 60, 6},    {9, 20, 14, 14},    {3, 40, 600, 600},    {1, 50, 514, 514},  {12, 35, 1030, 206}, {1, 129, 1024, 1024},
    {11, 130, 576, 192}, {6, 15, 26, 13},   {40, 272, 320, 64}, {10, 19, 2064, 2064}, {500, 5, 64, 32},
};

/* Rows of bfloat16 about the edges of every row tile, channels and groups about those of panels and steps. x: index % 3 below. */
const int64_t bf16_rows[] = {1, 2, 3, 6, 7, 12, 13, 16, 17, 32, 33, 64};
const shape bf16_shapes[] = {{0, 41, 128, 32}, {0, 31, 192, 64}, {0, 70, 256, 128}, {0, 20, 300, 300}, {0, 49, 120, 40}, {0, 9, 26, 13}};

void one(const awqk_ops *ops, const shape &s, int index, int32_t mode, std::vector<char> *same) {
  source r((uint64_t)index + 100);
  const weight w(r, s.n, s.k, s.group, index % 2 == 0);
  const int32_t in = index % 3, out = index / 3 % 3;
  tensor x(s.m, s.k, index % 4 * 3, in), y(s.m, s.n, index % 5 * 2, out);
  for (int64_t i = 0; i < s.m; i++)
    for (int64_t k = 0; k < s.k; k++) put(x.bytes.data(), i * x.stride + k, in, r.normal() * (k % 37 == 5 ? 20.0f : 1.0f));
  tensor first = y;
  for (int32_t threads = 1; threads <= 4; threads++) {
    device d(ops, threads);
    awqk_weight *p = nullptr;
    const int32_t status = ops->pack(d.d, &w.q, mode, &p);
    CHECK(status == 0 && p, "%s pack: %d", ops->name, status);
    if (!p) return;
    tensor again = y;
    forward(ops, d.d, p, x, again, 0);
    if (threads == 1) first = again, compare(ops, w, mode, x, first);
    CHECK(again.bytes == first.bytes, "%s %ld x %ld x %ld: %d threads change the bits", ops->name, (long)s.m, (long)s.n, (long)s.k, threads);
    const awqk_plan plan = {INT32_MAX, threads % 2 ? 0 : 1 << 20, threads - 1, threads < 3 ? 1 : 1 << 20, 1e3};
    tensor planned = y;
    forward(ops, d.d, p, x, planned, 0, &plan);
    CHECK(planned.bytes == first.bytes, "%s %ld x %ld x %ld: plan %d changes the bits", ops->name, (long)s.m, (long)s.n, (long)s.k, threads);
    tensor parted = y;
    forward(ops, d.d, p, x, parted, threads + 1);
    CHECK(parted.bytes == first.bytes, "%s %ld x %ld x %ld: %d parts change the bits", ops->name, (long)s.m, (long)s.n, (long)s.k, threads + 1);
    if (threads == 2 && s.m > 1 && s.m < 100) { /* int8: each row alone has the bits that it has in the batch; exact: as one of two */
      const size_t xs = size_of(in), ys = size_of(out);
      const int64_t copies = mode == AWQK_INT8 ? 1 : 2;
      for (int64_t i = 0; i < s.m; i++) {
        tensor row(copies, s.k, 0, in), result(copies, s.n, 0, out);
        for (int64_t c = 0; c < copies; c++) memcpy(&row.bytes[(size_t)(c * s.k) * xs], &x.bytes[(size_t)(i * x.stride) * xs], (size_t)s.k * xs);
        forward(ops, d.d, p, row, result, 0);
        CHECK(!memcmp(result.bytes.data(), &first.bytes[(size_t)(i * y.stride) * ys], (size_t)s.n * ys),
              "%s mode %d row %ld of %ld has other bits by itself", ops->name, mode, (long)i, (long)s.m);
      }
    }
    ops->unpack(d.d, p);
  }
  if (mode == AWQK_INT8) { /* int8 results are the same on every instruction set */
    if (same->empty()) *same = first.bytes;
    else CHECK(*same == first.bytes, "%s int8: other bits than scalar at shape %d", ops->name, index);
  }
}

/* A matrix of zero weights gives exactly the bias, whatever x. */
void zero_weights(const awqk_ops *ops) {
  source r(7);
  weight w(r, 20, 256, 128, true);
  for (size_t i = 0; i < w.codes.size(); i++) {
    const uint8_t z = w.zeros[i * 2 / 128];
    w.codes[i] = (uint8_t)(z | z << 4);
  }
  device d(ops, 1);
  awqk_weight *p;
  CHECK(ops->pack(d.d, &w.q, AWQK_EXACT, &p) == 0, "%s", ops->name);
  for (int64_t m : {1, 3, 20})
    for (int32_t in : {AWQK_F32, AWQK_BF16}) {
      tensor x(m, 256, 0, in), y(m, 20, 0, AWQK_F32);
      for (int64_t i = 0; i < m * 256; i++) put(x.bytes.data(), i, in, r.normal() * 100);
      forward(ops, d.d, p, x, y, 0);
      for (int64_t i = 0; i < m; i++)
        for (int64_t n = 0; n < 20; n++) CHECK(y.value(i, n) == w.bias[(size_t)n], "%s: %g", ops->name, (double)y.value(i, n));
    }
  ops->unpack(d.d, p);
}

/* NaN and infinity in a row reach that row of y and no other. */
void bad_numbers(const awqk_ops *ops) {
  source r(8);
  const weight w(r, 32, 128, 64, false);
  device d(ops, 1);
  for (int32_t mode : {AWQK_EXACT, AWQK_INT8})
    for (int64_t at = 0; at < 6; at++)
      for (float bad : {NAN, INFINITY}) {
        const int64_t m = at % 2 ? 2 : 30;
        const int32_t in = (int32_t)at / 2;
        awqk_weight *p;
        CHECK(ops->pack(d.d, &w.q, mode, &p) == 0, "%s", ops->name);
        tensor x(m, 128, 0, in), y(m, 32, 0, AWQK_F32);
        for (int64_t i = 0; i < m * 128; i++) put(x.bytes.data(), i, in, r.normal());
        put(x.bytes.data(), 128 + 70, in, bad);
        forward(ops, d.d, p, x, y, 0);
        for (int64_t i = 0; i < m; i++)
          for (int64_t n = 0; n < 32; n++) {
            const bool maybe = i == 1 && w.at(n, 70) != 0;
            if (maybe) CHECK(!isfinite(y.value(i, n)), "%s mode %d: %g hidden", ops->name, mode, (double)bad);
            if (i != 1) CHECK(isfinite(y.value(i, n)), "%s mode %d: %g leaks", ops->name, mode, (double)bad);
          }
        ops->unpack(d.d, p);
      }
}

/* The rows of `t` through the weight as a plain call. */
std::vector<char> plainly(const awqk_ops *ops, awqk_device *d, awqk_weight *p, const tensor &x, int64_t n, int32_t out) {
  tensor y(x.m, n, 0, out);
  forward(ops, d, p, x, y, 0);
  return y.bytes;
}

/* Siblings in one call, with threads and in parts, have the bits of calls by themselves. */
void siblings(const awqk_ops *ops) {
  source r(11);
  const int64_t widths[] = {40, 16, 200}, k = 320;
  for (int32_t mode : {AWQK_EXACT, AWQK_INT8})
    for (int64_t m : {1, 3, 30, 600}) {
      device d(ops, 2);
      tensor x(m, k, 5, AWQK_F16);
      for (int64_t i = 0; i < m; i++)
        for (int64_t c = 0; c < k; c++) put(x.bytes.data(), i * x.stride + c, AWQK_F16, r.normal());
      awqk_weight *p[3];
      std::vector<tensor> y;
      for (int s = 0; s < 3; s++) {
        const weight w(r, widths[s], k, 64, s == 1);
        CHECK(ops->pack(d.d, &w.q, mode, &p[s]) == 0, "%s", ops->name);
        y.emplace_back(m, widths[s], 3 * s, AWQK_F32);
      }
      for (int32_t parts : {0, 1, 3}) {
        awqk_linear_task tasks[3];
        for (int s = 0; s < 3; s++) {
          y[(size_t)s].bytes.assign(y[(size_t)s].bytes.size(), 0x5a);
          tasks[s] = {p[s], nullptr, y[(size_t)s].bytes.data(), y[(size_t)s].stride, 0, m};
        }
        for (int32_t part = 0; part < (parts ? parts : 1); part++) {
          const awqk_linear_args args = {tasks, 3, x.bytes.data(), nullptr, m, x.stride, x.dtype, AWQK_F32, part, parts, nullptr};
          CHECK(ops->linear(d.d, &args, nullptr) == 0, "%s", ops->name);
        }
        for (int s = 0; s < 3; s++) {
          const std::vector<char> want = plainly(ops, d.d, p[s], x, widths[s], AWQK_F32);
          for (int64_t i = 0; i < m; i++)
            CHECK(!memcmp(&y[(size_t)s].bytes[(size_t)(i * y[(size_t)s].stride) * 4], &want[(size_t)(i * widths[s]) * 4], (size_t)widths[s] * 4),
                  "%s mode %d: sibling %d, row %ld of %ld in %d parts", ops->name, mode, s, (long)i, (long)m, parts);
        }
      }
      for (awqk_weight *w : p) ops->unpack(d.d, w);
    }
}

/* y = silu(gate) * up against the two linears by themselves. */
void gated(const awqk_ops *ops) {
  source r(12);
  device d(ops, 2);
  const weight up(r, 90, 256, 128, true), gate(r, 90, 256, 128, true);
  awqk_weight *p, *q;
  CHECK(ops->pack(d.d, &up.q, AWQK_EXACT, &p) == 0 && ops->pack(d.d, &gate.q, AWQK_EXACT, &q) == 0, "%s", ops->name);
  for (int64_t m : {1, 5, 70}) {
    tensor x(m, 256, 0, AWQK_F32), y(m, 90, 2, AWQK_F32), u(m, 90, 0, AWQK_F32), g(m, 90, 0, AWQK_F32);
    for (int64_t i = 0; i < m * 256; i++) put(x.bytes.data(), i, AWQK_F32, r.normal() * 5);
    const awqk_linear_task task = {p, q, y.bytes.data(), y.stride, 0, m};
    const awqk_linear_args args = {&task, 1, x.bytes.data(), nullptr, m, 256, AWQK_F32, AWQK_F32, 0, 0, nullptr};
    CHECK(ops->linear(d.d, &args, nullptr) == 0, "%s", ops->name);
    forward(ops, d.d, p, x, u, 0);
    forward(ops, d.d, q, x, g, 0);
    for (int64_t i = 0; i < m; i++)
      for (int64_t n = 0; n < 90; n++) {
        const double a = (double)g.value(i, n), want = a / (1 + exp(-a)) * (double)u.value(i, n);
        CHECK(fabs((double)y.value(i, n) - want) <= 4e-7 * fabs(want) + 1e-30, "%s [%ld,%ld] %g, want %g", ops->name, (long)i, (long)n,
              (double)y.value(i, n), want);
      }
  }
  ops->unpack(d.d, p);
  ops->unpack(d.d, q);
}

/* Rows dealt to experts by an index: each expert's rows have the bits of a call of their own (exact: of several rows). */
void experts(const awqk_ops *ops) {
  source r(13);
  const int64_t k = 192, n = 70, tokens = 9, counts[] = {2, 0, 5, 40, 3, 0, 700};
  const int64_t many = sizeof counts / sizeof *counts;
  for (int32_t mode : {AWQK_EXACT, AWQK_INT8}) {
    device d(ops, 3);
    tensor x(tokens, k, 1, AWQK_BF16);
    for (int64_t i = 0; i < tokens; i++)
      for (int64_t c = 0; c < k; c++) put(x.bytes.data(), i * x.stride + c, AWQK_BF16, r.normal());
    std::vector<int32_t> index;
    std::vector<awqk_weight *> p;
    std::vector<awqk_linear_task> tasks;
    int64_t rows = 0;
    for (int64_t e = 0; e < many; e++) rows += counts[e];
    tensor y(rows, n, 0, AWQK_F32);
    for (int64_t e = 0; e < many; e++) {
      const weight w(r, n, k, 32, false);
      p.push_back(nullptr);
      CHECK(ops->pack(d.d, &w.q, mode, &p.back()) == 0, "%s", ops->name);
      tasks.push_back({p.back(), nullptr, y.bytes.data() + index.size() * (size_t)n * 4, n, (int64_t)index.size(), counts[e]});
      for (int64_t i = 0; i < counts[e]; i++) index.push_back((int32_t)r.below((uint64_t)tokens));
    }
    const awqk_linear_args args = {tasks.data(), many, x.bytes.data(), index.data(), rows, x.stride, AWQK_BF16, AWQK_F32, 0, 0, nullptr};
    CHECK(ops->linear(d.d, &args, nullptr) == 0, "%s", ops->name);
    for (int64_t e = 0; e < many; e++) {
      if (!counts[e]) continue;
      tensor own(counts[e], k, 0, AWQK_BF16);
      for (int64_t i = 0; i < counts[e]; i++)
        memcpy(&own.bytes[(size_t)(i * k) * 2], &x.bytes[(size_t)(index[(size_t)(tasks[(size_t)e].row + i)] * x.stride) * 2], (size_t)k * 2);
      const std::vector<char> want = plainly(ops, d.d, p[(size_t)e], own, n, AWQK_F32);
      CHECK(!memcmp(want.data(), tasks[(size_t)e].y, want.size()), "%s mode %d: expert %ld of %ld rows", ops->name, mode, (long)e, (long)counts[e]);
    }
    for (awqk_weight *w : p) ops->unpack(d.d, w);
  }
}

/* A permuted input gives the bits of x in the weight's order. */
void ordered(const awqk_ops *ops) {
  source r(14);
  device d(ops, 2);
  weight w(r, 33, 256, 64, false);
  std::vector<int32_t> order(256);
  for (int32_t i = 0; i < 256; i++) order[(size_t)i] = i * 37 % 256;
  for (int32_t mode : {AWQK_EXACT, AWQK_INT8})
    for (int64_t m : {1, 4, 50}) {
      const int32_t in = m == 4 ? AWQK_BF16 : AWQK_F32;
      awqk_weight *plain, *turned;
      w.q.order = nullptr;
      CHECK(ops->pack(d.d, &w.q, mode, &plain) == 0, "%s", ops->name);
      w.q.order = order.data();
      CHECK(ops->pack(d.d, &w.q, mode, &turned) == 0, "%s", ops->name);
      tensor x(m, 256, 0, in), t(m, 256, 0, in);
      for (int64_t i = 0; i < m; i++)
        for (int64_t k = 0; k < 256; k++) {
          const float f = r.normal();
          put(x.bytes.data(), i * 256 + k, in, f);
          for (int32_t at = 0; at < 256; at++)
            if (order[(size_t)at] == k) put(t.bytes.data(), i * 256 + at, in, f);
        }
      CHECK(plainly(ops, d.d, turned, x, 33, AWQK_F32) == plainly(ops, d.d, plain, t, 33, AWQK_F32),
            "%s mode %d m %ld: the order changes more than x", ops->name, mode, (long)m);
      ops->unpack(d.d, plain);
      ops->unpack(d.d, turned);
    }
}

/* Elements that lie across their alignment. */
void misaligned(const awqk_ops *ops) {
  source r(15);
  device d(ops, 1);
  const weight w(r, 37, 128, 32, true);
  awqk_weight *p;
  CHECK(ops->pack(d.d, &w.q, AWQK_EXACT, &p) == 0, "%s", ops->name);
  for (int32_t dtype : {AWQK_F32, AWQK_F16, AWQK_BF16}) {
    tensor x(7, 128, 3, dtype);
    for (int64_t i = 0; i < 7 * 131 - 3; i++) put(x.bytes.data(), i, dtype, r.normal());
    tensor y(7, 37, 1, dtype);
    forward(ops, d.d, p, x, y, 0);
    std::vector<char> from(x.bytes.size() + 1), to(y.bytes.size() + 1, 0x5a);
    memcpy(&from[1], x.bytes.data(), x.bytes.size());
    const awqk_linear_task task = {p, nullptr, &to[1], y.stride, 0, 7};
    const awqk_linear_args args = {&task, 1, &from[1], nullptr, 7, x.stride, dtype, dtype, 0, 0, nullptr};
    CHECK(ops->linear(d.d, &args, nullptr) == 0 && !memcmp(&to[1], y.bytes.data(), y.bytes.size()), "%s dtype %d: other bits one byte off", ops->name,
          dtype);
  }
  ops->unpack(d.d, p);
}

/* Words that are read as from a file. */
struct span {
  const char *data;
  int64_t bytes;
};

int32_t read_words(void *from, int64_t at, int64_t bytes, void *to) {
  const span *s = (const span *)from;
  if (at < 0 || bytes > s->bytes - at) return 5;
  memcpy(to, s->data + at, (size_t)bytes);
  return 0;
}

/* The packed bytes of a weight in a read-only mapping make the same weight, which owns the mapping. */
void adopt(const awqk_ops *ops, awqk_device *d, const awqk_weight *w) {
  awqk_packed p;
  CHECK(ops->packed_format != 0 && ops->packed(d, w, &p) == 0, "%s", ops->name);
  void *map = mmap(nullptr, p.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(map != MAP_FAILED, "%zu bytes", p.bytes);
  memcpy(map, p.data, p.bytes);
  CHECK(mprotect(map, p.bytes, PROT_READ) == 0, "%zu bytes", p.bytes);
  p.data = map;
  p.bias = w->bias;
  awqk_weight *v;
  p.bytes--;
  CHECK(ops->adopt(d, &p, &v) == 1 && !v, "%s: a mapping that is too short", ops->name);
  p.bytes++;
  CHECK(ops->adopt(d, &p, &v) == 0 && v->data == map && v->panel_bytes == w->panel_bytes, "%s", ops->name);
  const uint16_t x[1200] = {1, 2, 3};
  std::vector<float> y((size_t)w->n), z((size_t)w->n);
  for (auto [weight, out] : {std::pair<const awqk_weight *, float *>(w, y.data()), {v, z.data()}}) {
    const awqk_linear_task task = {weight, nullptr, out, w->n, 0, 1};
    const awqk_linear_args args = {&task, 1, x, nullptr, 1, w->k, AWQK_F16, AWQK_F32, 0, 0};
    CHECK(ops->linear(d, &args, nullptr) == 0, "%s", ops->name);
  }
  CHECK(!memcmp(y.data(), z.data(), y.size() * sizeof(float)), "%s: other bits from a mapping", ops->name);
  ops->unpack(d, v);
  unsigned char there;
  CHECK(mincore(map, 1, &there) != 0, "%s: the mapping is still there", ops->name);
}

/* The file's layout gives the same lane blocks as the canonical weight. */
void from_words(const awqk_ops *ops) {
  source r(16);
  const int64_t sizes[][3] = {{8, 64, 32},  {24, 128, 128},   {136, 256, 64}, {272, 320, 320}, {128, 600, 300},
                              {40, 26, 13}, {304, 1030, 206}, {256, 96, 2},   {20008, 136, 68}};
  const int order[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  for (const auto &s : sizes)
    for (bool symmetric : {false, true}) {
      const int64_t n = s[0], k = s[1], group = s[2], groups = k / group;
      weight w(r, n, k, group, true);
      if (symmetric) w.zeros.assign(w.zeros.size(), 8);
      std::vector<uint32_t> words((size_t)(k * n / 8)), zeros((size_t)(groups * n / 8));
      std::vector<uint16_t> scales((size_t)(groups * n));
      for (int64_t c = 0; c < n / 8; c++)
        for (int i = 0; i < 8; i++) {
          const int64_t o = 8 * c + order[i];
          for (int64_t at = 0; at < k; at++) words[(size_t)(at * n / 8 + c)] |= awq_code(w.codes.data() + o * k / 2, at) << (4 * i);
          for (int64_t g = 0; g < groups; g++) zeros[(size_t)(g * n / 8 + c)] |= (uint32_t)w.zeros[(size_t)(o * groups + g)] << (4 * i);
        }
      for (int64_t o = 0; o < n; o++)
        for (int64_t g = 0; g < groups; g++) scales[(size_t)(g * n + o)] = w.scales[(size_t)(o * groups + g)];
      std::vector<char> odd(words.size() * 4 + 1); /* a file's bytes lie anywhere */
      memcpy(&odd[1], words.data(), words.size() * 4);
      device d(ops, 2);
      const awqk_gemm_weight g = {n, k, group, &odd[1], symmetric ? nullptr : zeros.data(), scales.data(), w.bias.data()};
      awqk_weight *a, *b;
      CHECK(ops->pack(d.d, &w.q, AWQK_EXACT, &a) == 0 && ops->pack_gemm(d.d, &g, AWQK_EXACT, &b) == 0, "%s", ops->name);
      CHECK(a->bytes == b->bytes && !memcmp(a->data, b->data, a->bytes), "%s: other blocks from words of %ld x %ld, groups of %ld", ops->name,
            (long)n, (long)k, (long)group);
      ops->unpack(d.d, b);
      span from = {&odd[1], (int64_t)words.size() * 4};
      CHECK(ops->pack_read(d.d, &g, read_words, &from, AWQK_EXACT, &b) == 0 && !memcmp(a->data, b->data, a->bytes),
            "%s: other blocks from words read on the way, %ld x %ld, groups of %ld", ops->name, (long)n, (long)k, (long)group);
      adopt(ops, d.d, b);
      ops->unpack(d.d, a);
      ops->unpack(d.d, b);
      from.bytes--;
      CHECK(ops->pack_read(d.d, &g, read_words, &from, AWQK_EXACT, &b) == 5 && !b, "%s: a failing read", ops->name);
    }
  awqk_weight *p;
  const uint32_t word[8] = {};
  const awqk_gemm_weight bad = {12, 64, 64, word, word, word, nullptr};
  device d(ops, 1);
  CHECK(ops->pack_gemm(d.d, &bad, AWQK_EXACT, &p) == 1 && !p, "12 outputs fill no word");
}

/* x of any size whose sums fit float32 before they are scaled. What is smaller than 2^-103 may count as nothing. */
void sizes(const awqk_ops *ops) {
  source r(17);
  const weight w(r, 32, 256, 64, false);
  device d(ops, 1);
  for (int32_t mode : {AWQK_EXACT, AWQK_INT8})
    for (double size : {1e-45, 1e-38, 1e-25, 1e-6, 1e20, 1e35})
      for (int64_t at = 0; at < 4; at++) {
        const int64_t m = at % 2 ? 3 : 1;
        const int32_t in = at / 2 ? AWQK_BF16 : AWQK_F32;
        awqk_weight *p;
        CHECK(ops->pack(d.d, &w.q, mode, &p) == 0, "%s", ops->name);
        tensor x(m, 256, 0, in), y(m, 32, 0, AWQK_F32);
        for (int64_t i = 0; i < m * 256; i++) put(x.bytes.data(), i, in, (float)((r.uniform() - 0.5) * size));
        forward(ops, d.d, p, x, y, 0);
        for (int64_t i = 0; i < m; i++)
          for (int64_t n = 0; n < 32; n++) {
            double want = 0, terms = 0;
            for (int64_t k = 0; k < 256; k++) want += w.at(n, k) * (double)x.value(i, k), terms += fabs(w.at(n, k)) * size;
            const double error = fabs((double)y.value(i, n) - want);
            CHECK(error <= terms * (mode == AWQK_INT8 ? 5e-3 : 1e-6) + 0x1p-95, "%s mode %d, x of %g: y %g, want %g", ops->name, mode, size,
                  (double)y.value(i, n), want);
          }
        ops->unpack(d.d, p);
      }
}

void refusals(const awqk_ops *ops) {
  source r(9);
  const weight w(r, 8, 64, 32, false);
  device d(ops, 1);
  awqk_weight *p;
  awqk_qweight q = w.q;
  q.group = 24;
  CHECK(ops->pack(d.d, &q, AWQK_EXACT, &p) == 1 && !p, "group must divide k");
  q = w.q, q.k = 63;
  CHECK(ops->pack(d.d, &q, AWQK_EXACT, &p) == 1 && !p, "odd k");
  q = w.q, q.n = 0;
  CHECK(ops->pack(d.d, &q, AWQK_EXACT, &p) == 1 && !p, "no channels");
  q = w.q, q.n = INT64_MAX / 2, q.k = 1 << 20, q.group = 1 << 20;
  CHECK(ops->pack(d.d, &q, AWQK_EXACT, &p) == 6 && !p, "absurd size");
  CHECK(ops->pack(d.d, &w.q, 2, &p) == 2 && !p, "unknown mode");
  CHECK(ops->pack(d.d, &w.q, AWQK_EXACT, &p) == 0, "%s", ops->name);
  float y = 1;
  const awqk_linear_task task = {p, nullptr, nullptr, 8, 0, 0};
  awqk_linear_args args = {&task, 1, nullptr, nullptr, 0, 64, AWQK_F32, AWQK_F32, 0, 0, nullptr};
  CHECK(ops->linear(d.d, &args, nullptr) == 0, "m = 0 succeeds");
  args.m = 1, args.part = 2, args.parts = 2;
  CHECK(ops->linear(d.d, &args, nullptr) == 1 && y == 1, "part beyond parts");
  ops->unpack(d.d, p);
  ops->unpack(d.d, nullptr);
}

}  // namespace

void test_linear(const std::vector<const awqk_ops *> &tables) {
  const int count = (int)(sizeof shapes / sizeof *shapes);
  std::vector<std::vector<char>> same((size_t)count);
  for (const awqk_ops *ops : tables) {
    for (int i = 0; i < count; i++) {
      one(ops, shapes[i], i, AWQK_EXACT, nullptr);
      one(ops, shapes[i], i, AWQK_INT8, &same[(size_t)i]);
    }
    int index = 2;
    for (shape s : bf16_shapes)
      for (int64_t m : bf16_rows) s.m = m, one(ops, s, index, AWQK_EXACT, nullptr), index += 3;
    zero_weights(ops);
    bad_numbers(ops);
    siblings(ops);
    gated(ops);
    experts(ops);
    ordered(ops);
    misaligned(ops);
    from_words(ops);
    sizes(ops);
    refusals(ops);
  }
}
