/* Sized structs: ours and the caller's may be of different versions. */
#include <string.h>

#include "core.h"

static awq_status check_size(size_t given, size_t size, const char *name) {
  if (given >= sizeof given && given <= (1u << 20)) return AWQ_OK;
  return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s.struct_size is %zu; set it to sizeof(%s), which is %zu here", name, given, name, size);
}

awq_status awqc_read_struct(void *ours, size_t size, const void *theirs, const char *name) {
  memset(ours, 0, size);
  *(size_t *)ours = size;
  if (!theirs) return AWQ_OK;
  size_t given;
  memcpy(&given, theirs, sizeof given);
  awq_status st = check_size(given, size, name);
  if (st) return st;
  const unsigned char *bytes = theirs;
  for (size_t i = size; i < given; i++)
    if (bytes[i]) return awqc_fail(AWQ_ERR_UNSUPPORTED, "%s of %zu bytes sets byte %zu; this library knows %zu bytes", name, given, i, size);
  memcpy(ours, theirs, given < size ? given : size);
  *(size_t *)ours = size;
  return AWQ_OK;
}

awq_status awqc_check_struct(const void *theirs, size_t size, const char *name) {
  size_t given;
  memcpy(&given, theirs, sizeof given);
  return check_size(given, size, name);
}

awq_status awqc_write_struct(void *theirs, const void *ours, size_t size, const char *name) {
  size_t given;
  memcpy(&given, theirs, sizeof given);
  awq_status st = check_size(given, size, name);
  if (st) return st;
  size_t n = given < size ? given : size;
  memcpy((char *)theirs + sizeof given, (const char *)ours + sizeof given, n - sizeof given);
  if (given > size) memset((char *)theirs + size, 0, given - size);
  return AWQ_OK;
}

awq_status awqc_check_context(const awq_context *ctx, const char *call) {
  if (!ctx) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: ctx is NULL", call);
  if (ctx->magic != AWQC_CONTEXT) return awqc_fail(AWQ_ERR_INVALID_ARGUMENT, "%s: ctx is not a live awq_context", call);
  return awqc_check_fork();
}
