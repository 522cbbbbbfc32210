/* The quantisation rule written out plainly, and the promise that codes are the same on every instruction set. */
#include "test.h"

namespace {

typedef std::vector<float> floats;

float bounded(float x, float limit) { return fmaxf(-limit, fminf(limit, x)); }

struct grid {
  float scale, zero;
};

grid rule(const floats &x, bool symmetric, bool half) {
  float low = 0, high = 0;
  for (float f : x) low = fminf(low, f), high = fmaxf(high, f);
  float scale = symmetric ? fmaxf(fmaxf(high, -low), 1e-5f) / 7.0f : fmaxf(high - low, 1e-5f) / 15.0f;
  if (half) scale = fminf(awq_f16_to_f32(awq_f32_to_f16(scale)), 65504.0f);
  return {scale, symmetric ? 8.0f : bounded(rintf(-low / scale) - 7.5f, 7.5f) + 7.5f};
}

float code(float x, grid q) {
  const float c = rintf(x / q.scale) + q.zero;
  return c < 0 ? 0 : c > 15 ? 15 : c;
}

struct shape {
  int64_t n, k, group;
};
const shape shapes[] = {{5, 128, 128}, {9, 96, 32}, {3, 10, 5}, {17, 60, 20}, {2, 400, 400}, {1, 2, 2}, {8, 256, 64}};

/* Values that sit on halves, outliers, groups of zeros, one-sided groups. */
floats weights(source &r, const shape &s, int64_t stride) {
  floats w = normals(r, s.n * stride, 0.02f);
  for (int64_t n = 0; n < s.n; n++)
    for (int64_t k = 0; k < s.k; k++) {
      float &f = w[(size_t)(n * stride + k)];
      if (n % 4 == 1) f = (float)(r.below(16) * 2 - 15) * 0.5f; /* ties */
      if (n % 4 == 2) f = fabsf(f);
      if (n % 4 == 3 && k < s.group) f = 0;
      if (k % 61 == 7) f *= 9;
      if (n == 4 && k == 0) f = 3e6f; /* a scale beyond fp16 */
    }
  return w;
}

void fakequant(const awqk_ops *ops, awqk_device *d, std::vector<floats> &all) {
  for (const shape &s : shapes)
    for (int form = 0; form < 8; form++) {
      source r((uint64_t)(s.k + form));
      const bool symmetric = form & 1, difference = form & 2;
      const int64_t stride = s.k + 4, groups = s.k / s.group;
      const floats w = weights(r, s, stride);
      floats scale((size_t)s.k), limit((size_t)(s.n * groups)), out((size_t)(s.n * stride), 7);
      for (float &f : scale) f = (float)exp2(r.uniform() * 2 - 1);
      for (float &f : limit) f = (float)(0.01 + 0.05 * r.uniform());
      const float *sp = form & 4 ? scale.data() : nullptr, *lp = form >= 3 ? limit.data() : nullptr;
      const awqk_fakequant_args args = {s.n, s.k, s.group, stride, stride, w.data(), sp, lp, out.data(), symmetric, difference};
      CHECK(ops->fakequant(d, &args, nullptr) == 0, "%s", ops->name);
      for (int64_t n = 0; n < s.n; n++)
        for (int64_t g = 0; g < groups; g++) {
          floats x;
          for (int64_t k = g * s.group; k < (g + 1) * s.group; k++) {
            const float f = w[(size_t)(n * stride + k)] * (sp ? scale[(size_t)k] : 1);
            x.push_back(lp ? bounded(f, limit[(size_t)(n * groups + g)]) : f);
          }
          const grid q = rule(x, symmetric, false);
          for (int64_t i = 0; i < s.group; i++) {
            const int64_t k = g * s.group + i;
            float want = (code(x[(size_t)i], q) - q.zero) * q.scale;
            if (sp) want /= scale[(size_t)k];
            if (difference) want -= w[(size_t)(n * stride + k)];
            CHECK(out[(size_t)(n * stride + k)] == want, "%s form %d [%ld][%ld]: %.9g, want %.9g", ops->name, form, (long)n, (long)k,
                  (double)out[(size_t)(n * stride + k)], (double)want);
          }
        }
      for (int64_t n = 0; n < s.n; n++) CHECK(out[(size_t)(n * stride + s.k)] == 7, "%s wrote past row %ld", ops->name, (long)n);
      all.push_back(out);
    }
}

void quantize(const awqk_ops *ops, awqk_device *d) {
  for (const shape &s : shapes)
    for (int form = 0; form < 4; form++) {
      source r((uint64_t)(s.k + form));
      const bool symmetric = form & 1;
      const int64_t stride = s.k + 2, groups = s.k / s.group;
      const floats w = weights(r, s, stride);
      floats limit((size_t)(s.n * groups));
      for (float &f : limit) f = (float)(0.01 + 0.05 * r.uniform());
      std::vector<uint8_t> codes((size_t)(s.n * s.k / 2), 0xff), zeros(limit.size());
      std::vector<uint16_t> scales(limit.size());
      const awqk_quantize_args args = {s.n,          s.k,           s.group,      stride,   w.data(), form & 2 ? limit.data() : nullptr,
                                       codes.data(), scales.data(), zeros.data(), symmetric};
      CHECK(ops->quantize(d, &args, nullptr) == 0, "%s", ops->name);
      for (int64_t n = 0; n < s.n; n++)
        for (int64_t g = 0; g < groups; g++) {
          floats x;
          for (int64_t k = g * s.group; k < (g + 1) * s.group; k++)
            x.push_back(form & 2 ? bounded(w[(size_t)(n * stride + k)], limit[(size_t)(n * groups + g)]) : w[(size_t)(n * stride + k)]);
          const grid q = rule(x, symmetric, true);
          const size_t at = (size_t)(n * groups + g);
          CHECK(awq_f16_to_f32(scales[at]) == q.scale && (float)zeros[at] == q.zero, "%s [%ld] group %ld: scale %g zero %d", ops->name, (long)n,
                (long)g, (double)awq_f16_to_f32(scales[at]), zeros[at]);
          for (int64_t i = 0; i < s.group; i++)
            CHECK((float)awq_code(codes.data() + n * s.k / 2, g * s.group + i) == code(x[(size_t)i], q), "%s [%ld][%ld]", ops->name, (long)n,
                  (long)(g * s.group + i));
        }
    }
}

void clip(const awqk_ops *ops, awqk_device *d, std::vector<floats> &all) {
  for (const shape &s : shapes)
    for (int symmetric = 0; symmetric < 2; symmetric++) {
      source r((uint64_t)(s.k + symmetric));
      const int64_t stride = s.k + 1, groups = s.k / s.group, t = 2 * s.group;
      const floats w = weights(r, s, stride);
      floats gram((size_t)(groups * s.group * s.group));
      for (int64_t g = 0; g < groups; g++) {
        const floats x = normals(r, t * s.group);
        for (int64_t i = 0; i < s.group; i++)
          for (int64_t j = 0; j < s.group; j++) {
            double sum = 0;
            for (int64_t u = 0; u < t; u++) sum += (double)x[(size_t)(u * s.group + i)] * (double)x[(size_t)(u * s.group + j)];
            gram[(size_t)((g * s.group + i) * s.group + j)] = (float)(sum / (double)t);
          }
      }
      floats limit((size_t)(s.n * groups)), best(limit.size()), plain(limit.size());
      const awqk_clip_args args = {s.n, s.k, s.group, stride, w.data(), gram.data(), limit.data(), best.data(), plain.data(), symmetric};
      CHECK(ops->clip(d, &args, nullptr) == 0, "%s", ops->name);
      for (int64_t n = 0; n < s.n; n++)
        for (int64_t g = 0; g < groups; g++) {
          const size_t at = (size_t)(n * groups + g);
          floats x(&w[(size_t)(n * stride + g * s.group)], &w[(size_t)(n * stride + (g + 1) * s.group)]);
          float top = 0;
          for (float f : x) top = fmaxf(top, fabsf(f));
          double errors[10], least = INFINITY, scale = 0;
          int chosen = -1;
          for (int level = 0; level < 10; level++) {
            const float bound = top * (float)(1 - level / 20.0);
            floats y = x;
            for (float &f : y) f = bounded(f, bound);
            const grid q = rule(y, symmetric, false);
            std::vector<double> diff;
            for (size_t i = 0; i < y.size(); i++) diff.push_back((double)((code(y[i], q) - q.zero) * q.scale - x[i]));
            errors[level] = 0;
            for (int64_t i = 0; i < s.group; i++)
              for (int64_t j = 0; j < s.group; j++) {
                const double p = diff[(size_t)i] * diff[(size_t)j] * (double)gram[(size_t)((g * s.group + i) * s.group + j)];
                errors[level] += p, scale = fmax(scale, fabs(p));
              }
            least = fmin(least, errors[level]);
            if (bound == limit[at] && chosen < 0) chosen = level;
          }
          const double slack = least * 1e-5 + scale * 1e-6 * (double)s.group;
          CHECK(chosen >= 0, "%s: limit %g is none of the ten", ops->name, (double)limit[at]);
          if (chosen < 0) continue;
          CHECK(fabs((double)plain[at] - errors[0]) <= errors[0] * 1e-5 + slack, "%s plain %g, want %g", ops->name, (double)plain[at], errors[0]);
          CHECK(fabs((double)best[at] - errors[chosen]) <= slack + errors[chosen] * 1e-5 && errors[chosen] <= least + 2 * slack,
                "%s best %g at level %d, least %g", ops->name, (double)best[at], chosen, least);
        }
      all.push_back(limit), all.push_back(best), all.push_back(plain);
    }
}

}  // namespace

void test_quant(const std::vector<const awqk_ops *> &tables) {
  std::vector<floats> first;
  for (const awqk_ops *ops : tables)
    for (int32_t threads : {1, 3}) {
      device d(ops, threads);
      std::vector<floats> all;
      fakequant(ops, d.d, all);
      quantize(ops, d.d);
      clip(ops, d.d, all);
      if (first.empty()) first = all;
      CHECK(all == first, "%s with %d threads: other results than %s", ops->name, threads, tables[0]->name);
    }
}
