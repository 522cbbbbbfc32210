/* The pool: every chunk once, any number of callers, fork and raw clone, names, masks, thread counts from cgroups. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <string>

#include "../detect.h"
#include "../pool.h"
#include "test.h"

/* Runs under the thread sanitizer or an emulator: they have a thread of their own, refuse threads in fork children or fork with a
 * lock held, slow chunks a hundredfold. */
#if defined(__SANITIZE_THREAD__)
static bool hosted = true;
#else
static bool hosted = false;
#endif

namespace {

int thread_count() {
  int n = 0;
  DIR *d = opendir("/proc/self/task");
  while (dirent *e = d ? readdir(d) : nullptr) n += e->d_name[0] != '.';
  if (d) closedir(d);
  return n;
}

struct counted {
  std::vector<int> hits;
  std::vector<int> busy; /* one flag a worker number: two chunks never share one */
  int clashes = 0;
  int64_t work = 0;
};

void count(void *arg, int64_t chunk, int32_t worker) {
  counted *c = (counted *)arg;
  if (__atomic_exchange_n(&c->busy[(size_t)worker], 1, __ATOMIC_ACQ_REL)) __atomic_fetch_add(&c->clashes, 1, __ATOMIC_RELAXED);
  for (volatile int64_t i = 0; i < c->work; i = i + 1) {}
  c->hits[(size_t)chunk]++; /* a plain word: the caller must see it without help */
  __atomic_store_n(&c->busy[(size_t)worker], 0, __ATOMIC_RELEASE);
}

void run(awq_pool *p, int64_t chunks, int64_t work, double nanoseconds) {
  counted c;
  c.hits.assign((size_t)chunks, 0);
  c.busy.assign(64, 0);
  c.work = work;
  awq_pool_run(p, chunks, nanoseconds, count, &c);
  int64_t wrong = 0;
  for (int h : c.hits) wrong += h != 1;
  CHECK(wrong == 0 && c.clashes == 0, "%ld of %ld chunks not run once, %d clashes", (long)wrong, (long)chunks, c.clashes);
}

void chunks_once() {
  for (int32_t threads = 1; threads <= 4; threads++) {
    const int before = thread_count();
    awq_pool *p = awq_pool_create(threads, true);
    CHECK(hosted || thread_count() == before, "a pool starts no thread before its first parallel call");
    for (int round = 0; round < 300; round++) run(p, 1 + round % 40, round % 7 * 50, 1e6);
    run(p, 5000, 1, 1e6);
    run(p, 0, 0, 1e6);
    CHECK(hosted || thread_count() == before + threads - 1, "%d threads asked, %d started", threads, thread_count() - before);
    awq_pool_destroy(p);
    CHECK(hosted || thread_count() == before, "destroy joins its threads");
  }
}

void sleeping_workers() {
  awq_pool *p = awq_pool_create(3, true);
  for (int round = 0; round < 20; round++) {
    run(p, 30, 100, 1e6);
    usleep(2000); /* longer than the spin */
    run(p, 30, 100, 20e3); /* too little to wake anybody */
  }
  awq_pool_destroy(p);
}

/* Small work stays on the calling thread. */
void here(void *arg, int64_t, int32_t worker) {
  if (worker != 0 || !pthread_equal(pthread_self(), *(pthread_t *)arg)) CHECK(false, "worker %d", worker);
}
void small_work() {
  awq_pool *p = awq_pool_create(4, true);
  const int before = thread_count();
  pthread_t self = pthread_self();
  for (int i = 0; i < 100; i++) awq_pool_run(p, 8, 500, here, &self);
  CHECK(hosted || thread_count() == before, "small work starts threads");
  awq_pool_destroy(p);
}

void look(void *arg, int64_t, int32_t worker) {
  int *seen = (int *)arg;
  if (worker == 0) {
    for (int i = 0; i < 2000 && !__atomic_load_n(seen, __ATOMIC_ACQUIRE); i++) usleep(1000);
    return;
  }
  char name[16] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  CHECK(!strncmp(name, "awq-", 4), "name '%s'", name);
  CHECK(sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGCHLD) == 1, "signals reach %s", name);
  __atomic_store_n(seen, 1, __ATOMIC_RELEASE);
}
void names_and_masks() {
  awq_pool *p = awq_pool_create(2, true);
  int seen = 0;
  awq_pool_run(p, 2, 1e9, look, &seen);
  CHECK(seen, "no worker took a chunk");
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  CHECK(!sigismember(&mask, SIGINT), "the caller's mask is restored");
  awq_pool_destroy(p);
}

void *caller(void *arg) {
  for (int round = 0; round < 400; round++) run((awq_pool *)arg, 1 + round % 30, 30, 1e6);
  return nullptr;
}
void many_callers() {
  awq_pool *p = awq_pool_create(3, true);
  pthread_t threads[4];
  for (pthread_t &t : threads) pthread_create(&t, nullptr, caller, p);
  for (pthread_t t : threads) pthread_join(t, nullptr);
  awq_pool_destroy(p);
}

/* ---- children ---- */

/* The child's failures as its exit status; a child that hangs for 20 s fails. */
void await_child(pid_t child, const char *what) {
  int status = 0;
  for (int i = 0; i < 2000; i++) {
    const pid_t done = waitpid(child, &status, WNOHANG);
    if (done == child) {
      CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: child ended with %x", what, status);
      return;
    }
    usleep(10000);
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  CHECK(false, "%s: child hangs", what);
}

int in_child(awq_pool *p, int32_t threads) {
  test_failures = 0;
  CHECK(awq_in_fork_child(), "the child knows what it is");
  for (int i = 0; i < 20; i++) run(p, 40, 100, 1e6);
  CHECK(awq_pool_threads(p) == threads, "%d threads in the child, want %d", awq_pool_threads(p), threads);
  CHECK(thread_count() == threads, "%d threads run in the child, want %d", thread_count(), threads);
  awq_pool_destroy(p);
  return test_failures != 0;
}

void *keep_busy(void *arg) {
  struct {
    awq_pool *p;
    int *stop;
  } *a = (decltype(a))arg;
  while (!__atomic_load_n(a->stop, __ATOMIC_ACQUIRE)) run(a->p, 30, 300, 1e6);
  return nullptr;
}

void forks() {
  for (bool sticky : {true, false}) {
    awq_pool *p = awq_pool_create(3, sticky);
    run(p, 40, 100, 1e6);
    fflush(stdout);
    const pid_t child = fork();
    if (!child) _exit(in_child(p, sticky ? 3 : 1));
    await_child(child, "fork");
    run(p, 40, 100, 1e6);
    CHECK(!awq_in_fork_child(), "the parent stays what it was");
    awq_pool_destroy(p);
  }
  /* forks while another thread is inside a parallel call */
  awq_pool *p = awq_pool_create(3, true);
  int stop = 0;
  struct {
    awq_pool *p;
    int *stop;
  } a = {p, &stop};
  pthread_t busy;
  pthread_create(&busy, nullptr, keep_busy, &a);
  for (int i = 0; i < 50; i++) {
    fflush(stdout);
    const pid_t child = fork();
    if (!child) _exit(in_child(p, 3));
    await_child(child, "fork during a call");
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  pthread_join(busy, nullptr);
  awq_pool_destroy(p);
}

/* A child of the bare system call runs no atfork handlers. */
void raw_clone() {
  awq_pool *p = awq_pool_create(3, true);
  run(p, 40, 100, 1e6);
  fflush(stdout);
  const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (!child) { /* libc's own thread bookkeeping isn't told either: no new threads here, only the repair */
    test_failures = 0;
    awq_pool *q = p;
    CHECK(awq_in_fork_child(), "the page tells");
    run(q, 40, 100, 1e3);
    _exit(test_failures != 0);
  }
  await_child(child, "clone");
  awq_pool_destroy(p);
}

/* ---- thread counts ---- */

std::string folder;

void put(const std::string &path, const std::string &text) {
  for (size_t at = folder.size(); (at = path.find('/', at + 1)) != std::string::npos;) mkdir(path.substr(0, at).c_str(), 0700);
  FILE *f = fopen(path.c_str(), "w");
  CHECK(f, "%s: %s", path.c_str(), strerror(errno));
  if (!f) return;
  fputs(text.c_str(), f);
  fclose(f);
}

int32_t quota(const char *membership, const char *mounts) {
  put(folder + "/cgroup", membership);
  put(folder + "/mountinfo", mounts);
  return awq_cgroup_cpus((folder + "/cgroup").c_str(), (folder + "/mountinfo").c_str(), folder.c_str());
}

void cgroups() {
  char name[] = "awq_pool_test_XXXXXX";
  if (!mkdtemp(name)) abort();
  folder = name;
  const char *v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
  const char *v1 = "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n31 23 0:27 / /cg1/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n";
  put(folder + "/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  put(folder + "/sys/fs/cgroup/a/cpu.max", "250000 100000\n");
  put(folder + "/cg1/cpu,cpuacct/j/k/cpu.cfs_quota_us", "-1\n");
  put(folder + "/cg1/cpu,cpuacct/j/k/cpu.cfs_period_us", "100000\n");
  put(folder + "/cg1/cpu,cpuacct/j/cpu.cfs_quota_us", "400000\n");
  put(folder + "/cg1/cpu,cpuacct/j/cpu.cfs_period_us", "100000\n");
  CHECK(quota("0::/a/b\n", v2) == 3, "a parent's 2.5 CPUs: %d", quota("0::/a/b\n", v2));
  CHECK(quota("0::/a\n", v2) == 3, "own quota");
  CHECK(quota("0::/\n", v2) == 0, "no quota at the root");
  CHECK(quota("0::/../../x\n", v2) == 0, "outside of the namespace");
  CHECK(quota("4:memory:/j\n3:cpu,cpuacct:/j/k\n", v1) == 4, "v1: %d", quota("3:cpu,cpuacct:/j/k\n", v1));
  CHECK(quota("3:cpuset:/j/k\n", v1) == 0, "cpuset is another controller");
  put(folder + "/sys/fs/cgroup/a/cpu.max", "1000 100000\n");
  CHECK(quota("0::/a/b\n", v2) == 1, "never below one");
  put(folder + "/sys/fs/cgroup/a/cpu.max", "nonsense\n");
  CHECK(quota("0::/a/b\n", v2) == 0, "nonsense is no quota");
  put(folder + "/sys/fs/cgroup/cpu.max", "200000 100000\n");
  CHECK(quota("0::/docker/x\n", "30 23 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n") == 2, "mounted from inside");
  CHECK(awq_cgroup_cpus("missing", "missing", "") == 0, "no files");
  const std::string command = "rm -rf " + folder;
  CHECK(system(command.c_str()) == 0, "%s", command.c_str());
  cpu_set_t set;
  sched_getaffinity(0, sizeof set, &set);
  const int32_t threads = awq_cpu_threads();
  CHECK(threads >= 1 && threads <= CPU_COUNT(&set), "%d threads on %d CPUs", threads, CPU_COUNT(&set));
}

/* With as many busy threads as CPUs beside it, a call on two threads costs at most about as much as on one. */
double median_call(awq_pool *p) {
  std::vector<double> times;
  for (int i = 0; i < 41; i++) {
    counted c;
    c.hits.assign(32, 0);
    c.busy.assign(64, 0);
    c.work = 20000;
    timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    awq_pool_run(p, 32, 1e6, count, &c);
    clock_gettime(CLOCK_MONOTONIC, &b);
    times.push_back((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9);
  }
  for (size_t i = 1; i < times.size(); i++)
    for (size_t j = i; j && times[j] < times[j - 1]; j--) std::swap(times[j], times[j - 1]);
  return times[times.size() / 2];
}

void *burn(void *arg) {
  while (!__atomic_load_n((int *)arg, __ATOMIC_RELAXED)) {}
  return nullptr;
}

void crowded() {
  int stop = 0;
  std::vector<pthread_t> load((size_t)awq_cpu_threads());
  awq_pool *one = awq_pool_create(1, true), *two = awq_pool_create(2, true);
  for (pthread_t &t : load) pthread_create(&t, nullptr, burn, &stop);
  const double alone = median_call(one), shared = median_call(two);
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (pthread_t t : load) pthread_join(t, nullptr);
  printf("crowded machine: one thread %.2f ms, pool of two %.2f ms\n", alone * 1e3, shared * 1e3);
  CHECK(shared < 4 * alone, "pool %.3g s, one thread %.3g s", shared, alone);
  awq_pool_destroy(one);
  awq_pool_destroy(two);
}

}  // namespace

int main() {
  hosted |= thread_count() != 1;
  chunks_once();
  sleeping_workers();
  small_work();
  names_and_masks();
  many_callers();
  cgroups();
  if (!hosted) {
    forks();
    raw_clone();
    crowded();
  }
  return test_end("pool");
}
