/* Calls through a table of ops, with plain arguments: Go memory may cross to C as an argument for the length of a call, but
 * not inside a struct that C gets, so the structs are made here. */
#ifndef AWQ_NATIVE_CALL_H
#define AWQ_NATIVE_CALL_H

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "awq_backend.h"

enum { AWQGO_UNSUPPORTED = 2, AWQGO_IO = 5 }; /* AWQ_ERR_UNSUPPORTED, AWQ_ERR_IO of awq.h */

/* A table may be older than this header: what lies beyond its struct_size doesn't exist. */
#define AWQGO_HAS(o, slot) ((o)->struct_size >= offsetof(awqk_ops, slot) + sizeof((o)->slot) && (o)->slot)

enum {
  AWQGO_LINEAR = 1, AWQGO_GEMM = 2, AWQGO_RMSNORM = 4, AWQGO_ROPE = 8, AWQGO_SOFTMAX = 16, AWQGO_GLU = 32, AWQGO_ABSSUM = 64,
  AWQGO_FAKEQUANT = 128, AWQGO_QUANTIZE = 256, AWQGO_CLIP = 512, AWQGO_SQDIFF = 1024, AWQGO_LOGITS = 2048, AWQGO_PACK_GEMM = 4096, AWQGO_PACK_READ = 8192,
  AWQGO_ADOPT = 16384, AWQGO_REFINE = 32768
};

/* What the table offers, as a sum of the numbers above. */
static inline uint32_t awqgo_slots(const awqk_ops *o) {
  return (AWQGO_HAS(o, pack) && AWQGO_HAS(o, unpack) && AWQGO_HAS(o, linear) ? AWQGO_LINEAR : 0) |
         (AWQGO_HAS(o, gemm) ? AWQGO_GEMM : 0) | (AWQGO_HAS(o, rmsnorm) ? AWQGO_RMSNORM : 0) |
         (AWQGO_HAS(o, rope) ? AWQGO_ROPE : 0) | (AWQGO_HAS(o, softmax) ? AWQGO_SOFTMAX : 0) | (AWQGO_HAS(o, glu) ? AWQGO_GLU : 0) |
         (AWQGO_HAS(o, abssum) ? AWQGO_ABSSUM : 0) | (AWQGO_HAS(o, fakequant) ? AWQGO_FAKEQUANT : 0) |
         (AWQGO_HAS(o, quantize) ? AWQGO_QUANTIZE : 0) | (AWQGO_HAS(o, clip) ? AWQGO_CLIP : 0) |
         (AWQGO_HAS(o, sqdiff) ? AWQGO_SQDIFF : 0) | (AWQGO_HAS(o, logits) ? AWQGO_LOGITS : 0) | (AWQGO_HAS(o, pack_gemm) ? AWQGO_PACK_GEMM : 0) |
         (AWQGO_HAS(o, pack_read) ? AWQGO_PACK_READ : 0) |
         (AWQGO_HAS(o, packed_format) && AWQGO_HAS(o, packed) && AWQGO_HAS(o, adopt) ? AWQGO_ADOPT : 0) | (AWQGO_HAS(o, refine) ? AWQGO_REFINE : 0);
}

/* The table is of our ABI and can at least be described and opened. */
static inline int awqgo_usable(const awqk_ops *o) {
  return o->abi == AWQK_ABI && AWQGO_HAS(o, name) && AWQGO_HAS(o, score) && AWQGO_HAS(o, count) && AWQGO_HAS(o, describe) &&
         AWQGO_HAS(o, open) && AWQGO_HAS(o, close);
}

static inline int32_t awqgo_score(const awqk_ops *o) { return o->score(); }
static inline int32_t awqgo_count(const awqk_ops *o) { return o->count(); }
static inline int32_t awqgo_describe(const awqk_ops *o, int32_t index, char *text, size_t size) { return o->describe(index, text, size); }
static inline int32_t awqgo_open(const awqk_ops *o, int32_t index, int32_t threads, awqk_device **out) { return o->open(index, threads, out); }
/* The present value: Go's copy is that of the start of the process. */
static inline const char *awqgo_num_threads(void) { return getenv("AWQ_NUM_THREADS"); }
static inline void awqgo_close(const awqk_ops *o, awqk_device *d) { o->close(d); }

static inline int32_t awqgo_pack(const awqk_ops *o, awqk_device *d, int64_t n, int64_t k, int64_t group, const uint8_t *codes,
                                 const uint16_t *scales, const uint8_t *zeros, const float *bias, const int32_t *order, int32_t mode,
                                 awqk_weight **out) {
  awqk_qweight q = {n, k, group, codes, scales, zeros, bias, order};
  return o->pack(d, &q, mode, out);
}

static inline int32_t awqgo_pack_gemm(const awqk_ops *o, awqk_device *d, int64_t n, int64_t k, int64_t group, const uint8_t *qweight,
                                      const uint8_t *qzeros, const uint8_t *scales, const float *bias, int32_t mode, awqk_weight **out) {
  awqk_gemm_weight g = {n, k, group, qweight, qzeros, scales, bias};
  return o->pack_gemm(d, &g, mode, out);
}

/* Where the words of a weight lie in an open file. */
typedef struct awqgo_file {
  int fd;
  int64_t at;
} awqgo_file;

static inline int32_t awqgo_read(void *source, int64_t at, int64_t bytes, void *to) {
  const awqgo_file *f = (const awqgo_file *)source;
  for (char *p = (char *)to; bytes > 0;) {
    const ssize_t n = pread(f->fd, p, (size_t)bytes, (off_t)(f->at + at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return AWQGO_IO;
    p += n, at += n, bytes -= n;
  }
  return 0;
}

static inline int32_t awqgo_pack_file(const awqk_ops *o, awqk_device *d, int64_t n, int64_t k, int64_t group, uintptr_t fd, int64_t at,
                                      const uint8_t *qzeros, const uint8_t *scales, const float *bias, int32_t mode, awqk_weight **out) {
  awqk_gemm_weight g = {n, k, group, NULL, qzeros, scales, bias};
  awqgo_file f = {(int)fd, at};
  return o->pack_read(d, &g, awqgo_read, &f, mode, out);
}

static inline int32_t awqgo_packed(const awqk_ops *o, awqk_device *d, const awqk_weight *w, awqk_packed *out) { return o->packed(d, w, out); }

static inline int32_t awqgo_adopt(const awqk_ops *o, awqk_device *d, int64_t n, int64_t k, int64_t group, int32_t mode, uintptr_t fd,
                                  size_t bytes, const float *bias, awqk_weight **out) {
  void *data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, (int)fd, 0);
  if (data == MAP_FAILED) return AWQGO_IO;
  awqk_packed p = {n, k, group, bias, data, bytes, mode};
  const int32_t status = o->adopt(d, &p, out);
  if (status) munmap(data, bytes);
  return status;
}

static inline int32_t awqgo_roof(const awqk_ops *o, awqk_device *d, double *flops, double *int8_ops, double *bytes) {
  if (!AWQGO_HAS(o, roof)) return AWQGO_UNSUPPORTED;
  awqk_roof_args g = {flops, int8_ops, bytes};
  return o->roof(d, &g, NULL);
}

static inline void awqgo_unpack(const awqk_ops *o, awqk_device *d, awqk_weight *w) { o->unpack(d, w); }

static inline int32_t awqgo_linear(const awqk_ops *o, awqk_device *d, const awqk_weight *w, const void *x, void *y, int64_t m,
                                   int64_t x_stride, int64_t y_stride, int32_t x_dtype, int32_t y_dtype, int32_t part, int32_t parts,
                                   const awqk_plan *plan) {
  awqk_linear_task t = {w, NULL, y, y_stride, 0, m};
  awqk_linear_args g = {&t, 1, x, NULL, m, x_stride, x_dtype, y_dtype, part, parts, plan};
  return o->linear(d, &g, NULL);
}

static inline int32_t awqgo_gemm(const awqk_ops *o, awqk_device *d, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                                 const float *b, int64_t ldb, float *c, int64_t ldc, float alpha, int32_t trans_b, int32_t accumulate) {
  awqk_gemm_args g = {m, n, k, lda, ldb, ldc, a, b, c, alpha, trans_b, accumulate};
  return o->gemm(d, &g, NULL);
}

static inline int32_t awqgo_rmsnorm(const awqk_ops *o, awqk_device *d, int64_t m, int64_t k, const float *x, int64_t x_stride,
                                    const float *weight, float eps, float *y, int64_t y_stride) {
  awqk_rmsnorm_args g = {m, k, x_stride, y_stride, x, weight, y, eps};
  return o->rmsnorm(d, &g, NULL);
}

static inline int32_t awqgo_rope(const awqk_ops *o, awqk_device *d, int64_t m, int64_t heads, int64_t head_dim, int64_t rot, float *x,
                                 int64_t stride, const float *cos, const float *sin, int32_t interleaved) {
  awqk_rope_args g = {m, heads, head_dim, rot, stride, x, cos, sin, interleaved};
  return o->rope(d, &g, NULL);
}

static inline int32_t awqgo_softmax(const awqk_ops *o, awqk_device *d, int64_t m, int64_t n, float *x, int64_t stride, float scale,
                                    int64_t past, int64_t window) {
  awqk_softmax_args g = {m, n, stride, past, window, x, scale};
  return o->softmax(d, &g, NULL);
}

static inline int32_t awqgo_glu(const awqk_ops *o, awqk_device *d, int64_t m, int64_t n, const float *gate, int64_t gate_stride,
                                const float *up, int64_t up_stride, float *y, int64_t y_stride, int32_t act) {
  awqk_glu_args g = {m, n, gate_stride, up_stride, y_stride, gate, up, y, act};
  return o->glu(d, &g, NULL);
}

static inline int32_t awqgo_abssum(const awqk_ops *o, awqk_device *d, int64_t m, int64_t k, const float *x, int64_t stride, double *sums) {
  awqk_abssum_args g = {m, k, stride, x, sums};
  return o->abssum(d, &g, NULL);
}

static inline int32_t awqgo_fakequant(const awqk_ops *o, awqk_device *d, int64_t n, int64_t k, int64_t group, const float *w,
                                      int64_t w_stride, const float *s, const float *limit, float *out, int64_t out_stride,
                                      int32_t symmetric, int32_t difference) {
  awqk_fakequant_args g = {n, k, group, w_stride, out_stride, w, s, limit, out, symmetric, difference};
  return o->fakequant(d, &g, NULL);
}

static inline int32_t awqgo_quantize(const awqk_ops *o, awqk_device *d, int64_t n, int64_t k, int64_t group, const float *w,
                                     int64_t w_stride, const float *limit, uint8_t *codes, uint16_t *scales, uint8_t *zeros,
                                     int32_t symmetric) {
  awqk_quantize_args g = {n, k, group, w_stride, w, limit, codes, scales, zeros, symmetric};
  return o->quantize(d, &g, NULL);
}

static inline int32_t awqgo_clip(const awqk_ops *o, awqk_device *d, int64_t n, int64_t k, int64_t group, const float *w,
                                 int64_t w_stride, const float *gram, float *limit, float *best, float *plain, int32_t symmetric) {
  awqk_clip_args g = {n, k, group, w_stride, w, gram, limit, best, plain, symmetric};
  return o->clip(d, &g, NULL);
}

static inline int32_t awqgo_refine(const awqk_ops *o, awqk_device *d, int64_t n, int64_t k, int64_t group, const float *w, int64_t w_stride,
                                   const float *e, int64_t e_stride, const float *h, uint8_t *codes, uint16_t *scales, const uint8_t *zeros,
                                   double *before, double *after, int32_t sweeps) {
  awqk_refine_args g = {n, k, group, w_stride, e_stride, w, e, h, codes, scales, zeros, before, after, sweeps};
  return o->refine(d, &g, NULL);
}

static inline int32_t awqgo_sqdiff(const awqk_ops *o, awqk_device *d, int64_t m, int64_t n, const float *a, int64_t a_stride,
                                   const float *b, int64_t b_stride, double *sum) {
  awqk_sqdiff_args g = {m, n, a_stride, b_stride, a, b, sum};
  return o->sqdiff(d, &g, NULL);
}

static inline int32_t awqgo_logits(const awqk_ops *o, awqk_device *d, int64_t m, int64_t v, const float *p, int64_t p_stride,
                                   const float *q, int64_t q_stride, const int32_t *targets, double *nll, double *kl, uint8_t *agree) {
  awqk_logits_args g = {m, v, p_stride, q_stride, p, q, targets, nll, kl, agree};
  return o->logits(d, &g, NULL);
}

#endif
