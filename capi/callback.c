/* Calls of the caller's function pointers, which Go can't make itself. */
#include "core.h"

void awqc_log(awq_log_fn fn, void *user, awq_log_level level, const char *text) { fn(user, level, text); }

int32_t awqc_progress(awq_progress_fn fn, void *user, const awq_progress *p) { return fn(user, p); }

int32_t awqc_cancel(awq_cancel_fn fn, void *user) { return fn(user); }
