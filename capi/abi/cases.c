/* Runs every case of cases.json from C; cases.cpp compiles the same text as C++. */
#include "harness.h"

#include "cases.inc"

/* o_proj of the fixture has values for which y = W x needs no rounding, so one bit pattern is right. */
static uint32_t hash(uint32_t a, uint32_t b) {
  uint32_t h = a * 0x9E3779B1u + b * 0x85EBCA77u + 0x165667B1u;
  h ^= h >> 15;
  h *= 0x2C1B3C6Du;
  h ^= h >> 12;
  h *= 0x297A2D39u;
  return h ^ h >> 15;
}

/* After all that bad treatment the objects must still compute. */
static void still_works(struct harness *h) {
  static float x[256], y[256];
  int64_t shape[1] = {256}, stride[1] = {1};
  DLTensor tx, ty;
  for (uint32_t k = 0; k < 256; k++) x[k] = (float)((int)(hash(k, 300000) & 31) - 16) / 16;
  set_tensor(&tx, x, kDLCPU, 1, kDLFloat, 32, 1, shape, stride, 0);
  set_tensor(&ty, y, kDLCPU, 1, kDLFloat, 32, 1, shape, stride, 0);
  check(h, "forward after the cases", awq_linear_forward(h->linear, &tx, &ty, NULL) == AWQ_OK);
  check(h, "exact first outputs", y[0] == 0.45098876953125f && y[1] == 0.478179931640625f && y[7] == -0.503662109375f);
}

int main(int argc, char **argv) {
  static struct harness h;
  open_fixture(&h, argc, argv);
  for (size_t i = 0; i < sizeof all_cases / sizeof *all_cases; i++) all_cases[i](&h);
  still_works(&h);
  close_fixture(&h);
  return summary(&h);
}
