/* quantize SRC DST: quantises a Hugging Face model folder, with progress on stderr; Ctrl-C stops it and leaves nothing behind.
 *
 *   cc quantize.c $(pkg-config --cflags --libs awq) -o quantize */
#include <signal.h>
#include <stdio.h>

#include "awq/awq.h"

static volatile sig_atomic_t stop;

static void on_interrupt(int number) {
  (void)number;
  stop = 1;
}

static int32_t report(void *user, const awq_progress *p) {
  (void)user;
  fprintf(stderr, "\r%3.0f %% %-10s %-32s", 100 * p->fraction, p->stage, p->item);
  return stop; /* non-zero cancels */
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s SRC DST\n", argv[0]);
    return 2;
  }
  signal(SIGINT, on_interrupt);

  awq_context *ctx;
  char *json = NULL;
  awq_quant_config config = {.struct_size = sizeof config, .group_size = 32, .progress = report}; /* the rest: defaults */
  awq_status status = awq_context_create(NULL, &ctx);
  if (status == AWQ_OK) status = awq_quantize(ctx, argv[1], argv[2], &config, &json);
  if (status == AWQ_OK) printf("\n%s\n", json);
  else fprintf(stderr, "\n%s: %s\n", awq_status_name(status), awq_last_error_message());
  awq_string_destroy(json);
  awq_context_destroy(ctx);
  return status == AWQ_OK ? 0 : status == AWQ_ERR_CANCELLED ? 130 : 1;
}
