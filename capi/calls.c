/* The slow functions: check what can be checked in C, then enter Go. */
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "_cgo_export.h"

#define NEED(p, call)                                                                 \
  do {                                                                                \
    if (!(p)) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: " #p " is NULL", call); \
  } while (0)
#define CHECK(expr)          \
  do {                       \
    awq_status st_ = (expr); \
    if (st_) return st_;     \
  } while (0)

awq_status awq_context_create(const awq_context_options *options, awq_context **out) {
  static const char call[] = "awq_context_create";
  NEED(out, call);
  *out = NULL;
  CHECK(awqc_check_fork());
  awq_context_options o;
  CHECK(awqc_read_struct(&o, sizeof o, options, "awq_context_options"));
  awqc_clear();
  if (o.threads < 0 || o.threads > 4096) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: threads is %d", call, o.threads);
  /* The Go runtime sees the environment that the process was started with; getenv sees the present one. */
  if (!o.isa) o.isa = getenv("AWQ_FORCE_ISA");
  if (!o.backend_path) o.backend_path = getenv("AWQ_BACKEND_PATH");
  awq_context *ctx = calloc(1, sizeof *ctx);
  if (!ctx) return awqc_fail(AWQ_ERR_OUT_OF_MEMORY, "%s: no memory for a context", call);
  awq_status st = awqgo_context_create(&o, ctx);
  if (st) {
    free(ctx);
    return st;
  }
  ctx->magic = AWQC_CONTEXT;
  *out = ctx;
  return AWQ_OK;
}

void awq_context_destroy(awq_context *ctx) {
  if (!ctx || ctx->magic != AWQC_CONTEXT) return;
  ctx->magic = AWQC_DEAD;
  if (!awqc_forked()) awqgo_context_destroy(ctx->handle);
  awqc_device_release(ctx->device);
  free(ctx);
}

awq_status awq_device_count(awq_context *ctx, int32_t *count) {
  static const char call[] = "awq_device_count";
  CHECK(awqc_check_context(ctx, call));
  NEED(count, call);
  awqc_clear();
  return awqgo_device_count(ctx->handle, count);
}

awq_status awq_device_get(awq_context *ctx, int32_t index, awq_device_info *info) {
  static const char call[] = "awq_device_get";
  CHECK(awqc_check_context(ctx, call));
  NEED(info, call);
  awqc_clear();
  awq_device_info d;
  CHECK(awqc_read_struct(&d, sizeof d, NULL, "awq_device_info"));
  CHECK(awqgo_device_get(ctx->handle, index, &d));
  return awqc_write_struct(info, &d, sizeof d, "awq_device_info");
}

awq_status awq_quantize(awq_context *ctx, const char *src, const char *dst, const awq_quant_config *cfg, char **report) {
  static const char call[] = "awq_quantize";
  if (report) *report = NULL;
  CHECK(awqc_check_context(ctx, call));
  NEED(src, call);
  NEED(dst, call);
  awq_quant_config c;
  CHECK(awqc_read_struct(&c, sizeof c, cfg, "awq_quant_config"));
  if (c.exclude_count) NEED(c.exclude, call);
  awqc_clear();
  return awqgo_quantize(ctx->handle, (char *)src, (char *)dst, &c, report);
}

awq_status awq_plan(awq_context *ctx, const char *src, const awq_quant_config *cfg, char **json) {
  static const char call[] = "awq_plan";
  if (json) *json = NULL;
  CHECK(awqc_check_context(ctx, call));
  NEED(src, call);
  NEED(json, call);
  awq_quant_config c;
  CHECK(awqc_read_struct(&c, sizeof c, cfg, "awq_quant_config"));
  if (c.exclude_count) NEED(c.exclude, call);
  awqc_clear();
  return awqgo_plan(ctx->handle, (char *)src, &c, json);
}

void awq_string_destroy(char *text) { free(text); }

awq_status awq_evaluate(awq_context *ctx, const char *dir, const awq_eval_config *cfg, awq_eval_result *result) {
  static const char call[] = "awq_evaluate";
  CHECK(awqc_check_context(ctx, call));
  NEED(dir, call);
  NEED(cfg, call);
  NEED(result, call);
  CHECK(awqc_check_struct(result, sizeof *result, "awq_eval_result"));
  awq_eval_config c;
  CHECK(awqc_read_struct(&c, sizeof c, cfg, "awq_eval_config"));
  NEED(c.text, call);
  awqc_clear();
  awq_eval_result r = {sizeof r, 0, 0, 0, 0, 0, 0};
  CHECK(awqgo_evaluate(ctx->handle, (char *)dir, &c, &r));
  return awqc_write_struct(result, &r, sizeof r, "awq_eval_result");
}

static awq_status check_checkpoint(const awq_checkpoint *ckpt, const char *call) {
  NEED(ckpt, call);
  if (ckpt->magic != AWQC_CHECKPOINT) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: ckpt is not a live awq_checkpoint", call);
  return awqc_check_fork();
}

awq_status awq_checkpoint_open(awq_context *ctx, const char *dir, awq_checkpoint **out) {
  static const char call[] = "awq_checkpoint_open";
  NEED(out, call);
  *out = NULL;
  CHECK(awqc_check_context(ctx, call));
  NEED(dir, call);
  awqc_clear();
  awq_checkpoint *c = calloc(1, sizeof *c);
  if (!c) return awqc_fail(AWQ_ERR_OUT_OF_MEMORY, "%s: no memory for a checkpoint", call);
  awq_status st = awqgo_checkpoint_open((char *)dir, &c->handle);
  if (st) {
    free(c);
    return st;
  }
  c->magic = AWQC_CHECKPOINT;
  *out = c;
  return AWQ_OK;
}

awq_status awq_checkpoint_inspect(const awq_checkpoint *ckpt, char **json) {
  static const char call[] = "awq_checkpoint_inspect";
  if (json) *json = NULL;
  CHECK(check_checkpoint(ckpt, call));
  NEED(json, call);
  awqc_clear();
  return awqgo_checkpoint_inspect(ckpt->handle, json);
}

awq_status awq_checkpoint_tensor_count(const awq_checkpoint *ckpt, size_t *count) {
  static const char call[] = "awq_checkpoint_tensor_count";
  CHECK(check_checkpoint(ckpt, call));
  NEED(count, call);
  awqc_clear();
  return awqgo_checkpoint_tensor_count(ckpt->handle, count);
}

awq_status awq_checkpoint_tensor_at(const awq_checkpoint *ckpt, size_t index, awq_tensor_info *info) {
  static const char call[] = "awq_checkpoint_tensor_at";
  CHECK(check_checkpoint(ckpt, call));
  NEED(info, call);
  awqc_clear();
  awq_tensor_info t = {sizeof t, NULL, NULL, NULL, 0, 0, 0};
  CHECK(awqgo_checkpoint_tensor_at(ckpt->handle, index, &t));
  return awqc_write_struct(info, &t, sizeof t, "awq_tensor_info");
}

awq_status awq_checkpoint_read(const awq_checkpoint *ckpt, const char *name, void *dst, size_t bytes) {
  static const char call[] = "awq_checkpoint_read";
  CHECK(check_checkpoint(ckpt, call));
  NEED(name, call);
  if (bytes) NEED(dst, call);
  awqc_clear();
  return awqgo_checkpoint_read(ckpt->handle, (char *)name, dst, bytes);
}

void awq_checkpoint_destroy(awq_checkpoint *ckpt) {
  if (!ckpt || ckpt->magic != AWQC_CHECKPOINT) return;
  ckpt->magic = AWQC_DEAD;
  if (!awqc_forked()) awqgo_checkpoint_destroy(ckpt->handle);
  free(ckpt);
}

awq_status awq_linear_create(const awq_context *ctx, const awq_linear_desc *desc, awq_linear **out) {
  static const char call[] = "awq_linear_create";
  NEED(out, call);
  *out = NULL;
  CHECK(awqc_check_context(ctx, call));
  NEED(desc, call);
  awq_linear_desc d;
  CHECK(awqc_read_struct(&d, sizeof d, desc, "awq_linear_desc"));
  NEED(d.qweight, call);
  NEED(d.scales, call);
  awqc_clear();
  return awqgo_linear_create(ctx->handle, ctx->device, &d, out);
}

awq_status awq_linear_load(const awq_context *ctx, const char *dir, const char *name, const awq_linear_options *options, awq_linear **out) {
  static const char call[] = "awq_linear_load";
  NEED(out, call);
  *out = NULL;
  CHECK(awqc_check_context(ctx, call));
  NEED(dir, call);
  NEED(name, call);
  awq_linear_options o;
  CHECK(awqc_read_struct(&o, sizeof o, options, "awq_linear_options"));
  awqc_clear();
  return awqgo_linear_load(ctx->handle, ctx->device, (char *)dir, (char *)name, &o, out);
}

int32_t awq_command_run(int32_t argc, const char *const *argv, awq_cancel_fn cancel, void *user) {
  if (argc < 1 || !argv) return 2;
  if (awqc_check_fork()) return 1;
  return awqgo_command_run(argc, (char **)argv, cancel, user);
}
