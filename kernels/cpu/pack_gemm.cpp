/* AutoAWQ's layout "gemm" -> lane blocks (cpu.h), straight from a checkpoint's bytes.
 *
 * A word of the file holds eight outputs of one k, a word of a lane block eight k of one output: eight rows of words are an 8 x 8
 * matrix of nibbles to transpose, sixteen word columns at a time. Plain vectors of the compiler do that faster than memory gives it. */
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "device.h"
#include "lane_block.h"

namespace {

constexpr int kColumns = 16; /* word columns side by side: eight panels */
constexpr int kAhead = 48; /* rows of prefetch */
constexpr int64_t kBite = 256 << 10; /* bytes of words that are read at a time */

typedef uint32_t words __attribute__((vector_size(16), aligned(4))); /* eight of them stay in registers */

struct job {
  const awqk_gemm_weight *g;
  awqk_weight *w;
  /* only where words are read on the way: */
  awqk_device *device;
  awqk_read_fn read;
  void *source;
  int64_t step, steps; /* lines a chunk; chunks a segment */
  int32_t status;
};

/* Swaps the nibbles under `mask` of a (shifted down) with those of b. */
inline void swap(words &a, words &b, int shift, uint32_t mask) {
  const words t = ((a >> shift) ^ b) & mask;
  b ^= t;
  a ^= t << shift;
}

/* Nibble i of row e becomes nibble e of row i. */
inline void transpose(words (&r)[8]) {
  for (int i = 0; i < 4; i++) swap(r[i], r[i + 4], 16, 0x0000ffffu);
  for (int i = 0; i < 8; i += i % 4 == 1 ? 3 : 1) swap(r[i], r[i + 2], 8, 0x00ff00ffu);
  for (int i = 0; i < 8; i += 2) swap(r[i], r[i + 1], 4, 0x0f0f0f0fu);
}

/* Makes what `put` stored visible to the other threads. */
inline void fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

/* Past the caches: nobody reads a packed weight soon, and a line that is written whole need not be read first. */
inline void put(uint8_t *to, words v) {
#if defined(__SSE2__)
  _mm_stream_si128((__m128i *)to, (__m128i)v);
#else
  memcpy(to, &v, sizeof v);
#endif
}

constexpr int kNibble[8] = {0, 4, 1, 5, 2, 6, 3, 7}; /* which nibble of a word holds output 0..7 */

#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (words){i, j, k, l})
#endif

/* The words of four outputs in four columns -> of four columns, each with its four outputs. */
inline void turn(words (&r)[4]) {
  const words a = SHUFFLE(r[0], r[1], 0, 4, 1, 5), b = SHUFFLE(r[0], r[1], 2, 6, 3, 7);
  const words c = SHUFFLE(r[2], r[3], 0, 4, 1, 5), d = SHUFFLE(r[2], r[3], 2, 6, 3, 7);
  r[0] = SHUFFLE(a, c, 0, 1, 4, 5), r[1] = SHUFFLE(a, c, 2, 3, 6, 7);
  r[2] = SHUFFLE(b, d, 0, 1, 4, 5), r[3] = SHUFFLE(b, d, 2, 3, 6, 7);
}

/* Eight rows of four words, `row` bytes apart -> a line of two panels each, kWhole: all of it is there. Otherwise `rows` and `columns`
 * say how much, and the rest is zeros. */
template <bool kWhole, bool kFar>
inline void pack_square(const uint8_t *from, int64_t row, int64_t rows, int64_t columns, uint8_t *line, int64_t panel_bytes) {
  words r[8], out[8];
  for (int e = 0; e < 8; e++) {
    const uint8_t *p = from + e * row;
    if (kFar) __builtin_prefetch(p + kAhead * row); /* rows lie pages apart: nobody else foresees them */
    r[e] = words{};
    if (kWhole) memcpy(&r[e], p, sizeof(words));
    else if (e < rows) memcpy(&r[e], p, (size_t)columns * 4);
  }
  transpose(r);
  for (int half = 0; half < 2; half++) {
    words four[4];
    for (int o = 0; o < 4; o++) four[o] = r[kNibble[4 * half + o]];
    turn(four);
    for (int at = 0; at < 4; at++) out[2 * at + half] = four[at];
  }
  for (int i = 0; i < (kWhole || columns > 2 ? 8 : 4); i++) put(line + i / 4 * panel_bytes + i % 4 * 16, out[i]);
}

/* Lines [from, to) of segment s in the eight panels, or those that are left, from word column `column` on. `rows` is the first of
 * these lines' rows of words. */
template <bool kFar>
inline void pack_lines(const job *j, int64_t column, int64_t s, int64_t from, int64_t to, const uint8_t *rows) {
  const awqk_weight *w = j->w;
  const int64_t columns = w->n / 8 - column < kColumns ? w->n / 8 - column : kColumns, row = w->n / 2;
  uint8_t *data = w->data + column / 2 * w->panel_bytes + (s * w->lines + from) * AWQ_LINE;
  rows += 4 * column;
  for (int64_t left = segment_count(w, s) - 8 * from; from < to; from++, left -= 8, rows += 8 * row, data += AWQ_LINE)
    for (int64_t c = 0; c < columns; c += 4) {
      uint8_t *line = data + c / 2 * w->panel_bytes;
      if (left >= 8 && columns - c >= 4) pack_square<true, kFar>(rows + 4 * c, row, 8, 4, line, w->panel_bytes);
      else pack_square<false, kFar>(rows + 4 * c, row, left, columns - c < 4 ? columns - c : 4, line, w->panel_bytes);
    }
}

/* The records of segment s in the same panels. */
inline void pack_records(const job *j, int64_t column, int64_t s) {
  const awqk_gemm_weight *g = j->g;
  const awqk_weight *w = j->w;
  const int64_t across = w->n / 8, columns = across - column < kColumns ? across - column : kColumns, group = s / w->splits;
  uint8_t *records = w->data + column / 2 * w->panel_bytes + w->segments * w->lines * AWQ_LINE;
  for (int64_t c = 0; c < columns; c++) {
    uint8_t *record = records + c / 2 * w->panel_bytes + s * AWQ_RECORD;
    if (c % 2 == 0 && c + 1 == columns) memset(record, 0, AWQ_RECORD);
    memcpy(record + c % 2 * 16, (const uint8_t *)g->scales + (group * g->n + 8 * (column + c)) * 2, 16);
    uint32_t zeros = 0x88888888u;
    if (g->qzeros) memcpy(&zeros, (const uint8_t *)g->qzeros + (group * across + column + c) * 4, 4);
    for (int i = 0; i < 8; i++) record[32 + c % 2 * 8 + i] = (uint8_t)(zeros >> (4 * kNibble[i]) & 15);
  }
  if (s + 1 < w->segments) return;
  const int64_t used = w->segments * (w->lines * AWQ_LINE + AWQ_RECORD);
  for (int64_t p = column / 2; p < (column + columns + 1) / 2; p++) memset(w->data + p * w->panel_bytes + used, 0, (size_t)(w->panel_bytes - used));
}

/* A chunk of words in memory is eight panels wide. */
void pack_columns(void *argument, int64_t chunk, int32_t) {
  const job *j = (const job *)argument;
  const int64_t column = chunk * kColumns;
  for (int64_t s = 0; s < j->w->segments; s++) {
    pack_lines<true>(j, column, s, 0, j->w->lines, (const uint8_t *)j->g->qweight + segment_start(j->w, s) * (j->w->n / 2));
    pack_records(j, column, s);
  }
  fence();
}

/* A chunk of words that are yet to be read is some rows high: they lie in one piece, and stay in L2 until they are packed. */
void pack_rows(void *argument, int64_t chunk, int32_t) {
  job *j = (job *)argument;
  const awqk_weight *w = j->w;
  const int64_t s = chunk / j->steps, from = chunk % j->steps * j->step, to = from + j->step < w->lines ? from + j->step : w->lines;
  const int64_t end = segment_count(w, s) < 8 * to ? segment_count(w, s) : 8 * to, row = w->n / 2;
  if (__atomic_load_n(&j->status, __ATOMIC_RELAXED)) return;
  uint8_t *rows = (uint8_t *)awq_scratch_get(j->device, (size_t)(8 * j->step * row));
  int32_t status = AWQK_ERR_OUT_OF_MEMORY;
  if (rows) status = end > 8 * from ? j->read(j->source, (segment_start(w, s) + 8 * from) * row, (end - 8 * from) * row, rows) : AWQK_OK;
  for (int64_t column = 0; column < w->n / 8 && !status; column += kColumns) {
    pack_lines<false>(j, column, s, from, to, rows);
    if (!from) pack_records(j, column, s);
  }
  fence();
  awq_scratch_put(j->device, rows);
  if (status) __atomic_store_n(&j->status, status, __ATOMIC_RELAXED);
}

}  // namespace

int32_t awqk_cpu_pack_gemm(awqk_device *device, const awqk_gemm_weight *g, int32_t mode, awqk_weight **out) {
  *out = nullptr;
  if (!g->qweight || !g->scales || g->n % 8) return AWQK_ERR_INVALID_ARGUMENT;
  const int32_t status = awq_weight_new(g->n, g->k, g->group, mode, g->bias, nullptr, out);
  if (status) return status;
  job j = {};
  j.g = g;
  j.w = *out;
  awq_parallel(device, (g->n / 8 + kColumns - 1) / kColumns, (double)g->n * (double)g->k / 8, pack_columns, &j);
  return AWQK_OK;
}

int32_t awqk_cpu_pack_read(awqk_device *device, const awqk_gemm_weight *g, awqk_read_fn read, void *source, int32_t mode, awqk_weight **out) {
  *out = nullptr;
  if (!read || !g->scales || g->n % 8) return AWQK_ERR_INVALID_ARGUMENT;
  awqk_weight *w;
  const int32_t status = awq_weight_new(g->n, g->k, g->group, mode, g->bias, nullptr, &w);
  if (status) return status;
  job j = {g, w, device, read, source, 0, 0, AWQK_OK};
  j.step = kBite / (4 * g->n); /* a line is eight rows */
  if (j.step < 1) j.step = 1;
  if (j.step > w->lines) j.step = w->lines;
  j.steps = (w->lines + j.step - 1) / j.step;
  awq_parallel(device, w->segments * j.steps, (double)g->n * (double)g->k / 8, pack_rows, &j);
  if (j.status) awqk_cpu_unpack(device, w);
  else *out = w;
  return j.status;
}
