/* A small thread pool: chunks are claimed from one 64-bit word, idle workers spin by the clock and then sleep on a futex. */
#include "pool.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr uint64_t kSpin = 100 * 1000;        /* ns that an idle worker spins before it sleeps */
constexpr double kInline = 8e3;               /* work shorter than this many ns isn't worth another thread */
constexpr double kWake = 50e3;                /* nor is this much, when all workers sleep and no call came just before */
constexpr size_t kStack = 512 * 1024;
constexpr uint64_t kClosed = 0xffffffffu;     /* an index that no job reaches */

template <class T> T load(const T *p, int order = __ATOMIC_ACQUIRE) { return __atomic_load_n(p, order); }
template <class T, class U> void store(T *p, U v, int order = __ATOMIC_RELEASE) { __atomic_store_n(p, (T)v, order); }

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield" ::: "memory");
#else
  __asm__ volatile("" ::: "memory");
#endif
}

uint64_t now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void futex(uint32_t *word, int operation, uint32_t value) { syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0); }

/* fork detection: a handler for fork(), a page that any child sees as zero for what runs no handlers */
uint32_t fork_count;
uint32_t in_child;
uint8_t *fork_page;
pthread_once_t fork_once = PTHREAD_ONCE_INIT;

void on_child() {
  __atomic_fetch_add(&fork_count, 1u, __ATOMIC_ACQ_REL);
  store(&in_child, 1u);
}

void watch_forks() {
  pthread_atfork(nullptr, nullptr, on_child);
#ifdef MADV_WIPEONFORK
  const size_t size = (size_t)sysconf(_SC_PAGESIZE);
  void *page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  if (madvise(page, size, MADV_WIPEONFORK)) {
    munmap(page, size);
    return;
  }
  *(uint8_t *)page = 1;
  store(&fork_page, (uint8_t *)page);
#endif
}

}  // namespace

uint32_t awq_fork_generation() {
  uint8_t *page = load(&fork_page);
  if (page && !load(page) && !__atomic_exchange_n(page, (uint8_t)1, __ATOMIC_ACQ_REL)) on_child();
  return load(&fork_count);
}

bool awq_in_fork_child() {
  awq_fork_generation();
  return load(&in_child) != 0;
}

/* What a running worker needs. The job fields are atomics because a late worker may read them while the next job is being
 * written; its claim then fails, since the generation in `claim` has moved on. */
struct awq_pool {
  alignas(64) uint64_t claim;                 /* generation << 32 | next chunk */
  alignas(64) int64_t finished;               /* chunks done of the current job */
  alignas(64) uint32_t sequence;              /* bumped by each job: what sleepers wait on */
  uint32_t sleepers;
  uint32_t stop;
  alignas(64) awq_chunk_fn fn;
  void *arg;
  int64_t chunks;
  alignas(64) uint32_t busy;                  /* a caller owns the workers */
  uint32_t born;                              /* fork generation that the workers belong to */
  int32_t size;                               /* wanted threads, caller included */
  int32_t started;                            /* workers that run; -1: not tried yet */
  uint64_t alone;                             /* when the last call ended that did not wake sleepers */
  bool sticky;
  struct worker {
    awq_pool *pool;
    pthread_t thread;
    int32_t number;
  } *workers;
};

namespace {

/* Claims and runs chunks of the current job until none is left. */
void work(awq_pool *p, int32_t number) {
  int64_t done = 0;
  for (uint64_t word = load(&p->claim);;) {
    const uint64_t index = word & 0xffffffffu;
    const awq_chunk_fn fn = load(&p->fn);
    void *arg = load(&p->arg);
    if (index == kClosed || (int64_t)index >= load(&p->chunks)) break;
    if (!__atomic_compare_exchange_n(&p->claim, &word, word + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) continue;
    fn(arg, (int64_t)index, number);
    done++;
    word = load(&p->claim);
  }
  if (done) __atomic_fetch_add(&p->finished, done, __ATOMIC_ACQ_REL);
}

void *worker_main(void *argument) {
  awq_pool::worker *self = (awq_pool::worker *)argument;
  awq_pool *p = self->pool;
  char name[16];
  snprintf(name, sizeof name, "awq-%d", (int)self->number);
  pthread_setname_np(pthread_self(), name);
  uint32_t seen = load(&p->sequence);
  while (!load(&p->stop)) {
    work(p, self->number);
    const uint64_t end = now() + kSpin;
    uint32_t sequence;
    while ((sequence = load(&p->sequence)) == seen) {
      for (int i = 0; i < 32 && load(&p->sequence, __ATOMIC_RELAXED) == seen; i++) relax();
      if (now() < end) continue;
      __atomic_fetch_add(&p->sleepers, 1u, __ATOMIC_SEQ_CST);
      if (load(&p->sequence, __ATOMIC_SEQ_CST) == seen) futex(&p->sequence, FUTEX_WAIT, seen);
      __atomic_fetch_sub(&p->sleepers, 1u, __ATOMIC_SEQ_CST);
    }
    seen = sequence;
  }
  return nullptr;
}

/* A machine that refuses threads gets fewer of them, never an error. */
void start(awq_pool *p) {
  p->started = 0;
  if (p->size < 2) return;
  if (!p->workers) p->workers = (awq_pool::worker *)calloc((size_t)p->size, sizeof *p->workers);
  pthread_attr_t attributes;
  if (!p->workers || pthread_attr_init(&attributes)) return;
  pthread_attr_setstacksize(&attributes, kStack);
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old); /* workers inherit it: the host's signals are the host's */
  for (int32_t i = 1; i < p->size; i++) {
    p->workers[i] = {p, {}, i};
    if (pthread_create(&p->workers[i].thread, &attributes, worker_main, &p->workers[i])) break;
    p->started = i;
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  pthread_attr_destroy(&attributes);
}

/* In a fork child the workers are gone and the words may be in any state. One thread of the child wins the repair; until it
 * is done the others run alone. */
bool repair(awq_pool *p, uint32_t generation) {
  uint32_t born = load(&p->born);
  if (born == generation) return true;
  if (born == UINT32_MAX || !__atomic_compare_exchange_n(&p->born, &born, UINT32_MAX, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return false;
  if (!p->sticky) store(&p->size, 1);
  p->started = -1;
  p->finished = 0;
  store(&p->claim, kClosed);
  store(&p->sleepers, 0u);
  store(&p->busy, 0u);
  store(&p->born, generation);
  return true;
}

void alone(int64_t chunks, awq_chunk_fn fn, void *arg) {
  for (int64_t i = 0; i < chunks; i++) fn(arg, i, 0);
}

}  // namespace

awq_pool *awq_pool_create(int32_t threads, bool sticky) {
  pthread_once(&fork_once, watch_forks);
  void *memory = nullptr;
  if (posix_memalign(&memory, 64, sizeof(awq_pool))) return nullptr;
  awq_pool *p = (awq_pool *)memory;
  *p = awq_pool{};
  p->claim = kClosed;
  p->born = awq_fork_generation();
  p->size = threads < 1 ? 1 : threads;
  p->started = -1;
  p->sticky = sticky;
  return p;
}

void awq_pool_destroy(awq_pool *p) {
  if (!p) return;
  if (p->started > 0 && p->born == awq_fork_generation()) {
    store(&p->stop, 1u);
    __atomic_fetch_add(&p->sequence, 1u, __ATOMIC_SEQ_CST);
    futex(&p->sequence, FUTEX_WAKE, INT32_MAX);
    for (int32_t i = 1; i <= p->started; i++) pthread_join(p->workers[i].thread, nullptr);
  }
  free(p->workers);
  free(p);
}

int32_t awq_pool_threads(const awq_pool *p) { return load(&p->size); }

void awq_pool_run(awq_pool *p, int64_t chunks, double nanoseconds, awq_chunk_fn fn, void *arg) {
  uint32_t idle = 0;
  if (chunks < 2 || chunks >= (int64_t)kClosed || nanoseconds < kInline || !repair(p, awq_fork_generation()) || load(&p->size) < 2 ||
      !__atomic_compare_exchange_n(&p->busy, &idle, 1u, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
    return alone(chunks, fn, arg);
  if (p->started < 0) start(p);
  const uint32_t sleepers = load(&p->sleepers, __ATOMIC_SEQ_CST);
  const bool asleep = (int32_t)sleepers >= p->started && nanoseconds < kWake;
  /* small calls in a row are worth waking for: workers then spin from one to the next */
  if (!p->started || (asleep && now() - load(&p->alone) > kSpin)) {
    store(&p->busy, 0u);
    alone(chunks, fn, arg);
    store(&p->alone, now());
    return;
  }
  const uint64_t generation = ((load(&p->claim) >> 32) + 1) << 32;
  store(&p->claim, generation | kClosed); /* nobody claims while the fields change */
  store(&p->fn, fn);
  store(&p->arg, arg);
  store(&p->chunks, chunks);
  store(&p->finished, (int64_t)0);
  store(&p->claim, generation);
  __atomic_fetch_add(&p->sequence, 1u, __ATOMIC_SEQ_CST);
  if (load(&p->sleepers, __ATOMIC_SEQ_CST)) futex(&p->sequence, FUTEX_WAKE, chunks > INT32_MAX ? INT32_MAX : (uint32_t)chunks - 1);
  work(p, 0);
  for (int spins = 0; load(&p->finished) != chunks; spins++) { /* chunks that others still run */
    if (spins < 2000) relax();
    else sched_yield();
  }
  store(&p->busy, 0u);
}
