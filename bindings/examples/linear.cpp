// linear DIR MODULE [M]: loads one quantised linear, runs M rows through it and compares with a plain dequantise-and-multiply.
//
//   c++ -std=c++17 linear.cpp $(pkg-config --cflags --libs awq) -o linear
//   ./linear SmolLM2-awq model.layers.0.mlp.down_proj
//
// The C, C++ and Python versions print the same line.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "awq/awq.hpp"

// x[m][k] is a number in [-1, 1) made from the integer hash of (m, k): 24 bits, so exact in float32.
static float sample(uint32_t m, uint32_t k) {
  uint32_t h = m * 0x9E3779B1u + k * 0x85EBCA77u + 0x165667B1u;
  h ^= h >> 15;
  h *= 0x2C1B3C6Du;
  h ^= h >> 12;
  h *= 0x297A2D39u;
  h ^= h >> 15;
  return static_cast<float>(static_cast<int32_t>(h >> 8) - 8388608) / 8388608.0f;
}

static double from_half(uint16_t h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const double v = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
  return h >> 15 ? -v : v;
}

static double from_word(uint32_t word) {
  float v;
  std::memcpy(&v, &word, sizeof v);
  return v;
}

static uint32_t crc32(const std::vector<float> &values) {
  const unsigned char *p = reinterpret_cast<const unsigned char *>(values.data());
  uint32_t crc = 0xFFFFFFFFu;
  for (std::size_t n = values.size() * sizeof(float); n; n--) {
    crc ^= *p++;
    for (int i = 0; i < 8; i++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

// The bias as doubles; zeros if the module has none.
static std::vector<double> read_bias(const awq::Checkpoint &ckpt, const std::vector<awq::Checkpoint::Tensor> &tensors, const std::string &name,
                                     std::size_t n) {
  std::vector<double> out(n, 0.0);
  for (const auto &t : tensors) {
    if (t.name != name) continue;
    if (t.dtype == "F32") {
      const auto raw = ckpt.read<float>(t);
      std::copy(raw.begin(), raw.end(), out.begin());
    } else {
      const auto raw = ckpt.read<uint16_t>(t);
      for (std::size_t i = 0; i < n; i++) out[i] = t.dtype == "F16" ? from_half(raw[i]) : from_word(uint32_t{raw[i]} << 16);
    }
  }
  return out;
}

static int run(const std::string &dir, const std::string &module, std::size_t m) {
  awq::Context ctx;
  const auto linear = awq::Linear::load(ctx, dir, module);
  const auto n = static_cast<std::size_t>(linear.n()), k = static_cast<std::size_t>(linear.k());
  const auto group = static_cast<std::size_t>(linear.properties().group_size);

  // y = x . W^T (+ bias), one call for all rows
  std::vector<float> x(m * k);
  for (std::size_t i = 0; i < x.size(); i++) x[i] = sample(static_cast<uint32_t>(i / k), static_cast<uint32_t>(i % k));
  const std::vector<float> y = linear(x);

  // The same in double from the file's arrays: w = (q - z) * s; nibble i of a word holds column 8c + order[i].
  static const std::size_t order[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  const awq::Checkpoint ckpt(ctx, dir);
  const auto tensors = ckpt.tensors();
  std::vector<uint32_t> qweight(k * n / 8), qzeros(k / group * n / 8);
  std::vector<uint16_t> scales(k / group * n);
  ckpt.read(module + ".qweight", qweight.data(), qweight.size() * sizeof(uint32_t));
  ckpt.read(module + ".qzeros", qzeros.data(), qzeros.size() * sizeof(uint32_t));
  ckpt.read(module + ".scales", scales.data(), scales.size() * sizeof(uint16_t));
  const auto bias = read_bias(ckpt, tensors, module + ".bias", n);
  std::vector<double> w(k);
  double max_abs = 0, error = 0, norm = 0;
  for (std::size_t c = 0; c < n / 8; c++)
    for (std::size_t i = 0; i < 8; i++) {
      const std::size_t o = 8 * c + order[i];
      for (std::size_t j = 0; j < k; j++) {
        const std::size_t g = j / group;
        const int q = static_cast<int>(qweight[j * (n / 8) + c] >> 4 * i & 15), z = static_cast<int>(qzeros[g * (n / 8) + c] >> 4 * i & 15);
        w[j] = (q - z) * from_half(scales[g * n + o]);
      }
      for (std::size_t r = 0; r < m; r++) {
        double sum = bias[o];
        for (std::size_t j = 0; j < k; j++) sum += w[j] * static_cast<double>(x[r * k + j]);
        const double d = std::fabs(static_cast<double>(y[r * n + o]) - sum);
        max_abs = std::max(max_abs, d);
        error += d * d;
        norm += sum * sum;
      }
    }
  const double relative = norm > 0 ? std::sqrt(error / norm) : std::sqrt(error);
  std::printf("linear %s n=%zu k=%zu crc32=%08x max_abs_err=%.2e rel_l2_err=%.2e\n", module.c_str(), n, k, crc32(y), max_abs, relative);
  return relative <= 1e-5 ? 0 : 1;
}

int main(int argc, char **argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: %s DIR MODULE [M]\n", argv[0]);
    return 2;
  }
  try {
    return run(argv[1], argv[2], argc > 3 ? static_cast<std::size_t>(std::atol(argv[3])) : 5);
  } catch (const awq::Error &e) {
    std::fprintf(stderr, "%s: %s\n", e.status_name(), e.what());
    return 1;
  }
}
