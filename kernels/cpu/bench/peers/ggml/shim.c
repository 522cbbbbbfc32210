/* A quantised linear of ggml over its public API, many copies of it in one graph: what peer_ggml.py measures. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ggml.h"
#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"

#define EXPORT __attribute__((visibility("default")))

typedef struct peer {
  int64_t n, k, m;
  int copies;
  enum ggml_type type;
  void *quantised; /* n rows of `type`, as quantised; the copies may lie in another order */
  ggml_backend_t backend;
  ggml_threadpool_t pool;
  struct ggml_context *weights, *graphs;
  ggml_backend_buffer_t storage, xs, ys;
  struct ggml_tensor **w;
  struct ggml_cgraph **graph;
  int graph_count;
} peer;

static void drop_graphs(peer *p) {
  if (p->graphs) ggml_free(p->graphs);
  if (p->xs) ggml_backend_buffer_free(p->xs);
  if (p->ys) ggml_backend_buffer_free(p->ys);
  free(p->graph);
  p->graphs = NULL, p->xs = p->ys = NULL, p->graph = NULL, p->graph_count = 0;
}

EXPORT void peer_ggml_close(peer *p) {
  if (!p) return;
  drop_graphs(p);
  if (p->storage) ggml_backend_buffer_free(p->storage);
  if (p->weights) ggml_free(p->weights);
  if (p->backend) ggml_backend_free(p->backend);
  if (p->pool) ggml_threadpool_free(p->pool);
  free(p->w);
  free(p->quantised);
  free(p);
}

/* Warnings and worse only. */
static void say(enum ggml_log_level level, const char *text, void *user) {
  (void)user;
  if (level == GGML_LOG_LEVEL_WARN || level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

static struct ggml_context *new_context(size_t tensors, size_t graphs, size_t nodes) {
  const struct ggml_init_params params = {
      .mem_size = (tensors + 8) * ggml_tensor_overhead() + graphs * ggml_graph_overhead_custom(nodes, false), .mem_buffer = NULL, .no_alloc = true};
  return ggml_init(params);
}

/* The first of the CPU's special buffer types (AMX, repacked) that takes this weight, in ggml's order; else plain memory. */
static ggml_backend_buffer_type_t choose_storage(ggml_backend_t backend, enum ggml_type type, int64_t n, int64_t k) {
  ggml_backend_dev_t device = ggml_backend_get_device(backend);
  const ggml_backend_dev_get_extra_bufts_t extra =
      (ggml_backend_dev_get_extra_bufts_t)ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_dev_get_extra_bufts");
  ggml_backend_buffer_type_t chosen = NULL;
  for (ggml_backend_buffer_type_t *b = extra ? extra(device) : NULL; b && *b && !chosen; b++) {
    struct ggml_context *ctx = new_context(3, 0, 0);
    struct ggml_tensor *w = ggml_new_tensor_2d(ctx, type, k, n), *y = ggml_mul_mat(ctx, w, ggml_new_tensor_2d(ctx, GGML_TYPE_F32, k, 512));
    w->buffer = ggml_backend_buft_alloc_buffer(*b, 0);
    if (w->buffer && ggml_backend_dev_supports_op(device, y)) chosen = *b;
    if (w->buffer) ggml_backend_buffer_free(w->buffer);
    ggml_free(ctx);
  }
  return chosen ? chosen : ggml_backend_get_default_buffer_type(backend);
}

/* w: [n, k] floats, quantised by ggml's own rounding. special: 0 keeps the copies in plain memory. NULL: no such type or no memory. */
EXPORT peer *peer_ggml_open(const char *type, int special, int64_t n, int64_t k, const float *w, int copies, int threads) {
  peer *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  ggml_log_set(say, NULL);
  p->n = n, p->k = k, p->copies = copies, p->type = GGML_TYPE_COUNT;
  for (int t = 0; t < GGML_TYPE_COUNT; t++) {
    const char *name = ggml_type_name((enum ggml_type)t);
    if (name && !strcmp(name, type)) p->type = (enum ggml_type)t;
  }
  if (p->type == GGML_TYPE_COUNT || k % ggml_blck_size(p->type)) goto fail;
  p->quantised = malloc((size_t)n * ggml_row_size(p->type, k));
  p->w = calloc((size_t)copies, sizeof(struct ggml_tensor *));
  p->backend = ggml_backend_cpu_init();
  if (!p->quantised || !p->w || !p->backend) goto fail;
  ggml_quantize_chunk(p->type, w, p->quantised, 0, n, k, NULL);

  struct ggml_threadpool_params params = ggml_threadpool_params_default(threads);
  params.paused = true;
  p->pool = ggml_threadpool_new(&params);
  if (!p->pool) goto fail;
  ggml_backend_cpu_set_n_threads(p->backend, threads);
  ggml_backend_cpu_set_threadpool(p->backend, p->pool);

  p->weights = new_context((size_t)copies, 0, 0);
  if (!p->weights) goto fail;
  for (int i = 0; i < copies; i++) p->w[i] = ggml_new_tensor_2d(p->weights, p->type, k, n);
  ggml_backend_buffer_type_t where = special ? choose_storage(p->backend, p->type, n, k) : ggml_backend_get_default_buffer_type(p->backend);
  p->storage = ggml_backend_alloc_ctx_tensors_from_buft(p->weights, where);
  if (!p->storage) goto fail;
  ggml_backend_buffer_set_usage(p->storage, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
  for (int i = 0; i < copies; i++) ggml_backend_tensor_set(p->w[i], p->quantised, 0, ggml_nbytes(p->w[i]));
  return p;

fail:
  peer_ggml_close(p);
  return NULL;
}

/* What the copies compute with, as [n, k] floats. */
EXPORT void peer_ggml_dequantised(const peer *p, float *out) {
  const size_t row = ggml_row_size(p->type, p->k);
  for (int64_t i = 0; i < p->n; i++) ggml_get_type_traits(p->type)->to_float((const char *)p->quantised + (size_t)i * row, out + i * p->k, p->k);
}

EXPORT const char *peer_ggml_version(void) { return ggml_version(); }
EXPORT const char *peer_ggml_storage(const peer *p) { return ggml_backend_buffer_name(p->storage); }
EXPORT int64_t peer_ggml_bytes(const peer *p) { return (int64_t)ggml_nbytes(p->w[0]); }

/* Graphs of `per` linears each over m rows: copy i reads x + (i % slots) * x_stride and writes y the same way (strides in bytes,
 * multiples of 64; x and y aligned to 64). Returns the number of graphs, 0 if there is no memory. */
EXPORT int peer_ggml_rows(peer *p, int64_t m, int per, int slots, char *x, size_t x_stride, char *y, size_t y_stride) {
  drop_graphs(p);
  const int count = p->copies / per;
  p->graph = calloc((size_t)count, sizeof(struct ggml_cgraph *));
  p->graphs = new_context(2 * (size_t)p->copies, (size_t)count, 4 * (size_t)per);
  p->xs = ggml_backend_cpu_buffer_from_ptr(x, (size_t)slots * x_stride);
  p->ys = ggml_backend_cpu_buffer_from_ptr(y, (size_t)slots * y_stride);
  if (!p->graph || !p->graphs || !p->xs || !p->ys) return drop_graphs(p), 0;
  for (int g = 0; g < count; g++) {
    p->graph[g] = ggml_new_graph_custom(p->graphs, 4 * (size_t)per, false);
    for (int i = g * per; i < (g + 1) * per; i++) {
      struct ggml_tensor *in = ggml_new_tensor_2d(p->graphs, GGML_TYPE_F32, p->k, m), *out = ggml_mul_mat(p->graphs, p->w[i], in);
      ggml_backend_tensor_alloc(p->xs, in, x + (size_t)(i % slots) * x_stride);
      ggml_backend_tensor_alloc(p->ys, out, y + (size_t)(i % slots) * y_stride);
      ggml_build_forward_expand(p->graph[g], out);
    }
  }
  p->m = m, p->graph_count = count;
  return count;
}

/* Between slices the workers sleep, so that they do not spin into someone else's time. */
EXPORT void peer_ggml_wake(peer *p, int awake) { (awake ? ggml_threadpool_resume : ggml_threadpool_pause)(p->pool); }

EXPORT int peer_ggml_run(peer *p, int graph) { return ggml_backend_graph_compute(p->backend, p->graph[graph]) == GGML_STATUS_SUCCESS ? 0 : 1; }
