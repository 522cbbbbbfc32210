/* The machine's limits for one instruction set, measured when asked: multiply-adds from registers, and streamed reads. Include
 * after its traits. */
#ifndef AWQ_ROOF_TILE_H
#define AWQ_ROOF_TILE_H

#include <sys/mman.h>
#include <time.h>

#include "tile.h"

namespace {

/* Independent chains: enough to hide the latency, few enough to stay in registers. */
enum { CHAINS = GEMM_MR, DOT_CHAINS = DOT_ROWS };

constexpr int64_t kTurns = 400000;          /* rounds of a measurement, some milliseconds */
constexpr int64_t kPiece = 1 << 20;         /* bytes a chunk */
constexpr int64_t kBytes = 256 * kPiece;    /* more than any cache */
constexpr double kLong = 1e9;               /* always worth every thread */
constexpr int kRuns = 12;                   /* the best counts: it is a limit */

double roof_now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* One thread's share of multiply-adds, 16 lanes each. */
void roof_fma(void *argument, int64_t, int32_t) {
  volatile float *sink = (volatile float *)argument;
  float start[CHAINS * 16];
  for (int i = 0; i < CHAINS * 16; i++) start[i] = sink[0] * (float)i; /* all lanes differ, or the compiler computes one for two */
  V sum[CHAINS], x = vset(sink[1]), y = vset(sink[0]);
#pragma GCC unroll 16
  for (int i = 0; i < CHAINS; i++) sum[i] = vload(start + 16 * i);
  for (int64_t t = 0; t < kTurns; t++) {
#pragma GCC unroll 16
    for (int i = 0; i < CHAINS; i++) sum[i] = vfma(x, y, sum[i]);
  }
#pragma GCC unroll 16
  for (int i = 1; i < CHAINS; i++) sum[0] = vadd(sum[0], sum[i]);
  sink[2] = sum_of(sum[0]); /* every lane counts, or the compiler drops the half that nobody reads */
}

/* One thread's share of dot products of codes with signed bytes, the accumulation included. Each turn's bytes come from memory that
 * may have changed, or the compiler makes one product serve them all; their loads go beside the products. */
void roof_dot(void *argument, int64_t, int32_t) {
  volatile float *sink = (volatile float *)argument;
  int32_t data[16 + DOT_CHAINS];
  for (int i = 0; i < 16 + DOT_CHAINS; i++) data[i] = (int32_t)sink[0] + 0x01020300 + i;
  const I codes = iload(data);
  P part[DOT_CHAINS];
#pragma GCC unroll 16
  for (int i = 0; i < DOT_CHAINS; i++) part[i] = pzero();
  for (int64_t t = 0; t < kTurns; t++) {
    __asm__ volatile("" ::"r"(data) : "memory");
#pragma GCC unroll 16
    for (int i = 0; i < DOT_CHAINS; i++) part[i] = pdot(part[i], codes, ispread(data + i), codes, ispread(data + 16 + i));
  }
  I sum = iset(0);
#pragma GCC unroll 16
  for (int i = 0; i < DOT_CHAINS; i++) sum = pflush(sum, part[i]);
  sink[2] = (float)isum(sum);
}

struct roof_read_job {
  const char *data;
  volatile float sink;
};

/* Reads a piece in four streams side by side. */
void roof_read(void *argument, int64_t chunk, int32_t) {
  roof_read_job *j = (roof_read_job *)argument;
  const char *p = j->data + chunk * kPiece;
  I sum[4] = {iset(0), iset(0), iset(0), iset(0)};
  for (int64_t at = 0; at < kPiece / 4; at += 64)
#pragma GCC unroll 4
    for (int s = 0; s < 4; s++) {
      __builtin_prefetch(p + s * (kPiece / 4) + at + 2048, 0, 2);
      sum[s] = isub(sum[s], iload(p + s * (kPiece / 4) + at));
    }
  j->sink = sum_of(ifloat(isub(isub(sum[0], sum[1]), isub(sum[2], sum[3]))));
}

/* The shortest of some runs, seconds. */
double roof_best(awqk_device *device, int64_t chunks, awq_chunk_fn fn, void *arg) {
  double best = 1e30;
  for (int i = 0; i < kRuns; i++) {
    const double start = roof_now();
    awq_parallel(device, chunks, kLong, fn, arg);
    const double took = roof_now() - start;
    if (took < best) best = took;
  }
  return best;
}

}  // namespace

extern "C" int32_t AWQ_KERNEL_NAME(roof_f32)(awqk_device *device, const awqk_roof_args *g, void *) {
  const int64_t threads = awq_threads(device);
  volatile float sink[3] = {0.5f, 1e-3f, 0};
  *g->flops = (double)threads * (double)kTurns * CHAINS * 32 / roof_best(device, threads, roof_fma, (void *)sink);
  *g->int8_ops = (double)threads * (double)kTurns * DOT_CHAINS * 256 / roof_best(device, threads, roof_dot, (void *)sink);
  char *data = (char *)mmap(nullptr, (size_t)kBytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return AWQK_ERR_OUT_OF_MEMORY;
  for (int64_t i = 0; i < kBytes; i += 4096) data[i] = 1; /* real pages, not the one of zeros */
  roof_read_job job = {data, 0};
  *g->bytes = (double)kBytes / roof_best(device, kBytes / kPiece, roof_read, &job);
  munmap(data, (size_t)kBytes + 4096);
  return AWQK_OK;
}

#endif
