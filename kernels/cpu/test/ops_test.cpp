/* Every slot of every table that can run here, against plain double code. */
#include <string>

#include "test.h"

static void test_tables() {
  int32_t count = 0, last = 0;
  std::vector<int32_t> scores;
  for (int32_t i = 0; const awqk_ops *ops = awqk_entry(AWQK_ABI, i); i++, count++) {
    CHECK(ops->abi == AWQK_ABI && ops->struct_size == sizeof *ops, "%s", ops->name);
    CHECK(ops->device_type == AWQK_DEVICE_CPU && ops->count() == 1, "%s", ops->name);
    CHECK(ops->open && ops->close && ops->alloc && ops->release && ops->copy && ops->describe && ops->pack && ops->unpack, "%s", ops->name);
    CHECK(ops->linear && ops->gemm && ops->rmsnorm && ops->rope && ops->softmax && ops->glu && ops->abssum && ops->fakequant && ops->quantize &&
              ops->clip && ops->refine && ops->sqdiff && ops->logits,
          "%s", ops->name);
    const int32_t score = ops->score();
    for (int32_t other : scores) CHECK(score == 0 || score != other, "%s: another table has the score %d, too", ops->name, score);
    scores.push_back(score);
    last = score;
    char text[128];
    CHECK(ops->describe(0, text, sizeof text) == 0 && strlen(text) > 8 && !strchr(text, '\n'), "%s", text);
    CHECK(ops->describe(1, text, sizeof text) == 1, "%s", ops->name);
    printf("%s: score %d\n", ops->name, score);
  }
  CHECK(count >= 1 && last == 1, "the scalar table runs everywhere: last score %d", last);
  CHECK(!awqk_entry(AWQK_ABI + 1, 0) && !awqk_entry(AWQK_ABI, -1), "a foreign ABI has no tables");
}

static void test_memory(const awqk_ops *ops) {
  device d(ops, 1);
  void *p = nullptr;
  CHECK(ops->alloc(d.d, 1000, &p) == 0 && (uintptr_t)p % 64 == 0, "%p", p);
  char text[] = "four bits";
  CHECK(ops->copy(d.d, p, text, sizeof text, 0, nullptr) == 0 && !strcmp((char *)p, text), "%s", ops->name);
  ops->release(d.d, p);
  CHECK(ops->alloc(d.d, SIZE_MAX / 2, &p) == 6 && !p, "%s", ops->name);
  awqk_device *none;
  CHECK(ops->open(1, 0, &none) == 1 && !none, "%s", ops->name);
  CHECK(ops->open(0, -1, &none) == 1 && !none, "%s", ops->name);
  setenv("AWQ_NUM_THREADS", "three", 1);
  CHECK(ops->open(0, 0, &none) == 1 && !none, "%s", ops->name);
  setenv("AWQ_NUM_THREADS", "3", 1);
  CHECK(ops->open(0, 0, &none) == 0 && none, "%s", ops->name);
  ops->close(none);
  unsetenv("AWQ_NUM_THREADS");
}

/* Those of some tables whose kernel of a slot is no worse table's as well. None if that leaves scalar alone. */
template <class F> static std::vector<const awqk_ops *> own(const std::vector<const awqk_ops *> &tables, F slot) {
  std::vector<const awqk_ops *> found;
  for (const awqk_ops *ops : tables)
    for (const awqk_ops *worse : runnable())
      if (slot(worse) == slot(ops)) {
        if (worse == ops) found.push_back(ops);
        break;
      }
  if (found.size() == 1 && tables.size() > 1) found.clear();
  return found;
}

/* Arguments name instruction sets: only these are tested then, and scalar, which the others are compared with. */
int main(int count, char **names) {
  test_tables();
  std::vector<const awqk_ops *> tables;
  for (const awqk_ops *ops : runnable()) {
    bool wanted = count < 2 || tables.empty();
    for (int i = 1; i < count; i++) wanted |= std::string("cpu/") + names[i] == ops->name;
    if (wanted) tables.push_back(ops);
  }
  for (const awqk_ops *ops : tables) test_memory(ops);
  test_linear(own(tables, [](const awqk_ops *ops) { return ops->linear; }));
  test_gemm(own(tables, [](const awqk_ops *ops) { return ops->gemm; }));
  test_rows(own(tables, [](const awqk_ops *ops) { return ops->rmsnorm; }));
  test_quant(own(tables, [](const awqk_ops *ops) { return ops->clip; }));
  return test_end("ops");
}
