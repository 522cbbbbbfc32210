// awq.hpp: libawq for C++17. Owners for the handles of awq.h, exceptions for its statuses, nothing else; awq.h is the manual.
//
//   awq::Context ctx;
//   auto linear = awq::Linear::load(ctx, "model-awq", "model.layers.0.mlp.down_proj");
//   std::vector<float> y = linear(x);
//
// Every function here may throw awq::Error. Works with -fno-rtti.
#ifndef AWQ_AWQ_HPP
#define AWQ_AWQ_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "awq/awq.h"

namespace awq {

// A call failed: what() is the library's message, one line with names and numbers.
class Error : public std::runtime_error {
 public:
  Error(awq_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
  awq_status status() const noexcept { return status_; }
  const char *status_name() const noexcept { return awq_status_name(status_); }

 private:
  awq_status status_;
};

inline void check(awq_status status) {
  if (status != AWQ_OK) throw Error(status, awq_last_error_message());
}

// A sized struct of awq.h with struct_size set and everything else at its default: auto c = awq::make<awq_quant_config>();
template <class T>
T make() {
  T t{};
  t.struct_size = sizeof(T);
  return t;
}

inline std::string version() { return awq_version_string(); }

namespace detail {

template <class T, void (*Destroy)(T *)>
struct Deleter {
  void operator()(T *p) const noexcept { Destroy(p); }
};
template <class T, void (*Destroy)(T *)>
using Handle = std::unique_ptr<T, Deleter<T, Destroy>>;

inline std::string take(char *text) {
  Handle<char, awq_string_destroy> owner(text);
  return std::string(text ? text : "");
}

}  // namespace detail

// ---- progress -----------------------------------------------------------------------------------------------------------------

// Return false to cancel: the call then throws Error with AWQ_ERR_CANCELLED. What it throws comes out of the call.
using Progress = std::function<bool(const awq_progress &)>;

namespace detail {

struct Watch {
  const Progress &progress;
  std::exception_ptr thrown;

  static int32_t call(void *user, const awq_progress *p) {
    Watch *w = static_cast<Watch *>(user);
    try {
      return w->progress(*p) ? 0 : 1;
    } catch (...) {  // must not fly through the library
      w->thrown = std::current_exception();
      return 1;
    }
  }
};

// Runs call(config) with the progress function in the config.
template <class Config, class Call>
void watched(Config &config, const Progress &progress, Call &&call) {
  Watch watch{progress, nullptr};
  if (progress) {
    config.progress = Watch::call;
    config.user = &watch;
  }
  const awq_status status = call();
  if (watch.thrown) std::rethrow_exception(watch.thrown);
  check(status);
}

}  // namespace detail

// ---- context ------------------------------------------------------------------------------------------------------------------

class Context {
 public:
  Context() : Context(make<awq_context_options>()) {}
  explicit Context(const awq_context_options &options) {
    awq_context *out = nullptr;
    check(awq_context_create(&options, &out));
    handle_.reset(out);
  }
  awq_context *get() const noexcept { return handle_.get(); }

  std::vector<awq_device_info> devices() {
    int32_t count = 0;
    check(awq_device_count(get(), &count));
    std::vector<awq_device_info> out;
    for (int32_t i = 0; i < count; i++) {
      out.push_back(make<awq_device_info>());
      check(awq_device_get(get(), i, &out.back()));
    }
    return out;
  }

 private:
  detail::Handle<awq_context, awq_context_destroy> handle_;
};

// ---- whole folders --------------------------------------------------------------------------------------------------------------

// Quantises the model folder `src` into the new folder `dst`. Returns the report, a JSON document.
inline std::string quantize(Context &ctx, const std::string &src, const std::string &dst, awq_quant_config config = make<awq_quant_config>(),
                            const Progress &progress = nullptr) {
  char *report = nullptr;
  detail::watched(config, progress, [&] { return awq_quantize(ctx.get(), src.c_str(), dst.c_str(), &config, &report); });
  return detail::take(report);
}

// What quantize would do. JSON.
inline std::string plan(Context &ctx, const std::string &src, const awq_quant_config &config = make<awq_quant_config>()) {
  char *json = nullptr;
  check(awq_plan(ctx.get(), src.c_str(), &config, &json));
  return detail::take(json);
}

// config.text is required.
inline awq_eval_result evaluate(Context &ctx, const std::string &dir, awq_eval_config config, const Progress &progress = nullptr) {
  auto result = make<awq_eval_result>();
  detail::watched(config, progress, [&] { return awq_evaluate(ctx.get(), dir.c_str(), &config, &result); });
  return result;
}

// ---- checkpoints ----------------------------------------------------------------------------------------------------------------

class Checkpoint {
 public:
  struct Tensor {
    std::string name;
    std::string dtype;  // safetensors' name, "F16"
    std::vector<int64_t> shape;
    uint64_t bytes = 0;
  };

  Checkpoint(Context &ctx, const std::string &dir) {
    awq_checkpoint *out = nullptr;
    check(awq_checkpoint_open(ctx.get(), dir.c_str(), &out));
    handle_.reset(out);
  }
  const awq_checkpoint *get() const noexcept { return handle_.get(); }

  std::string inspect() const {
    char *json = nullptr;
    check(awq_checkpoint_inspect(get(), &json));
    return detail::take(json);
  }
  std::size_t size() const {
    std::size_t count = 0;
    check(awq_checkpoint_tensor_count(get(), &count));
    return count;
  }
  Tensor tensor(std::size_t index) const {
    auto info = make<awq_tensor_info>();
    check(awq_checkpoint_tensor_at(get(), index, &info));
    return Tensor{info.name, info.dtype, std::vector<int64_t>(info.shape, info.shape + info.ndim), info.bytes};
  }
  std::vector<Tensor> tensors() const {
    std::vector<Tensor> out;
    for (std::size_t i = 0, n = size(); i < n; i++) out.push_back(tensor(i));
    return out;
  }
  void read(const std::string &name, void *dst, std::size_t bytes) const { check(awq_checkpoint_read(get(), name.c_str(), dst, bytes)); }
  // A whole tensor as elements of T, which must have the size of the tensor's elements.
  template <class T>
  std::vector<T> read(const Tensor &t) const {
    std::vector<T> out(static_cast<std::size_t>(t.bytes / sizeof(T)));
    read(t.name, out.data(), out.size() * sizeof(T));
    return out;
  }

 private:
  detail::Handle<awq_checkpoint, awq_checkpoint_destroy> handle_;
};

// ---- linears --------------------------------------------------------------------------------------------------------------------

// A compact DLTensor of float [rows, columns] or, with one dimension, int32 [rows], over the caller's memory.
class View {
 public:
  View(const float *data, int64_t rows, int64_t columns) noexcept : View(const_cast<float *>(data), 2, kDLFloat, rows, columns) {}
  View(const int32_t *data, int64_t count) noexcept : View(const_cast<int32_t *>(data), 1, kDLInt, count, 1) {}
  View(const View &) = delete;
  View &operator=(const View &) = delete;

  operator const DLTensor &() const noexcept { return tensor_; }
  operator DLTensor &() noexcept { return tensor_; }
  DLTensor *get() noexcept { return &tensor_; }

 private:
  View(void *data, int32_t ndim, DLDataTypeCode code, int64_t rows, int64_t columns) noexcept : shape_{rows, columns}, strides_{columns, 1} {
    tensor_.data = data;
    tensor_.device.device_type = kDLCPU;
    tensor_.ndim = ndim;
    tensor_.dtype.code = static_cast<uint8_t>(code);
    tensor_.dtype.bits = 32;
    tensor_.dtype.lanes = 1;
    tensor_.shape = shape_;
    tensor_.strides = strides_;
  }

  int64_t shape_[2], strides_[2];
  DLTensor tensor_{};
};

class Linear {
 public:
  // Module `name` of the quantised folder `dir`. cache: a folder of packed forms that processes share, "" for none.
  static Linear load(const Context &ctx, const std::string &dir, const std::string &name, awq_compute compute = AWQ_COMPUTE_DEFAULT,
                     const std::string &cache = "") {
    auto options = make<awq_linear_options>();
    options.compute = compute;
    options.cache = cache.empty() ? nullptr : cache.c_str();
    awq_linear *out = nullptr;
    check(awq_linear_load(ctx.get(), dir.c_str(), name.c_str(), &options, &out));
    return Linear(out);
  }
  // From the caller's arrays.
  static Linear create(const Context &ctx, const awq_linear_desc &desc) {
    awq_linear *out = nullptr;
    check(awq_linear_create(ctx.get(), &desc, &out));
    return Linear(out);
  }
  // Takes over a handle.
  explicit Linear(awq_linear *handle) : handle_(handle), properties_(make<awq_linear_properties>()) { check(awq_linear_info(get(), &properties_)); }

  const awq_linear *get() const noexcept { return handle_.get(); }
  const awq_linear_properties &properties() const noexcept { return properties_; }
  int64_t n() const noexcept { return properties_.n; }
  int64_t k() const noexcept { return properties_.k; }

  void forward(const DLTensor &x, DLTensor &y, void *stream = nullptr) const { check(awq_linear_forward(get(), &x, &y, stream)); }

  // x: `rows` rows of k float32; y: `rows` rows of n.
  void forward(const float *x, float *y, std::size_t rows) const {
    View ty(y, static_cast<int64_t>(rows), n());
    forward(View(x, static_cast<int64_t>(rows), k()), ty);
  }
  std::vector<float> operator()(const std::vector<float> &x) const {
    const std::size_t rows = rows_of(x);
    std::vector<float> y(rows * static_cast<std::size_t>(n()));
    forward(x.data(), y.data(), rows);
    return y;
  }

  // Share `part` of `parts` of y's columns, on the calling thread alone.
  void forward_part(const DLTensor &x, DLTensor &y, int32_t part, int32_t parts) const { check(awq_linear_forward_part(get(), &x, &y, part, parts)); }

  // How many rows of k numbers x holds.
  std::size_t rows_of(const std::vector<float> &x) const {
    const std::size_t width = static_cast<std::size_t>(k());
    if (x.size() % width != 0)
      throw Error(AWQ_ERR_INVALID_ARGUMENT, "x holds " + std::to_string(x.size()) + " numbers, which is no multiple of k=" + std::to_string(k()));
    return x.size() / width;
  }

 private:
  detail::Handle<awq_linear, awq_linear_destroy> handle_;
  awq_linear_properties properties_;
};

// ---- several linears in one call ------------------------------------------------------------------------------------------------

// Linears that live elsewhere: awq::forward_many({&q, &k, &v}, x).
using Linears = std::vector<const Linear *>;

namespace detail {

inline std::vector<const awq_linear *> handles(const Linears &lins) {
  std::vector<const awq_linear *> out;
  for (const Linear *lin : lins) out.push_back(lin ? lin->get() : nullptr);
  return out;
}

inline const Linear &first(const Linears &lins, const char *name) {
  if (lins.empty() || !lins[0]) throw Error(AWQ_ERR_INVALID_ARGUMENT, std::string(name) + (lins.empty() ? " holds no linears" : "[0] is NULL"));
  return *lins[0];
}

inline void same_count(std::size_t got, const char *name, std::size_t want) {
  if (got != want) throw Error(AWQ_ERR_INVALID_ARGUMENT, std::string(name) + " has size " + std::to_string(got) + "; want " + std::to_string(want));
}

}  // namespace detail

// ys[i] = lins[i](x): q, k and v, or gate and up.
inline void forward_many(const Linears &lins, const DLTensor &x, const std::vector<DLTensor *> &ys, void *stream = nullptr) {
  detail::same_count(ys.size(), "ys", lins.size());
  check(awq_linear_forward_many(detail::handles(lins).data(), lins.size(), &x, ys.data(), stream));
}
inline std::vector<std::vector<float>> forward_many(const Linears &lins, const std::vector<float> &x) {
  const Linear &first = detail::first(lins, "lins");
  const std::size_t rows = first.rows_of(x);
  std::vector<std::vector<float>> out;
  std::vector<std::unique_ptr<View>> views;
  std::vector<DLTensor *> ys;
  for (const Linear *lin : lins) {
    const int64_t n = lin ? lin->n() : 0;
    out.emplace_back(rows * static_cast<std::size_t>(n));
    views.push_back(std::make_unique<View>(out.back().data(), static_cast<int64_t>(rows), n));
    ys.push_back(views.back()->get());
  }
  forward_many(lins, View(x.data(), static_cast<int64_t>(rows), first.k()), ys);
  return out;
}

// y = silu(gate(x)) * up(x).
inline void forward_glu(const Linear &gate, const Linear &up, const DLTensor &x, DLTensor &y, void *stream = nullptr) {
  check(awq_linear_forward_glu(gate.get(), up.get(), &x, &y, stream));
}
inline std::vector<float> forward_glu(const Linear &gate, const Linear &up, const std::vector<float> &x) {
  const std::size_t rows = up.rows_of(x);
  std::vector<float> out(rows * static_cast<std::size_t>(up.n()));
  View y(out.data(), static_cast<int64_t>(rows), up.n());
  forward_glu(gate, up, View(x.data(), static_cast<int64_t>(rows), up.k()), y);
  return out;
}

// Mixture of experts. rows may be NULL: x's own rows in order; gates may be empty: y = experts[e](x).
inline void forward_grouped(const Linears &experts, const Linears &gates, const DLTensor &x, const DLTensor *rows, const DLTensor &offsets,
                            DLTensor &y, void *stream = nullptr) {
  if (!gates.empty()) detail::same_count(gates.size(), "gates", experts.size());
  const auto handles = detail::handles(experts), gate_handles = detail::handles(gates);
  check(awq_linear_forward_grouped(handles.data(), gates.empty() ? nullptr : gate_handles.data(), experts.size(), &x, rows, &offsets, &y, stream));
}
// rows: the row of x of each routed row; offsets: experts + 1 numbers.
inline std::vector<float> forward_grouped(const Linears &experts, const Linears &gates, const std::vector<float> &x, const std::vector<int32_t> &rows,
                                          const std::vector<int32_t> &offsets) {
  const Linear &first = detail::first(experts, "experts");
  const auto count = static_cast<int64_t>(rows.size());
  std::vector<float> out(rows.size() * static_cast<std::size_t>(first.n()));
  const View in(x.data(), static_cast<int64_t>(first.rows_of(x)), first.k()), routes(rows.data(), count);
  View y(out.data(), count, first.n());
  const DLTensor &index = routes;
  forward_grouped(experts, gates, in, &index, View(offsets.data(), static_cast<int64_t>(offsets.size())), y);
  return out;
}

}  // namespace awq

#endif  // AWQ_AWQ_HPP
