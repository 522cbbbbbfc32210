/* A plug-in for tests. Built as it is: one table with one slot of its own. The macros make it wrong in one way each. */
#include "awq_backend.h"

#ifndef ABI
#define ABI AWQK_ABI
#endif
#ifndef SIZE
#define SIZE sizeof(awqk_ops)
#endif
#ifndef SCORE
#define SCORE 5
#endif
#ifndef COUNT
#define COUNT 2
#endif
#ifndef TYPE
#define TYPE AWQK_DEVICE_CPU
#endif

static int32_t score(void) { return SCORE; }
static int32_t count(void) { return COUNT; }

static int32_t describe(int32_t index, char *text, size_t size) {
  const char *name = "fake device 0";
  size_t i = 0;
  if (index == 1) return 7;
  for (; name[i] && i + 1 < size; i++) text[i] = name[i];
  text[i] = 0;
  return 0;
}

static int opened;
static int32_t open_device(int32_t index, int32_t threads, awqk_device **out) {
  if (index == 1) return 6;
  if (threads == 99) return 42;
  *out = (awqk_device *)&opened;
  return 0;
}
static void close_device(awqk_device *device) { (void)device; }

/* Recognisable: the number of values. */
static int32_t sqdiff(awqk_device *device, const awqk_sqdiff_args *g, void *stream) {
  (void)stream;
  if (device != (awqk_device *)&opened) return 1;
  *g->sum = (double)(g->m * g->n);
  return 0;
}

static awqk_ops table;

#ifdef ENTRY
__attribute__((visibility("default"))) const awqk_ops *ENTRY(uint32_t abi, int32_t index);
#else
#define ENTRY awqk_entry
#endif

const awqk_ops *ENTRY(uint32_t abi, int32_t index) {
  if (abi != AWQK_ABI || index != 0) return NULL;
  table.abi = ABI;
  table.struct_size = SIZE;
  table.name = "fake/one";
  table.device_type = TYPE;
  table.score = score;
  table.count = count;
  table.describe = describe;
  table.open = open_device;
  table.close = close_device;
  table.sqdiff = sqdiff;
  return &table;
}
