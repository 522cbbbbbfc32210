// awq.hpp against the library: owners, exceptions with status and message, exceptions of a progress function carried through.
#include "awq/awq.hpp"
#include "awq/awq.hpp"

#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <type_traits>

static int passed, failed;

static void check(const char *name, bool ok) {
  if (!ok) std::printf("FAIL %s\n", name);
  ok ? passed++ : failed++;
}

template <class F>
static awq_status status_of(F &&f, const char *word) {
  try {
    f();
  } catch (const awq::Error &e) {
    if (!std::string(e.what()).empty() && std::string(e.what()).find(word) != std::string::npos) return e.status();
    std::printf("     message without \"%s\": %s\n", word, e.what());
    return -1;
  }
  return AWQ_OK;
}

static_assert(!std::is_copy_constructible<awq::Linear>::value && std::is_nothrow_move_constructible<awq::Context>::value, "one owner");

struct Mine {
  int value;
};

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const std::string dir = argv[1], model = dir + "/model", plain = dir + "/float", out = std::string(argv[2]) + "/hpp-out";
  const std::string name = "model.layers.0.self_attn.o_proj", text = dir + "/text.jsonl";
  awq::Context ctx;
  check("version", awq::version() == awq_version_string());
  check("devices", !ctx.devices().empty() && ctx.devices()[0].device_type == kDLCPU);

  auto linear = awq::Linear::load(ctx, model, name);
  check("shape", linear.n() == 256 && linear.k() == 256 && linear.properties().group_size == 128);
  std::vector<float> x(512, 0.0f);
  x[0] = x[256 + 7] = 1.0f;
  const auto y = linear(x);
  check("rows", y.size() == 512 && y[0] != 0.0f);
  const std::string cache = std::string(argv[2]) + "/hpp-cache";
  for (int i = 0; i < 2; i++) {
    const auto shared = awq::Linear::load(ctx, model, name, AWQ_COMPUTE_EXACT, cache);
    check("the same from a packed file", shared.properties().shared == 1 && linear.properties().shared == 0 && shared(x) == y);
  }
  awq::Linear moved = std::move(linear);
  check("moved", moved(x) == y && linear.get() == nullptr);
  check("x too short", status_of([&] { moved(std::vector<float>(255)); }, "255") == AWQ_ERR_INVALID_ARGUMENT);
  DLTensor bad{};
  check("bad tensor", status_of([&] { moved.forward(bad, bad); }, "x") == AWQ_ERR_INVALID_ARGUMENT);
  check("no such module", status_of([&] { awq::Linear::load(ctx, model, "nothing"); }, "nothing") == AWQ_ERR_NOT_FOUND);
  check("no such folder", status_of([&] { awq::Checkpoint(ctx, dir + "/nowhere"); }, "nowhere") == AWQ_ERR_NOT_FOUND);

  const auto q = awq::Linear::load(ctx, model, "model.layers.0.self_attn.q_proj"),
             k = awq::Linear::load(ctx, model, "model.layers.0.self_attn.k_proj");
  check("many", awq::forward_many({&q, &k, &moved}, x) == std::vector<std::vector<float>>({q(x), k(x), y}));
  check("many: none", status_of([&] { awq::forward_many({}, x); }, "lins holds no linears") == AWQ_ERR_INVALID_ARGUMENT);
  check("many: NULL", status_of([&] { awq::forward_many({&q, nullptr}, x); }, "lins[1] is NULL") == AWQ_ERR_INVALID_ARGUMENT);
  check("many: too few ys", status_of([&] { awq::forward_many({&q, &k}, bad, {&bad}); }, "ys has size 1; want 2") == AWQ_ERR_INVALID_ARGUMENT);
  check("many: x too short", status_of([&] { awq::forward_many({&q}, std::vector<float>(255)); }, "255") == AWQ_ERR_INVALID_ARGUMENT);
  const auto glu = awq::forward_glu(q, k, x), a = q(x), b = k(x);
  bool near = glu.size() == 512;
  for (std::size_t i = 0; near && i < glu.size(); i++) {
    const double want = a[i] / (1 + std::exp(-static_cast<double>(a[i]))) * b[i];
    near = std::fabs(glu[i] - want) <= 1e-6 * std::fabs(want) + 1e-30;
  }
  check("glu", near);
  check("glu: moved away", status_of([&] { awq::forward_glu(linear, k, x); }, "gate is NULL") == AWQ_ERR_INVALID_ARGUMENT);
  const std::vector<float> two(x.begin() + 256, x.end());
  std::vector<float> swapped = two;
  swapped.insert(swapped.end(), x.begin(), x.begin() + 256);
  std::vector<float> want = q(swapped);
  for (const auto &v : k(x)) want.push_back(v);
  check("grouped", awq::forward_grouped({&q, &moved, &k}, {}, x, {1, 0, 0, 1}, {0, 2, 2, 4}) == want);
  want = awq::forward_glu(k, q, swapped);
  for (const auto &v : awq::forward_glu(q, k, x)) want.push_back(v);
  check("grouped with gates", awq::forward_grouped({&q, &k}, {&k, &q}, x, {1, 0, 0, 1}, {0, 2, 4}) == want);
  check("grouped: one gate",
        status_of([&] { awq::forward_grouped({&q, &k}, {&k}, x, {0}, {0, 0, 1}); }, "gates has size 1") == AWQ_ERR_INVALID_ARGUMENT);
  check("grouped: a row beyond", status_of([&] { awq::forward_grouped({&q}, {}, x, {2}, {0, 1}); }, "rows[0] is 2") == AWQ_ERR_INVALID_ARGUMENT);
  std::vector<float> parts(512, -1.0f), own(512, -1.0f);
  awq::View part_y(parts.data(), 2, 256), own_y(own.data(), 2, 256);
  const awq::View in(x.data(), 2, 256);
  for (int32_t part = 0; part < 3; part++) moved.forward_part(in, part_y, part, 3);
  check("parts", parts == y);
  check("part beyond", status_of([&] { moved.forward_part(in, part_y, 3, 3); }, "part 3 of 3") == AWQ_ERR_INVALID_ARGUMENT);
  const int32_t starts[] = {0, 1, 2};
  awq::forward_grouped({&moved, &moved}, {}, in, nullptr, awq::View(starts, 3), own_y);
  const std::vector<float> row(x.begin(), x.begin() + 256);
  check("grouped in x's own order", own[0] == moved(row)[0] && own[256] == moved(two)[0]);

  const awq::Checkpoint ckpt(ctx, model);
  const auto tensors = ckpt.tensors();
  check("tensors", tensors.size() == ckpt.size() && tensors.size() > 20);
  bool sorted = true;
  for (std::size_t i = 1; i < tensors.size(); i++) sorted = sorted && tensors[i - 1].name < tensors[i].name;
  check("in order of names", sorted);
  for (const auto &t : tensors)
    if (t.name == name + ".scales") {
      const auto scales = ckpt.read<uint16_t>(t);
      check("scales", t.dtype == "F16" && t.shape == std::vector<int64_t>({2, 256}) && scales.size() == 512 && scales[0] == 0x2280);
    }
  check("inspect", ckpt.inspect().find("gemm") != std::string::npos);
  auto settings = awq::make<awq_quant_config>();
  settings.group_size = 32;
  check("plan", awq::plan(ctx, plain, settings).front() == '{');
  check("plan that cannot work", status_of([&] { awq::plan(ctx, plain); }, "128") == AWQ_ERR_UNSUPPORTED);

  auto eval = awq::make<awq_eval_config>();
  eval.text = text.c_str();
  eval.context = 32;
  const auto result = awq::evaluate(ctx, model, eval);
  check("evaluate", result.tokens > 0 && std::fabs(std::log(result.perplexity) - result.nll) < 1e-9 && std::isnan(result.kl));

  auto config = awq::make<awq_quant_config>();
  config.group_size = 32;
  config.calib = text.c_str();
  config.seq_len = 32;
  config.samples = 8;
  bool carried = false;
  int calls = 0;
  try {
    awq::quantize(ctx, plain, out, config, [&](const awq_progress &) -> bool { throw Mine{++calls}; });
  } catch (const Mine &m) { carried = m.value == 1 && calls == 1; }
  check("an exception of the progress function comes out, once", carried);
  check("false cancels",
        status_of([&] { awq::quantize(ctx, plain, out, config, [](const awq_progress &) { return false; }); }, "") == AWQ_ERR_CANCELLED);
  double last = -1;
  bool rising = true;
  const auto report = awq::quantize(ctx, plain, out, config, [&](const awq_progress &p) {
    rising = rising && p.fraction >= last && p.fraction <= 1 && p.stage && p.item;
    last = p.fraction;
    return true;
  });
  check("progress rises", rising && last >= 0);
  check("report", report.find("\"linears\"") != std::string::npos);
  check("dst exists", status_of([&] { awq::quantize(ctx, plain, out, config); }, "hpp-out") != AWQ_OK);
  check("the result loads", awq::Linear::load(ctx, out, "model.layers.1.mlp.down_proj").k() == 96);

  std::printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
