/* GEMM as a share of the fp32 multiply-add limit, linears as a share of the read bandwidth; limits measured in the same run.
 * Usage: awq_cpu_bench [gemm|linear|ops] [isa] [threads] [m] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vector>

#include "../detect.h"
#include "../device.h"

namespace {

/* On one thread its CPU time, which a busy machine disturbs less; else the wall clock. */
clockid_t clock_used = CLOCK_MONOTONIC;
double now() {
  timespec t;
  clock_gettime(clock_used, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

uint64_t seed = 88172645463325252u;
uint64_t next() {
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return seed;
}
float value() { return (float)((double)(next() >> 40) * 0x1p-23 - 1); }

/* Best and median of some runs: the best is the kernel, the median the machine. */
struct timing {
  double best, median;
};
template <class F> timing measure(F f, double budget) {
  std::vector<double> t;
  f();
  const double end = now() + budget;
  do {
    const double start = now();
    f();
    t.push_back(now() - start);
  } while (now() < end && t.size() < 2000);
  for (size_t i = 1; i < t.size(); i++)
    for (size_t j = i; j && t[j] < t[j - 1]; j--) {
      const double s = t[j];
      t[j] = t[j - 1], t[j - 1] = s;
    }
  return {t[0], t[t.size() / 2]};
}

struct bench {
  const awqk_ops *ops;
  awqk_device *device;
  int32_t threads, m;
};

struct limits {
  double flops, int8_ops, bytes;
};
limits roof(const bench &b) {
  limits l = {1, 1, 1};
  const awqk_roof_args args = {&l.flops, &l.int8_ops, &l.bytes};
  if (b.ops->roof(b.device, &args, nullptr)) puts("no memory to measure the read limit");
  return l;
}

void gemm(const bench &b) {
  const struct { int64_t m, n, k; int32_t trans; const char *what; } cases[] = {
      {512, 576, 576, 1, "attention projection"}, {512, 1536, 576, 1, "gate"},    {512, 576, 1536, 1, "down"},
      {512, 4096, 4096, 1, "4096 square"},        {2048, 1536, 576, 1, "gate"},   {2048, 576, 1536, 1, "down"},
      {512, 512, 64, 1, "scores"},                {512, 64, 512, 0, "mixing"},    {576, 576, 2048, 1, "Gram"},
      {128, 128, 2048, 1, "Gram of a group"},     {512, 49152, 576, 1, "logits"}, {1, 49152, 576, 1, "logits of a token"}};
  for (const auto &c : cases) {
    const double limit = roof(b).flops;
    std::vector<float> x((size_t)(c.m * c.k)), w((size_t)(c.n * c.k)), y((size_t)(c.m * c.n));
    for (float &f : x) f = value();
    for (float &f : w) f = value();
    const awqk_gemm_args args = {c.m, c.n, c.k, c.k, c.trans ? c.k : c.n, c.n, x.data(), w.data(), y.data(), 1, c.trans, 0};
    const timing t = measure([&] { b.ops->gemm(b.device, &args, nullptr); }, 0.7);
    const double flop = 2.0 * (double)c.m * (double)c.n * (double)c.k;
    printf("gemm_f32 %s m=%ld n=%ld k=%ld (%s): %.3f ms, %.1f GFLOP/s, %.0f %% of %.1f (median %.0f %%)\n", b.ops->name, (long)c.m, (long)c.n,
           (long)c.k, c.what, t.best * 1e3, flop / t.best * 1e-9, 100 * flop / t.best / limit, limit * 1e-9, 100 * flop / t.median / limit);
  }
}

void linear(const bench &b) {
  const int64_t n = 4096, k = 4096, group = 128, copies = 24; /* 24 x 8.8 MB: from memory */
  std::vector<uint8_t> codes((size_t)(n * k / 2)), zeros((size_t)(n * k / group));
  std::vector<uint16_t> scales(zeros.size());
  for (uint8_t &c : codes) c = (uint8_t)next();
  for (uint8_t &z : zeros) z = (uint8_t)(next() & 15);
  for (uint16_t &s : scales) s = (uint16_t)(0x2000 + (next() & 0x3ff));
  const awqk_qweight q = {n, k, group, codes.data(), scales.data(), zeros.data(), nullptr, nullptr};
  for (int32_t mode : {AWQK_EXACT, AWQK_INT8}) {
    std::vector<awqk_weight *> w((size_t)copies);
    const double start = now();
    for (awqk_weight *&p : w)
      if (b.ops->pack(b.device, &q, mode, &p)) return (void)puts("out of memory");
    printf("pack %s 4096x4096: %.1f ms\n", b.ops->name, (now() - start) / copies * 1e3);
    const awqk_gemm_weight words = {n, k, group, codes.data(), zeros.data(), scales.data(), nullptr};
    const timing pack = measure(
        [&] {
          awqk_weight *p;
          if (!b.ops->pack_gemm(b.device, &words, mode, &p)) b.ops->unpack(b.device, p);
        },
        0.4);
    printf("pack_gemm %s 4096x4096: %.2f ms, %.1f GB/s\n", b.ops->name, pack.median * 1e3, (double)codes.size() / pack.median * 1e-9);
    for (int64_t m : {1, 2, 4, 8, 16, 32, 128, 512}) {
      if (b.m && b.m != m) continue;
      const limits l = roof(b);
      const double bandwidth = l.bytes, limit = mode == AWQK_INT8 ? l.int8_ops : l.flops;
      std::vector<float> x((size_t)(m * k)), y((size_t)(m * n));
      for (float &f : x) f = value();
      size_t turn = 0;
      const timing t = measure(
          [&] {
            const awqk_linear_task task = {w[turn++ % w.size()], nullptr, y.data(), n, 0, m};
            const awqk_linear_args args = {&task, 1, x.data(), nullptr, m, k, AWQK_F32, AWQK_F32, 0, 0, nullptr};
            b.ops->linear(b.device, &args, nullptr);
          },
          m > 64 ? 2.0 : 0.8);
      const double bytes = (double)w[0]->bytes, flop = 2.0 * (double)m * (double)n * (double)k;
      printf("linear_w4 %s %s m=%ld: %.3f ms (median %.3f), %.1f GB/s = %.0f %% of %.1f, %.1f GFLOP/s = %.0f %% of %.1f\n", b.ops->name,
             mode ? "int8" : "exact", (long)m, t.best * 1e3, t.median * 1e3, bytes / t.median * 1e-9, 100 * bytes / t.median / bandwidth,
             bandwidth * 1e-9, flop / t.median * 1e-9, 100 * flop / t.median / limit, limit * 1e-9);
    }
    for (awqk_weight *p : w) b.ops->unpack(b.device, p);
  }
}

void others(const bench &b) {
  const int64_t n = 1536, k = 576, group = 64, m = 512, v = 49152;
  std::vector<float> w((size_t)(n * k)), out(w.size()), gram((size_t)(k * group)), limit((size_t)(n * k / group)), best(limit.size()), plain(limit.size());
  std::vector<uint8_t> codes((size_t)(n * k / 2)), zeros(limit.size());
  std::vector<uint16_t> scales(limit.size());
  for (float &f : w) f = value() * 0.05f;
  for (float &f : gram) f = value();
  const double weights = (double)(n * k);
  const auto show = [&](const char *op, double count, const char *unit, timing t) { printf("%s %s: %.2f ms, %.3f ns a %s\n", op, b.ops->name, t.median * 1e3, t.median / count * 1e9, unit); };
  const awqk_fakequant_args fake = {n, k, group, k, k, w.data(), nullptr, nullptr, out.data(), 0, 1};
  show("fakequant_w4", weights, "weight", measure([&] { b.ops->fakequant(b.device, &fake, nullptr); }, 0.4));
  const awqk_quantize_args quantize = {n, k, group, k, w.data(), nullptr, codes.data(), scales.data(), zeros.data(), 0};
  show("quantize_w4", weights, "weight", measure([&] { b.ops->quantize(b.device, &quantize, nullptr); }, 0.4));
  const awqk_clip_args clip = {n, k, group, k, w.data(), gram.data(), limit.data(), best.data(), plain.data(), 0};
  show("clip_w4 g64", weights, "weight", measure([&] { b.ops->clip(b.device, &clip, nullptr); }, 0.4));
  std::vector<float> p((size_t)(m * v)), q(p.size());
  for (float &f : p) f = value() * 8;
  for (float &f : q) f = value() * 8;
  std::vector<int32_t> targets((size_t)m, 5);
  std::vector<double> nll((size_t)m), kl((size_t)m);
  std::vector<uint8_t> agree((size_t)m);
  const awqk_logits_args logits = {m, v, v, v, p.data(), q.data(), targets.data(), nll.data(), kl.data(), agree.data()};
  show("logits_f32", (double)(m * v), "logit", measure([&] { b.ops->logits(b.device, &logits, nullptr); }, 0.4));
  const awqk_softmax_args softmax = {m, m, m, 0, 0, p.data(), 0.125f};
  show("softmax_f32", (double)(m * m) / 2, "score", measure([&] { b.ops->softmax(b.device, &softmax, nullptr); }, 0.4));
  const awqk_glu_args glu = {m, n, n, n, n, p.data(), q.data(), out.data(), AWQK_ACT_SILU};
  out.resize((size_t)(m * n));
  show("glu_f32", (double)(m * n), "value", measure([&] { b.ops->glu(b.device, &glu, nullptr); }, 0.4));
  std::vector<double> sums((size_t)k);
  const awqk_abssum_args abssum = {m, k, k, p.data(), sums.data()};
  show("abssum_f32", (double)(m * k), "value", measure([&] { b.ops->abssum(b.device, &abssum, nullptr); }, 0.4));
}

}  // namespace

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "all", *isa = argc > 2 ? argv[2] : "";
  for (int32_t i = 0; const awqk_ops *ops = awqk_entry(AWQK_ABI, i); i++) {
    if (ops->score() <= 0 || (*isa && strcmp(ops->name + 4, isa))) continue;
    bench b = {ops, nullptr, 0, argc > 4 ? atoi(argv[4]) : 0};
    if (ops->open(0, argc > 3 ? atoi(argv[3]) : 0, &b.device)) return 1;
    b.threads = awq_threads(b.device);
    if (b.threads == 1) clock_used = CLOCK_THREAD_CPUTIME_ID;
    char text[128];
    ops->describe(0, text, sizeof text);
    printf("%s; %d threads\n", text, (int)b.threads);
    if (!strcmp(what, "gemm") || !strcmp(what, "all")) gemm(b);
    if (!strcmp(what, "linear") || !strcmp(what, "all")) linear(b);
    if (!strcmp(what, "ops") || !strcmp(what, "all")) others(b);
    ops->close(b.device);
    if (!*isa) break; /* the best table unless one is named */
  }
  return 0;
}
