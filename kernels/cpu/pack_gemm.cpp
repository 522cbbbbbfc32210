/* AutoAWQ's layout "gemm" -> lane blocks (cpu.h), straight from a checkpoint's bytes.
 *
 * A word of the file holds eight outputs of one k, a word of a lane block eight k of one output: eight rows of words are an 8 x 8
 * matrix of nibbles to transpose, sixteen word columns at a time. Plain vectors of the compiler do that faster than memory gives it. */
#include <string.h>

#include "device.h"

namespace {

constexpr int kColumns = 16; /* word columns side by side: eight panels */
constexpr int kPanels = 8;
constexpr int kAhead = 48; /* rows of prefetch */

typedef uint32_t words __attribute__((vector_size(16), aligned(4))); /* eight of them stay in registers */

struct job {
  const awqk_gemm_weight *g;
  awqk_weight *w;
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

/* Eight panels, or those that are left, from panel `first`. */
void pack_columns(void *argument, int64_t chunk, int32_t) {
  const job *j = (const job *)argument;
  const awqk_gemm_weight *g = j->g;
  const awqk_weight *w = j->w;
  const int64_t across = g->n / 8, first = chunk * kPanels, column = first * 2;
  const int64_t columns = across - column < kColumns ? across - column : kColumns, panels = (columns + 1) / 2;
  uint8_t *data = w->data + first * w->panel_bytes;
  const int64_t records = w->segments * w->lines * AWQ_LINE;
  for (int64_t p = 0; p < panels; p++) memset(data + p * w->panel_bytes + records, 0, (size_t)(w->panel_bytes - records));

  const uint8_t *from = (const uint8_t *)g->qweight + 4 * column;
  for (int64_t s = 0; s < w->segments; s++) {
    const int64_t start = s / w->splits * g->group + s % w->splits * w->lines * 8, end = (s / w->splits + 1) * g->group;
    for (int64_t l = 0; l < w->lines; l++) {
      uint8_t *line = data + (s * w->lines + l) * AWQ_LINE;
      for (int64_t c = 0; c < columns; c += 4) {
        words rows[8];
        for (int e = 0; e < 8; e++) {
          rows[e] = words{};
          const int64_t k = start + 8 * l + e;
          if (k >= end) continue;
          const uint8_t *row = from + (k * across + c) * 4;
          __builtin_prefetch(row + kAhead * across * 4); /* rows lie pages apart: nobody else foresees them */
          if (columns - c >= 4) memcpy(&rows[e], row, sizeof(words));
          else memcpy(&rows[e], row, (size_t)(columns - c) * 4);
        }
        transpose(rows);
        for (int half = 0; half < 2; half++) {
          words four[4];
          for (int o = 0; o < 4; o++) four[o] = rows[kNibble[4 * half + o]];
          turn(four);
          for (int at = 0; at < 4 && c + at < 2 * panels; at++) /* half a panel is filled with zeros */
            memcpy(line + (c + at) / 2 * w->panel_bytes + at % 2 * 32 + half * 16, &four[at], sizeof(words));
        }
      }
    }
    const int64_t group = s / w->splits;
    for (int64_t c = 0; c < columns; c++) {
      uint8_t *record = data + c / 2 * w->panel_bytes + records + s * AWQ_RECORD;
      memcpy(record + c % 2 * 16, (const uint8_t *)g->scales + (group * g->n + 8 * (column + c)) * 2, 16);
      uint32_t zeros = 0x88888888u;
      if (g->qzeros) memcpy(&zeros, (const uint8_t *)g->qzeros + (group * across + column + c) * 4, 4);
      for (int i = 0; i < 8; i++) record[32 + c % 2 * 8 + i] = (uint8_t)(zeros >> (4 * kNibble[i]) & 15);
    }
  }
}

}  // namespace

int32_t awqk_cpu_pack_gemm(awqk_device *device, const awqk_gemm_weight *g, int32_t mode, awqk_weight **out) {
  *out = nullptr;
  if (!g->qweight || !g->scales || g->n % 8) return AWQK_ERR_INVALID_ARGUMENT;
  const int32_t status = awq_weight_new(g->n, g->k, g->group, mode, g->bias, nullptr, out);
  if (status) return status;
  job j = {g, *out};
  awq_parallel(device, ((*out)->panels + kPanels - 1) / kPanels, (double)g->n * (double)g->k / 8, pack_columns, &j);
  return AWQK_OK;
}
