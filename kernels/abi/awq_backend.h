/* The launcher ABI between libawq and every back end (CPU archive, device plug-ins).
 *
 * Append only: new members go to the end of awqk_ops, a NULL slot means "not offered" and the plain Go reference is used
 * instead. Every function returns a status with the numbers of awq.h (AWQ_OK = 0). Functions never throw, print, exit or
 * change signal handlers. Pointers are memory of the device (for the CPU: host memory). All sizes are in elements unless a
 * name says bytes; row strides are in elements; columns are contiguous. Callers have validated shapes; a back end checks
 * again only what it limits further (UNSUPPORTED). Functions may be called from several threads at once on one device.
 */
#ifndef AWQ_BACKEND_H
#define AWQ_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AWQK_ABI 2u

enum { AWQK_F32 = 0, AWQK_F16 = 1, AWQK_BF16 = 2 };       /* dtypes of activations and outputs */
enum { AWQK_EXACT = 0, AWQK_INT8 = 1 };                   /* compute modes, see awq_compute in awq.h */
enum { AWQK_ACT_SILU = 0 };                               /* activation of a gated MLP */
enum { AWQK_DEVICE_CPU = 1, AWQK_DEVICE_CUDA = 2, AWQK_DEVICE_HIP = 10, AWQK_DEVICE_SYCL = 14 }; /* DLPack's numbers */

enum { AWQK_MOST_THREADS = 256 };                         /* of a CPU device */

typedef struct awqk_device awqk_device;                   /* threads, scratch, streams of one device */
typedef struct awqk_weight awqk_weight;                   /* a packed linear in the back end's own layout */

/* Canonical quantised weight, host memory. w[n][k] = (code - zero) * scale. */
typedef struct awqk_qweight {
  int64_t n, k, group;         /* 1 <= group <= k, k % group == 0, k even */
  const uint8_t *codes;        /* [n, k/2]: low nibble = even k */
  const uint16_t *scales;      /* fp16 [n, k/group] */
  const uint8_t *zeros;        /* [n, k/group], each 0..15 */
  const float *bias;           /* [n] or NULL */
  const int32_t *order;        /* [k] or NULL: column k of the weight meets x[order[k]]; a permutation of 0..k-1 */
} awqk_qweight;

/* The same in AutoAWQ's layout "gemm", as it lies in a checkpoint: n % 8 == 0, nibble i of word c of a row holds output
 * 8c + {0,2,4,6,1,3,5,7}[i]. Little-endian bytes of any alignment. */
typedef struct awqk_gemm_weight {
  int64_t n, k, group;         /* as in awqk_qweight */
  const void *qweight;         /* 32-bit words [k, n/8] */
  const void *qzeros;          /* 32-bit words [k/group, n/8], NULL: zero point 8 */
  const void *scales;          /* fp16 [k/group, n] */
  const float *bias;           /* [n] or NULL */
} awqk_gemm_weight;

/* How a linear with up to `rows` rows (of its largest task) is computed: speed alone, never bits. kernels/tune makes them. */
typedef struct awqk_plan {
  int32_t rows;
  int32_t decode_rows;         /* tasks of more rows have their codes spread out once for all; with fewer, each tile of rows decodes for itself */
  int32_t ahead;               /* segments (at most 256 codes of k) of prefetch */
  int32_t chunk_bytes;         /* of weights that a thread takes at once */
  double picoseconds;          /* that one thread takes for a product of a weight and a value of x */
} awqk_plan;

/* Copies bytes [at, at + bytes) of some source to `to`; called from several threads at once. A status other than 0 ends the work. */
typedef int32_t (*awqk_read_fn)(void *source, int64_t at, int64_t bytes, void *to);

/* A weight of pack_gemm as packed: plain bytes that may go to a file. */
typedef struct awqk_packed {
  int64_t n, k, group;         /* as in awqk_qweight */
  const float *bias;           /* [n] or NULL */
  const void *data;
  size_t bytes;
  int32_t mode;
} awqk_packed;

/* One product of a call: rows [row, row + rows) of the call's rows times w, into y [rows, n]. With a gate (same n):
 * y = silu(x . gate^T) * (x . w^T), biases included. */
typedef struct awqk_linear_task {
  const awqk_weight *w, *gate;
  void *y;
  int64_t y_stride, row, rows;
} awqk_linear_task;

/* One or several linears over rows of x [.., k], which are prepared once: one task for a plain linear, one each for siblings
 * (q, k, v), one an expert. Row i of the call is row index[i] of x, or row i without an index; m rows in all. Weights of one call
 * have the same k, group, order and mode. parts 0: with the device's own threads. parts >= 1: only share `part` of the output
 * channels of each task, on the calling thread; the union over part = 0..parts-1 has the bits of the whole. x and y need no
 * alignment on the CPU. */
typedef struct awqk_linear_args {
  const awqk_linear_task *tasks;  int64_t count;
  const void *x;  const int32_t *index;
  int64_t m, x_stride;
  int32_t x_dtype, y_dtype;
  int32_t part, parts;
  const awqk_plan *plan;       /* NULL: the kernel's own */
} awqk_linear_args;

/* c[m,n] = alpha * a[m,k] . op(b) (+ c if accumulate); b is [n,k] if trans_b else [k,n]. float32. */
typedef struct awqk_gemm_args {
  int64_t m, n, k, lda, ldb, ldc;
  const float *a, *b;  float *c;
  float alpha;
  int32_t trans_b, accumulate;
} awqk_gemm_args;

/* y[i] = x[i] * weight / sqrt(mean(x[i]^2) + eps), rows of length k. x may equal y. */
typedef struct awqk_rmsnorm_args { int64_t m, k, x_stride, y_stride; const float *x, *weight; float *y; float eps; } awqk_rmsnorm_args;

/* Rotates `heads` consecutive vectors of head_dim in each row in place. Row i uses row i of cos/sin [m, rot/2]; the first
 * rot dims turn, the rest pass. interleaved: pairs (2i, 2i+1), else (i, i + rot/2). */
typedef struct awqk_rope_args {
  int64_t m, heads, head_dim, rot, stride;
  float *x;  const float *cos, *sin;
  int32_t interleaved;
} awqk_rope_args;

/* In place over scores[m,n]: row i stands at position past + i and sees columns j <= past + i and, if window > 0,
 * j > past + i - window. Softmax of scale * score over what it sees, 0 elsewhere. */
typedef struct awqk_softmax_args { int64_t m, n, stride, past, window; float *x; float scale; } awqk_softmax_args;

/* y = act(gate) * up, element by element over [m,n]; y may equal gate or up. */
typedef struct awqk_glu_args { int64_t m, n, gate_stride, up_stride, y_stride; const float *gate, *up; float *y; int32_t act; } awqk_glu_args;

/* sums[j] += sum_i |x[i,j]| */
typedef struct awqk_abssum_args { int64_t m, k, stride; const float *x; double *sums; } awqk_abssum_args;

/* Group fake quantisation: out = dequant(quant(w * s)) / s (s NULL: ones); with `difference`, out = that - w.
 * Group rule: range = [min(min w, 0), max(max w, 0)], scale = max(range, 1e-5)/15, zero = clamp(-round(min/scale), 0, 15),
 * code = clamp(round(w/scale) + zero, 0, 15); symmetric: scale = max(max|w|, 1e-5)/7, zero 8, code = clamp(round(w/scale), -8, 7) + 8.
 * Half to even. limit [n, k/group] (NULL: none) first clamps w * s to +-limit. float32 throughout. */
typedef struct awqk_fakequant_args {
  int64_t n, k, group, w_stride, out_stride;
  const float *w, *s, *limit;  float *out;
  int32_t symmetric, difference;
} awqk_fakequant_args;

/* The same rule, final: fp16 scales (rounded first, at most 65504; zero and codes against the rounded scale) and canonical codes
 * and zeros. */
typedef struct awqk_quantize_args {
  int64_t n, k, group, w_stride;
  const float *w, *limit;
  uint8_t *codes;  uint16_t *scales;  uint8_t *zeros;
  int32_t symmetric;
} awqk_quantize_args;

/* Clip search. For each row and group: limits max|w| * (1 - i/20), i = 0..9; error of a limit = d^T G d, d = Q(clamp(w)) - w,
 * G = gram[group] ([k/group, group, group], mean over tokens). The first strictly smallest error wins. Outputs [n, k/group]
 * each: limit, its error, the error without clipping. */
typedef struct awqk_clip_args {
  int64_t n, k, group, w_stride;
  const float *w, *gram;
  float *limit, *best, *plain;
  int32_t symmetric;
} awqk_clip_args;

/* Moves codes (0..15) and scales of a canonical quantised weight so that the loss of each row falls: d H dT + 2 e dT with d = (code -
 * zero) * scale - w; e NULL: zeros. Scales stay normal positive float16 numbers, zeros as they are. Coordinate descent over codes, least
 * squares of a scale, group by group, `sweeps` times over all groups; a row whose loss would not fall keeps what it had. before, after
 * [n]: its losses. k even. */
typedef struct awqk_refine_args {
  int64_t n, k, group, w_stride, e_stride;
  const float *w, *e;          /* [n, k] */
  const float *h;              /* [k, k] symmetric, no negative diagonal */
  uint8_t *codes;  uint16_t *scales;  const uint8_t *zeros;  /* as in awqk_qweight */
  double *before, *after;
  int32_t sweeps;
} awqk_refine_args;

/* *sum = sum over [m,n] of (a - b)^2 in double, summed in a fixed order. b may be NULL (zeros). */
typedef struct awqk_sqdiff_args { int64_t m, n, a_stride, b_stride; const float *a, *b; double *sum; } awqk_sqdiff_args;

/* Row-wise comparison of logits q[m,v] (and reference p, may be NULL) with targets[m] (-1: no target):
 * nll[i] = logsumexp(q) - q[target] (0 without target), kl[i] = sum softmax(p) (log softmax(p) - log softmax(q)),
 * agree[i] = argmax p == argmax q (lowest index wins). kl, agree may be NULL when p is. */
typedef struct awqk_logits_args {
  int64_t m, v, p_stride, q_stride;
  const float *p, *q;  const int32_t *targets;
  double *nll, *kl;  uint8_t *agree;
} awqk_logits_args;

/* What the device can do at most with this table's instructions, measured now, all threads together: float32 operations a second
 * from registers (two a multiply-add), the same of 4-bit codes times signed bytes, and bytes a second read from memory. Takes about a
 * second and 256 MB. */
typedef struct awqk_roof_args { double *flops, *int8_ops, *bytes; } awqk_roof_args;

typedef struct awqk_ops {
  uint32_t abi, struct_size;
  const char *name;                                                             /* "cpu/avx2" */
  int32_t device_type;                                                          /* AWQK_DEVICE_* */
  int32_t (*score)(void);                                                       /* 0 = can't run here; highest wins */
  int32_t (*count)(void);                                                       /* devices present */
  int32_t (*describe)(int32_t index, char *text, size_t size);                  /* one line for people */
  int32_t (*open)(int32_t index, int32_t threads, awqk_device **out);           /* threads 0 = default; starts none yet */
  void    (*close)(awqk_device *);
  int32_t (*alloc)(awqk_device *, size_t bytes, void **out);
  void    (*release)(awqk_device *, void *);
  int32_t (*copy)(awqk_device *, void *dst, const void *src, size_t bytes, int32_t kind, void *stream);
  int32_t (*pack)(awqk_device *, const awqk_qweight *, int32_t mode, awqk_weight **out);
  void    (*unpack)(awqk_device *, awqk_weight *);                              /* frees a packed weight */
  int32_t (*linear)(awqk_device *, const awqk_linear_args *, void *stream);
  int32_t (*gemm)(awqk_device *, const awqk_gemm_args *, void *stream);
  int32_t (*rmsnorm)(awqk_device *, const awqk_rmsnorm_args *, void *stream);
  int32_t (*rope)(awqk_device *, const awqk_rope_args *, void *stream);
  int32_t (*softmax)(awqk_device *, const awqk_softmax_args *, void *stream);
  int32_t (*glu)(awqk_device *, const awqk_glu_args *, void *stream);
  int32_t (*abssum)(awqk_device *, const awqk_abssum_args *, void *stream);
  int32_t (*fakequant)(awqk_device *, const awqk_fakequant_args *, void *stream);
  int32_t (*quantize)(awqk_device *, const awqk_quantize_args *, void *stream);
  int32_t (*clip)(awqk_device *, const awqk_clip_args *, void *stream);
  int32_t (*sqdiff)(awqk_device *, const awqk_sqdiff_args *, void *stream);
  int32_t (*logits)(awqk_device *, const awqk_logits_args *, void *stream);
  int32_t (*roof)(awqk_device *, const awqk_roof_args *, void *stream);
  int32_t (*pack_gemm)(awqk_device *, const awqk_gemm_weight *, int32_t mode, awqk_weight **out); /* what pack makes of the same weight */
  int32_t (*refine)(awqk_device *, const awqk_refine_args *, void *stream);
  int32_t (*pack_read)(awqk_device *, const awqk_gemm_weight *, awqk_read_fn, void *source, int32_t mode, awqk_weight **out); /* the same, qweight read on the way */
  uint32_t packed_format;                                                       /* packed bytes of one format mean the same; 0: adopt is not offered */
  int32_t (*packed)(awqk_device *, const awqk_weight *, awqk_packed *out);      /* a view of the bytes, without the bias */
  int32_t (*adopt)(awqk_device *, const awqk_packed *, awqk_weight **out);      /* a weight over a private or read-only mapping of `bytes` from `data` on,
                                                                                   which unpack unmaps; after a failure it is the caller's still */
} awqk_ops;

/* A plug-in's only exported symbol: the table for `abi`, NULL if it can't serve it. A library with several tables (one an
 * instruction set) numbers them from 0, best first, and returns NULL past the end. */
typedef const awqk_ops *(*awqk_entry_fn)(uint32_t abi, int32_t index);
const awqk_ops *awqk_entry(uint32_t abi, int32_t index);

#ifdef __cplusplus
}
#endif
#endif
