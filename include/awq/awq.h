/* libawq: 4-bit Activation-aware Weight Quantization (AWQ, Lin et al., arXiv:2306.00978) and quantised linear layers.
 *
 * This header is the manual of the C ABI. It is stable for a major version: structs grow only at their end, enumerators and
 * functions are only added. All text is UTF-8.
 *
 * Rules that hold for every function
 *   Status       Functions return an awq_status. AWQ_OK is 0; on any other value awq_last_error_message() holds one line with
 *                names and numbers. Out-parameters come last, are written only on success, and pointers are set NULL on failure.
 *   Structs      The first member of a sized struct is struct_size = sizeof(the struct); every other member may be 0, which
 *                means "default": `awq_quant_config c = {.struct_size = sizeof c};`. A struct longer than the library knows is
 *                accepted when the surplus is zero (else AWQ_ERR_UNSUPPORTED); a shorter one is read as far as it goes; one
 *                shorter than its struct_size member is AWQ_ERR_INVALID_ARGUMENT. A NULL config means all defaults. In a
 *                struct that the library fills, what lies beyond its knowledge is set to zero.
 *   const        A `const awq_x *` may be used from several threads at once; an `awq_x *` needs exclusion by the caller.
 *   Callbacks    Run on the thread that made the call, never after it has returned, never under a lock. They must not
 *                longjmp or throw through the library, nor call back into the same context.
 *   fork()       Forward, info and destroy of CPU linears work in a child made by fork(). All other functions answer
 *                AWQ_ERR_FORKED there: the Go runtime does not survive fork. Use exec, spawn or load the library in the child.
 *   Loading      The library cannot be unloaded (dlclose has no effect). It prints nothing and starts no thread of its own at
 *                load; the Go runtime in it starts its own few threads and handlers for SIGSEGV, SIGBUS, SIGFPE, SIGPIPE, SIGURG.
 *   Slow calls   Functions marked "slow" enter Go and may wait milliseconds: not for latency-critical threads.
 */
#ifndef AWQ_AWQ_H
#define AWQ_AWQ_H

#include <stddef.h>
#include <stdint.h>

#include "../dlpack/dlpack.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef AWQ_API
#if defined(__GNUC__)
#define AWQ_API __attribute__((visibility("default")))
#else
#define AWQ_API
#endif
#endif

/** Version of this header. awq_version() tells that of the loaded library. */
#define AWQ_VERSION_MAJOR 0
#define AWQ_VERSION_MINOR 1
#define AWQ_VERSION_PATCH 0

/** Library state: devices, threads, messages. Create one, share it. Opaque. */
typedef struct awq_context awq_context;
/** A quantised linear layer, packed for its device. Opaque; independent of the context once made. */
typedef struct awq_linear awq_linear;
/** An opened model folder, float or quantised. Opaque. */
typedef struct awq_checkpoint awq_checkpoint;

typedef int32_t awq_status;
enum {
  AWQ_OK = 0,
  AWQ_ERR_INVALID_ARGUMENT = 1, /* NULL, wrong shape, dtype, stride, value out of range */
  AWQ_ERR_UNSUPPORTED = 2,      /* valid, but not offered: model family, layout, dtype, newer struct */
  AWQ_ERR_NOT_FOUND = 3,        /* file, folder, tensor or module */
  AWQ_ERR_CORRUPT = 4,          /* a file contradicts its format or itself; NaN or Inf in weights */
  AWQ_ERR_IO = 5,               /* the operating system refused a read or a write (disk full, permission) */
  AWQ_ERR_OUT_OF_MEMORY = 6,
  AWQ_ERR_DEVICE = 7,           /* driver or device failure, or no such device */
  AWQ_ERR_CANCELLED = 8,        /* a progress callback returned non-zero */
  AWQ_ERR_INTERNAL = 9,         /* a bug in the library; the context refuses further work */
  AWQ_ERR_FORKED = 10           /* called in a fork() child */
};

/** How weights lie in a file or in the caller's arrays. */
typedef int32_t awq_layout;
enum {
  AWQ_LAYOUT_DEFAULT = 0,
  AWQ_LAYOUT_GEMM = 1 /* AutoAWQ version "gemm": qweight int32 [K, N/8], qzeros int32 [K/G, N/8], scales float16 [K/G, N];
                         nibble i of a word holds column 8c + {0,2,4,6,1,3,5,7}[i]; w = (q - z) * s */
};

typedef int32_t awq_zero_point;
enum {
  AWQ_ZERO_POINT_DEFAULT = 0,
  AWQ_ZERO_POINT_ASYMMETRIC = 1, /* codes 0..15 with a zero point a group; the default */
  AWQ_ZERO_POINT_SYMMETRIC = 2   /* zero point 8 everywhere, written to qzeros all the same */
};

typedef int32_t awq_method;
enum {
  AWQ_METHOD_DEFAULT = 0,
  AWQ_METHOD_AWQ = 1, /* scale search, fold, clip search, quantise */
  AWQ_METHOD_RTN = 2  /* round to nearest: no calibration */
};

/** What the scale search minimises. */
typedef int32_t awq_objective;
enum {
  AWQ_OBJECTIVE_DEFAULT = 0,
  AWQ_OBJECTIVE_LINEAR = 1, /* the error of each linear's own output, by the second moments of its inputs: cost independent of tokens */
  AWQ_OBJECTIVE_MODULE = 2, /* the published loss: q, k, v behind attention, gate and up behind the gated MLP */
  AWQ_OBJECTIVE_AUTO = 3    /* MODULE among the best three of LINEAR */
};

/** What follows AWQ's scale and clip searches; the files stay the same. */
typedef int32_t awq_refinement;
enum {
  AWQ_REFINEMENT_DEFAULT = 0,
  AWQ_REFINEMENT_OFF = 1,
  AWQ_REFINEMENT_FAST = 2 /* codes by coordinate descent, scales by least squares, under the second moments of the inputs */
};

/** Arithmetic of a linear.
 *  EXACT  weights exact, products and sums as good as float32's: relative L2 error of y against exact arithmetic <= 1e-5 before y is
 *         rounded to its dtype, where y has sixteen values or more; error of each value <= 2^-23 (1.01 max|x| sum|w| + (4 + sqrt(k))
 *         sum|w x|), max|x| of each group, however the terms cancel. Either float32 multiply-adds over x as given (float16 and
 *         bfloat16 widen exactly), or, where that is faster, integers: x is aligned to the largest |x| of its row and group (or 256
 *         of it, if that is less), as float32 addition aligns its terms, |x - x'| <= 2^-23 * 1.01 max|x|; sums in a group are
 *         then exact. Or, of bfloat16 x, the CPU's bfloat16 products with float32 sums, which take what is smaller than 2^-126 (x and
 *         sums, before they are scaled) for zero: k 2^-122 max scale more error at most. Rows of calls with two or more rows
 *         (grouped: whose largest expert has two or more) have the same bits in any such call of one instruction set with the same
 *         dtype of x; a single row may differ from them in the last bits.
 *  INT8   opt-in: x is rounded to int8 per row and group of K, symmetric with step max|x|/127, so |x - x'| <= step/2; products
 *         and sums in a group are exact integers. A row has the same bits in every call, alone or in a batch, on every instruction set.
 *  In both, results depend neither on the number of threads or parts, nor on strides, alignment or siblings in the call. A row of x
 *  with a NaN or an infinity gives NaN or infinity wherever it meets a weight that is not zero. */
typedef int32_t awq_compute;
enum { AWQ_COMPUTE_DEFAULT = 0, AWQ_COMPUTE_EXACT = 1, AWQ_COMPUTE_INT8 = 2 };

/* ---- version and errors: never fail, never enter Go ------------------------------------------------------------------- */

/** major * 10000 + minor * 100 + patch of the loaded library. Since 0.1. */
AWQ_API uint32_t awq_version(void);
/** The same as text, "0.1.0". Static. Since 0.1. */
AWQ_API const char *awq_version_string(void);
/** This thread's last failure, one line; "" if none. Valid until the thread's next awq_ call. Never NULL. Since 0.1. */
AWQ_API const char *awq_last_error_message(void);
/** Name of a status, "AWQ_ERR_CORRUPT". Static, never NULL. Since 0.1. */
AWQ_API const char *awq_status_name(awq_status status);

/* ---- context ------------------------------------------------------------------------------------------------------------ */

typedef int32_t awq_log_level;
enum { AWQ_LOG_INFO = 1, AWQ_LOG_WARNING = 2 };
/** Receives one line without a newline; `text` is borrowed. From several threads at once where awq_linear_load is called so. */
typedef void (*awq_log_fn)(void *user, awq_log_level level, const char *text);

typedef struct awq_context_options {
  size_t struct_size;
  int32_t threads;           /* CPU threads of kernels; 0: AWQ_NUM_THREADS, else affinity mask and cgroup quota */
  int32_t reserved;          /* 0 */
  const char *isa;           /* force a CPU instruction set: a name of awq_device_get without "cpu/", as "avx2"; NULL: AWQ_FORCE_ISA, else best */
  const char *backend_path;  /* folders of device plug-ins, separated by ':'; NULL: AWQ_BACKEND_PATH */
  awq_log_fn log;            /* may be NULL */
  void *log_user;
} awq_context_options;

/** Creates a context. Slow. Errors: UNSUPPORTED (instruction set that this machine lacks), OUT_OF_MEMORY. Since 0.1. */
AWQ_API awq_status awq_context_create(const awq_context_options *options, awq_context **out);
/** Frees it; NULL is allowed. Linears made with it stay valid. Since 0.1. */
AWQ_API void awq_context_destroy(awq_context *ctx);

/* ---- devices ------------------------------------------------------------------------------------------------------------ */

typedef struct awq_device_info {
  size_t struct_size;
  int32_t device_type;     /* DLDeviceType: kDLCPU = 1, ... */
  int32_t index;
  int32_t available;       /* 0: `description` says why not */
  int32_t reserved;
  char name[64];           /* "cpu/avx2" */
  char description[256];   /* one line for people */
} awq_device_info;

/** Number of devices known to the context, present or not. Slow. Since 0.1. */
AWQ_API awq_status awq_device_count(awq_context *ctx, int32_t *count);
/** Describes device `index`, 0 <= index < count. info->struct_size must be set. Errors: NOT_FOUND. Slow. Since 0.1. */
AWQ_API awq_status awq_device_get(awq_context *ctx, int32_t index, awq_device_info *info);

/* ---- progress ----------------------------------------------------------------------------------------------------------- */

typedef struct awq_progress {
  size_t struct_size;
  const char *stage;      /* "calibrate", "search", "write", ...; borrowed for the call */
  const char *item;       /* "model.layers.3" */
  double fraction;        /* 0..1 of the whole job */
  double seconds;         /* since the start */
  double seconds_left;    /* estimate; < 0 while unknown */
} awq_progress;
/** Non-zero cancels: the call cleans up and returns AWQ_ERR_CANCELLED. Called once before the work (stage "start") and then at
 *  least about ten times a second. */
typedef int32_t (*awq_progress_fn)(void *user, const awq_progress *progress);

/* ---- quantize ----------------------------------------------------------------------------------------------------------- */

typedef struct awq_quant_config {
  size_t struct_size;
  int32_t bits;               /* 0 or 4 */
  int32_t group_size;         /* 0 -> 128; -1 -> one group a row; 32, 64, 128, 256 */
  awq_zero_point zero_point;
  awq_method method;
  awq_layout layout;          /* of the files written */
  int32_t no_clip;            /* 1: no clip search */
  int32_t no_duo;             /* 1: scales from activations only, s = x^r */
  int32_t samples;            /* calibration windows at most; 0 -> 128 */
  int32_t seq_len;            /* tokens a calibration window; 0 -> 512 */
  int32_t chat;               /* 1: apply the model's chat template to `messages` */
  int32_t overwrite;          /* 1: replace an existing dst */
  int32_t reserved;           /* 0 */
  uint64_t seed;              /* draws calibration windows when not 0; 0: evenly */
  const char *calib;          /* .txt, .jsonl, .json or .parquet file; NULL: the built-in text */
  const char *text_column;    /* NULL -> "text" */
  const char *const *exclude; /* patterns of module names kept in float, e.g. "lm_head", "*.mlp.gate"; NULL: only lm_head */
  size_t exclude_count;
  awq_progress_fn progress;   /* may be NULL */
  void *user;                 /* handed back to progress */
  awq_objective objective;
  awq_refinement refinement;
} awq_quant_config;

/** Quantises the Hugging Face model folder `src` into the new folder `dst`: safetensors shards, config.json with
 *  quantization_config, tokenizer files, awq_report.json. dst appears complete or not at all. Blocks; slow (minutes to hours).
 *  report (may be NULL) receives a JSON document {"layers","linears","seconds","stage_seconds","peak_rss_bytes","bytes_in","bytes_out","report"};
 *  free it with awq_string_destroy. Errors: NOT_FOUND, CORRUPT, UNSUPPORTED (family, dtype), IO, CANCELLED, OUT_OF_MEMORY. Since 0.1. */
AWQ_API awq_status awq_quantize(awq_context *ctx, const char *src, const char *dst, const awq_quant_config *cfg, char **report);

/** What awq_quantize would do, without reading weights: linears and shapes, which are kept in float and why, sizes, peak memory,
 *  group sizes that divide. JSON; free with awq_string_destroy. Slow. Errors: as awq_quantize. Since 0.1. */
AWQ_API awq_status awq_plan(awq_context *ctx, const char *src, const awq_quant_config *cfg, char **json);

/** Frees text returned by the library; NULL is allowed. Since 0.1. */
AWQ_API void awq_string_destroy(char *text);

/* ---- evaluate ----------------------------------------------------------------------------------------------------------- */

typedef struct awq_eval_config {
  size_t struct_size;
  const char *text;           /* .txt, .jsonl, .json or .parquet; required. input_ids: one window a line as it stands */
  const char *text_column;    /* NULL -> "text" */
  const char *against;        /* folder to compare with: KL divergence and top-1 agreement; may be NULL */
  int32_t context;            /* tokens a window; 0 -> 1024 */
  int32_t chat;               /* 1: apply the chat template to `messages` */
  int64_t tokens;             /* at most that many tokens of the text; 0: all */
  awq_progress_fn progress;
  void *user;
} awq_eval_config;

typedef struct awq_eval_result {
  size_t struct_size;
  double perplexity;          /* exp(nll) */
  double nll;                 /* mean negative log-likelihood of the predicted tokens, nats */
  int64_t tokens;             /* predicted tokens */
  double kl;                  /* mean KL(against || dir), nats; NaN without `against` */
  double top1_agreement;      /* 0..1; NaN without `against` */
  double seconds;
} awq_eval_result;

/** Perplexity of a float or quantised folder on a text, in non-overlapping windows, no special tokens added. Blocks; slow.
 *  result->struct_size must be set. Errors: as awq_quantize. Since 0.1. */
AWQ_API awq_status awq_evaluate(awq_context *ctx, const char *dir, const awq_eval_config *cfg, awq_eval_result *result);

/* ---- checkpoints --------------------------------------------------------------------------------------------------------- */

typedef struct awq_tensor_info {
  size_t struct_size;
  const char *name;           /* owned by the checkpoint */
  const char *dtype;          /* safetensors name, "F16"; owned by the checkpoint */
  const int64_t *shape;       /* owned by the checkpoint */
  int32_t ndim;
  int32_t reserved;
  uint64_t bytes;
} awq_tensor_info;

/** Opens a model folder (single or sharded safetensors; hub cache links work) and checks its headers. Slow.
 *  Errors: NOT_FOUND, CORRUPT, IO. Since 0.1. */
AWQ_API awq_status awq_checkpoint_open(awq_context *ctx, const char *dir, awq_checkpoint **out);
/** What the folder is: architecture, quantisation, layout, sizes, linears. JSON; free with awq_string_destroy. Slow. Since 0.1. */
AWQ_API awq_status awq_checkpoint_inspect(const awq_checkpoint *ckpt, char **json);
/** Number of tensors. Since 0.1. */
AWQ_API awq_status awq_checkpoint_tensor_count(const awq_checkpoint *ckpt, size_t *count);
/** Tensor `index` in order of names. info->struct_size must be set. Errors: NOT_FOUND. Since 0.1. */
AWQ_API awq_status awq_checkpoint_tensor_at(const awq_checkpoint *ckpt, size_t index, awq_tensor_info *info);
/** Copies a whole tensor, row-major little-endian, to dst. bytes must be its size. Slow. Errors: NOT_FOUND, INVALID_ARGUMENT
 *  (size), CORRUPT (file was cut), IO. Since 0.1. */
AWQ_API awq_status awq_checkpoint_read(const awq_checkpoint *ckpt, const char *name, void *dst, size_t bytes);
/** Closes it; NULL is allowed. Since 0.1. */
AWQ_API void awq_checkpoint_destroy(awq_checkpoint *ckpt);

/* ---- linears -------------------------------------------------------------------------------------------------------------- */

typedef struct awq_linear_desc {
  size_t struct_size;
  int64_t n, k;               /* out_features, in_features */
  int32_t group_size;         /* -1: one group a row */
  awq_layout layout;          /* 0 -> GEMM */
  awq_compute compute;
  int32_t reserved;           /* 0 */
  const DLTensor *qweight;    /* CPU arrays in `layout`, compact, borrowed for the call */
  const DLTensor *qzeros;     /* NULL: symmetric, zero point 8 */
  const DLTensor *scales;
  const DLTensor *bias;       /* [n] float32, float16 or bfloat16; may be NULL */
  const DLTensor *g_idx;      /* int32 [k]: the group of each input ("act-order"), every group group_size times; NULL: k / group_size */
} awq_linear_desc;

typedef struct awq_linear_options {
  size_t struct_size;
  awq_compute compute;
  int32_t reserved;           /* 0 */
  const char *cache;          /* folder of packed forms that processes of one user share, made if missing; NULL: none. See awq_linear_load */
} awq_linear_options;

typedef struct awq_linear_properties {
  size_t struct_size;
  int64_t n, k;
  int32_t group_size;         /* as effective: k when one group a row */
  awq_compute compute;
  int32_t has_bias;
  int32_t device_type;        /* DLDeviceType */
  int32_t device_index;
  int32_t reserved;
  uint64_t bytes;             /* of the quantised weight: codes, scales, zeros */
  char kernel[32];            /* "cpu/avx2" */
  int32_t shared;             /* 1: the weight is a read-only mapping of a file in the cache */
  int32_t reserved_2;
} awq_linear_properties;

/** Makes a linear from the caller's arrays, which are copied and repacked. Slow (milliseconds).
 *  Errors: INVALID_ARGUMENT (shape, dtype, stride, device), UNSUPPORTED, OUT_OF_MEMORY. Since 0.1. */
AWQ_API awq_status awq_linear_create(const awq_context *ctx, const awq_linear_desc *desc, awq_linear **out);
/** Makes a linear from module `name` ("model.layers.0.mlp.down_proj") of the quantised folder `dir`. Reads and packs with the context's
 *  threads, and may be called from several threads at once; beside the result it needs about a megabyte a thread. The context keeps
 *  the last four folders open, with the descriptors of their files; each call compares size, times and inode of config.json, index
 *  and shards, and opens the folder anew if one differs. A change that keeps the size, within one tick (milliseconds) of the file
 *  system's clock after the last, goes unnoticed. Slow (milliseconds).
 *  With options->cache the packed form is kept in a file of that folder, one a linear and mode, which later loads of any process
 *  map read-only instead of packing: their pages are in memory once. A file is used only if it belongs to this user, others can't
 *  write to it, its digest (SHA-256) is right, and it was made by the same packing from the same files: from the same place in shards
 *  of the same size, times, inode and SHA-256 of the header (the weights themselves are not hashed). Otherwise the linear is
 *  packed as without a cache, and the file is replaced by renaming. What is wrong with a cache is never an error but, unless the
 *  file is missing or of another source, a warning in the log; that a cache can't be read or written is logged once a context. Don't cut
 *  or overwrite such files in place while they are mapped: a kernel that then reads them ends the process (SIGBUS); removing is fine.
 *  Errors: NOT_FOUND, CORRUPT, UNSUPPORTED (layout; module not quantised), IO, OUT_OF_MEMORY. Since 0.1. */
AWQ_API awq_status awq_linear_load(const awq_context *ctx, const char *dir, const char *name, const awq_linear_options *options, awq_linear **out);

/** y = x . W^T (+ bias). x: [..., k] float32, float16 or bfloat16; y: [..., n] of any of these, same leading dimensions.
 *  Leading dimensions are rows: with two dimensions rows may be strided, columns are contiguous; with more they must be compact.
 *  A row stride is at least the number of columns; any alignment works. y must not overlap x. Zero rows succeed and touch nothing.
 *  CPU: `stream` is NULL; computes before it returns. Never enters Go, allocates nothing after the first calls; safe to call at the
 *  same time on one `lin`. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. Since 0.1. */
AWQ_API awq_status awq_linear_forward(const awq_linear *lin, const DLTensor *x, DLTensor *y, void *stream);
/** Share `part` of `parts` of awq_linear_forward's output columns, computed on the calling thread alone: for hosts that own their
 *  threads, each of which calls with its own part. The parts together have the bits of the whole; none waits for another.
 *  0 <= part < parts. Errors: as awq_linear_forward. Since 0.1. */
AWQ_API awq_status awq_linear_forward_part(const awq_linear *lin, const DLTensor *x, DLTensor *y, int32_t part, int32_t parts);
/** ys[i] = x . W_i^T (+ bias_i) for 1 <= count <= 64 linears of one x (q, k, v; gate, up): x is prepared once, the threads are woken
 *  once, the bits are those of single calls. The linears come from one context, with the same k, group size, compute and g_idx; the
 *  ys have one dtype and don't overlap. Errors: as awq_linear_forward. Since 0.1. */
AWQ_API awq_status awq_linear_forward_many(const awq_linear *const *lins, size_t count, const DLTensor *x, DLTensor *const *ys, void *stream);
/** y = silu(x . gate^T) * (x . up^T), biases included: the gated half of an MLP in one call, without its intermediates.
 *  silu(a) = a / (1 + e^-a) in float32. Linears as in awq_linear_forward_many, of the same n. Since 0.1. */
AWQ_API awq_status awq_linear_forward_glu(const awq_linear *gate, const awq_linear *up, const DLTensor *x, DLTensor *y, void *stream);
/** Mixture of experts: rows of x [..., k] dealt to 1 <= count <= 1024 expert linears in one call. rows: int32 [R], the row of x of each
 *  routed row, sorted by expert; NULL: x's own rows in order, R of them. offsets: int32 [count + 1], from 0 to R: expert e has routed
 *  rows offsets[e] .. offsets[e+1]-1, perhaps none. y: [R, n], in the order of `rows`, overlaps neither x nor rows. gates: NULL, or one linear an expert: y =
 *  silu(x . gate_e^T) * (x . W_e^T). Threads share out all experts together, however unequal they are. Linears as in
 *  awq_linear_forward_many, of the same n. Errors: as awq_linear_forward. Since 0.1. */
AWQ_API awq_status awq_linear_forward_grouped(const awq_linear *const *experts, const awq_linear *const *gates, size_t count, const DLTensor *x,
                                              const DLTensor *rows, const DLTensor *offsets, DLTensor *y, void *stream);
/** Its shape, arithmetic and kernel. properties->struct_size must be set. Since 0.1. */
AWQ_API awq_status awq_linear_info(const awq_linear *lin, awq_linear_properties *properties);
/** Frees it; NULL is allowed. Must not run at the same time as a call that uses it. Since 0.1. */
AWQ_API void awq_linear_destroy(awq_linear *lin);

/* ---- command --------------------------------------------------------------------------------------------------------------- */

/** Asked now and then during a command; non-zero cancels it (exit code 130). */
typedef int32_t (*awq_cancel_fn)(void *user);
/** Runs the command-line program `awq` with argv[1..argc-1]; argv[0] is its name. Reads standard input, prints to standard output
 *  and error. Returns the exit code: 0 done, 1 failure, 2 wrong use, 130 cancelled. Blocks; slow. Since 0.1. */
AWQ_API int32_t awq_command_run(int32_t argc, const char *const *argv, awq_cancel_fn cancel, void *user);

#ifdef __cplusplus
}
#endif
#endif /* AWQ_AWQ_H */
