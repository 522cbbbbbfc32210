/* The tables of the archive, made at compile time from kernels.inc. */
#include "detect.h"
#include "device.h"

#if defined(__x86_64__)
#define AWQ_X86 1
#elif defined(__aarch64__)
#define AWQ_ARM64 1
#endif

extern "C" {
#define AWQ_KERNEL(slot, words, isa) int32_t awqk_##words##_##isa(awqk_device *, const awqk_##slot##_args *, void *);
#include "kernels.inc"
}

namespace {

enum {
#define AWQ_TABLE(isa, score, needs) needs_##isa = (needs),
#include "kernels.inc"
};

#define AWQ_TABLE(isa, points, needs)                                                                \
  int32_t score_##isa() { return (awq_cpu_features() & (needs)) == (uint32_t)(needs) ? points : 0; } \
  int32_t describe_##isa(int32_t index, char *text, size_t size) { return awqk_cpu_describe(#isa, index, text, size); }
#include "kernels.inc"

constexpr awqk_ops table(uint32_t can, const char *name, int32_t (*score)(), int32_t (*describe)(int32_t, char *, size_t)) {
  struct { /* not by looking at the pointers: under a sanitizer they are no constants */
    bool linear, gemm, rmsnorm, rope, softmax, glu, abssum, fakequant, quantize, clip, sqdiff, logits, roof, refine;
  } filled = {};
  awqk_ops ops = {};
  ops.abi = AWQK_ABI;
  ops.struct_size = sizeof ops;
  ops.name = name;
  ops.device_type = AWQK_DEVICE_CPU;
  ops.score = score;
  ops.count = awqk_cpu_count;
  ops.describe = describe;
  ops.open = awqk_cpu_open;
  ops.close = awqk_cpu_close;
  ops.alloc = awqk_cpu_alloc;
  ops.release = awqk_cpu_release;
  ops.copy = awqk_cpu_copy;
  ops.pack = awqk_cpu_pack;
  ops.pack_gemm = awqk_cpu_pack_gemm;
  ops.pack_read = awqk_cpu_pack_read;
  ops.packed_format = AWQ_PACKED_FORMAT;
  ops.packed = awqk_cpu_packed;
  ops.adopt = awqk_cpu_adopt;
  ops.unpack = awqk_cpu_unpack;
#define AWQ_KERNEL(slot, words, isa) \
  if (!filled.slot && ((uint32_t)needs_##isa & ~can) == 0) filled.slot = true, ops.slot = awqk_##words##_##isa;
#include "kernels.inc"
  return ops;
}

constexpr awqk_ops tables[] = {
#define AWQ_TABLE(isa, points, needs) table((uint32_t)(needs), "cpu/" #isa, score_##isa, describe_##isa),
#include "kernels.inc"
};

}  // namespace

extern "C" const awqk_ops *awqk_entry(uint32_t abi, int32_t index) {
  if (abi != AWQK_ABI || index < 0 || (size_t)index >= sizeof tables / sizeof *tables) return nullptr;
  return &tables[index];
}
