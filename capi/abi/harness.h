/* What the ABI programs share: counting, memory that is compared after each call, sized structs and tensors for the cases.
 * C11 and C++17. Blocks are allocated at their exact size, so that AddressSanitizer sees a read behind a short struct. */
#ifndef AWQ_ABI_HARNESS_H
#define AWQ_ABI_HARNESS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "awq/awq.h"

#define FILL 0xA5

struct memory {
  unsigned char *bytes, *copy;
  size_t size;
  int constant; /* must never change; else only on success */
};

struct harness {
  const char *dir; /* the fixture: model/, float/, empty/, truncated/, text.jsonl */
  char scratch[4096];
  awq_context *context;
  awq_linear *linear;
  awq_checkpoint *checkpoint;
  char poison[16]; /* out-pointers start here: it must be neither left nor followed */
  const char *name;
  int bad; /* complaints about the case at hand */
  int passed, failed;
  struct memory blocks[64];
  size_t count;
  char *texts[32];
  size_t text_count;
};

static inline void complain(struct harness *h, const char *what, const char *got, const char *want) {
  printf("FAIL %s: %s: %s, expected %s\n", h->name, what, got, want);
  h->bad++;
}

static inline void *need(void *p) {
  if (!p) {
    fprintf(stderr, "out of memory\n");
    exit(3);
  }
  return p;
}

static inline void begin(struct harness *h, const char *name) {
  h->name = name;
  h->bad = 0;
}

static inline void *block(struct harness *h, size_t size, int fill, int constant) {
  struct memory *m = &h->blocks[h->count++];
  if (h->count > sizeof h->blocks / sizeof *h->blocks) abort();
  m->size = size;
  m->constant = constant;
  m->bytes = (unsigned char *)need(malloc(size ? size : 1));
  m->copy = NULL;
  memset(m->bytes, fill, size ? size : 1);
  return m->bytes;
}

/* A struct of `struct_size` + surplus bytes with only its size set. One that lies about being too short to hold its own size
 * is given room for all of its members; the last surplus byte takes `last`. */
static inline void *sized(struct harness *h, size_t real, size_t struct_size, size_t surplus, int last, int constant) {
  size_t told = struct_size + surplus;
  size_t room = told < sizeof(size_t) ? real : told;
  unsigned char *p = (unsigned char *)block(h, room, 0, constant);
  if (surplus) p[room - 1] = (unsigned char)last;
  memcpy(p, &told, sizeof told);
  return p;
}

static inline void set_tensor(DLTensor *t, void *data, int device, int32_t ndim, int code, int bits, int lanes, int64_t *shape, int64_t *strides,
                              uint64_t offset) {
  t->data = data;
  t->device.device_type = (DLDeviceType)device;
  t->device.device_id = 0;
  t->ndim = ndim;
  t->dtype.code = (uint8_t)code;
  t->dtype.bits = (uint8_t)bits;
  t->dtype.lanes = (uint16_t)lanes;
  t->shape = shape;
  t->strides = strides;
  t->byte_offset = offset;
}

/* int32 values start + i / run % groups, at any alignment. */
static inline void set_ints(void *data, size_t offset, int32_t count, int32_t start, int32_t run, int32_t groups) {
  for (int32_t i = 0; i < count; i++) {
    int32_t value = start + i / run % groups;
    memcpy((char *)data + offset + (size_t)i * sizeof value, &value, sizeof value);
  }
}

/* Puts the fixture's paths into the text of a case. */
static inline const char *path(struct harness *h, const char *text) {
  const struct {
    const char *key, *dir, *tail;
  } known[] = {{"{model}", h->dir, "/model"},
               {"{float}", h->dir, "/float"},
               {"{text}", h->dir, "/text.jsonl"},
               {"{dir}", h->dir, ""},
               {"{scratch}", h->scratch, ""}};
  size_t size = strlen(text) + strlen(h->dir) + strlen(h->scratch) + 32;
  char *out = (char *)need(malloc(size));
  snprintf(out, size, "%s", text);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    size_t n = strlen(known[i].key);
    if (!strncmp(text, known[i].key, n)) snprintf(out, size, "%s%s%s", known[i].dir, known[i].tail, text + n);
  }
  if (h->text_count == sizeof h->texts / sizeof *h->texts) abort();
  h->texts[h->text_count++] = out;
  return out;
}

/* Remembers what all blocks hold. */
static inline void seal(struct harness *h) {
  for (size_t i = 0; i < h->count; i++) {
    struct memory *m = &h->blocks[i];
    m->copy = (unsigned char *)need(malloc(m->size ? m->size : 1));
    memcpy(m->copy, m->bytes, m->size);
  }
}

static inline void expect(struct harness *h, awq_status got, awq_status want, const char *const *says, int untouched) {
  const char *message = awq_last_error_message();
  if (got != want) {
    complain(h, "status", awq_status_name(got), awq_status_name(want));
    if (got) printf("     message: %s\n", message);
  }
  if (got == AWQ_OK && untouched)
    for (size_t i = 0; i < h->count; i++) h->blocks[i].constant = 1;
  if (got != AWQ_OK) {
    if (!*message) complain(h, "message", "empty", "one line");
    if (strchr(message, '\n')) complain(h, "message", message, "one line");
  }
  if (got != AWQ_OK && got == want)
    for (; *says; says++)
      if (!strstr(message, *says)) complain(h, "message", message, *says);
}

/* Whether there is something to destroy. */
static inline int out_pointer(struct harness *h, awq_status got, void *out) {
  if (got != AWQ_OK) {
    if (out) complain(h, "out-pointer", out == (void *)h->poison ? "left as it was" : "set", "NULL on failure");
    return 0;
  }
  if (!out || out == (void *)h->poison) {
    complain(h, "out-pointer", "not set", "set on success");
    return 0;
  }
  return 1;
}

static inline void expect_text(struct harness *h, const char *got, const char *want) {
  char version[32];
  if (!got) {
    complain(h, "text", "NULL", "never NULL");
    return;
  }
  if (want && !strcmp(want, "{version}")) {
    uint32_t v = awq_version();
    snprintf(version, sizeof version, "%u.%u.%u", v / 10000, v / 100 % 100, v % 100);
    want = version;
  }
  if (want && strcmp(got, want)) complain(h, "text", got, want);
  if (!want && !*got) complain(h, "text", "empty", "something");
}

static inline void expect_exit(struct harness *h, int32_t got, int32_t want) {
  char a[16], b[16];
  if (got == want) return;
  snprintf(a, sizeof a, "%d", (int)got);
  snprintf(b, sizeof b, "%d", (int)want);
  complain(h, "exit code", a, b);
}

/* Compares the blocks with what they held, counts the case and frees what it used. */
static inline void finish(struct harness *h, int ok) {
  for (size_t i = 0; i < h->count; i++) {
    struct memory *m = &h->blocks[i];
    if ((m->constant || !ok) && memcmp(m->bytes, m->copy, m->size)) complain(h, "memory", "written", "left as it was");
    free(m->bytes);
    free(m->copy);
  }
  if (!access(h->scratch, F_OK)) complain(h, "dst", "exists", "nothing written");
  for (size_t i = 0; i < h->text_count; i++) free(h->texts[i]);
  h->count = h->text_count = 0;
  if (h->bad) h->failed++;
  else h->passed++;
}

static inline void check(struct harness *h, const char *name, int ok) {
  if (!ok) printf("FAIL %s\n", name);
  if (ok) h->passed++;
  else h->failed++;
}

static inline int summary(const struct harness *h) {
  printf("%d passed, %d failed\n", h->passed, h->failed);
  return h->failed != 0;
}

static inline void must(awq_status st, const char *what) {
  if (st == AWQ_OK) return;
  printf("FAIL %s: %s: %s\n0 passed, 1 failed\n", what, awq_status_name(st), awq_last_error_message());
  exit(1);
}

/* Opens what the cases use. argv: the fixture's folder, a folder for results. */
static inline void open_fixture(struct harness *h, int argc, char **argv) {
  char model[4096];
  if (argc < 3) {
    fprintf(stderr, "usage: %s FIXTURE SCRATCH\n", argv[0]);
    exit(2);
  }
  memset(h, 0, sizeof *h);
  h->dir = argv[1];
  snprintf(h->scratch, sizeof h->scratch, "%s/out-%ld", argv[2], (long)getpid());
  snprintf(model, sizeof model, "%s/model", h->dir);
  must(awq_context_create(NULL, &h->context), "awq_context_create");
  must(awq_checkpoint_open(h->context, model, &h->checkpoint), "awq_checkpoint_open");
  must(awq_linear_load(h->context, model, "model.layers.0.self_attn.o_proj", NULL, &h->linear), "awq_linear_load");
}

static inline void close_fixture(struct harness *h) {
  awq_linear_destroy(h->linear);
  awq_checkpoint_destroy(h->checkpoint);
  awq_context_destroy(h->context);
}

#endif
