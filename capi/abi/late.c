/* late LIBRARY FIXTURE: loads the library with dlopen, and looks at what
 * loading changed: nothing printed, no file left open, the environment and the host's signal handlers as they were. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "awq/awq.h"

extern char **environ;

static int passed, failed;

static void check(const char *name, int ok) {
  if (!ok) fprintf(stderr, "FAIL %s\n", name);
  ok ? passed++ : failed++;
}

static int open_files(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/fd");
  if (!d) return -1;
  while (readdir(d)) n++;
  closedir(d);
  return n;
}

static size_t environment(void) {
  size_t sum = 0;
  for (char **e = environ; *e; e++)
    for (const char *c = *e; *c; c++) sum = sum * 31 + (unsigned char)*c;
  return sum;
}

static void mine(int number) { (void)number; }

static void *function(void *library, const char *name) {
  void *p = dlsym(library, name);
  if (!p) fprintf(stderr, "no symbol %s\n", name);
  return p;
}

int main(int argc, char **argv) {
  static const int kept[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM, SIGPROF, SIGWINCH};
  enum { KEPT = sizeof kept / sizeof *kept };
  char path[4096], printed[64];
  if (argc < 3) return 2;
  struct sigaction action, now;
  memset(&action, 0, sizeof action);
  action.sa_handler = mine;
  for (int i = 0; i < KEPT; i++) sigaction(kept[i], &action, NULL);
  int files = open_files();
  size_t variables = environment();

  /* everything that the library prints while it loads and works goes into a pipe */
  int ends[2], out = dup(1), err = dup(2);
  if (pipe2(ends, O_NONBLOCK) || dup2(ends[1], 1) < 0 || dup2(ends[1], 2) < 0) return 3;
  void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  const char *why = library ? "" : dlerror();
  int loaded = open_files() - 4, before = 0, after = 0; /* the pipe's ends and the two copies are ours */
  awq_status (*create)(const awq_context_options *, awq_context **) = NULL;
  void (*destroy)(awq_context *) = NULL;
  awq_status (*load)(awq_context *, const char *, const char *, const awq_linear_options *, awq_linear **) = NULL;
  void (*free_linear)(awq_linear *) = NULL;
  const char *(*message)(void) = NULL;
  awq_context *ctx = NULL;
  awq_linear *linear = NULL;
  awq_status status = -1, missing = -1;
  int told = 0;
  if (library) {
    *(void **)&create = function(library, "awq_context_create");
    *(void **)&destroy = function(library, "awq_context_destroy");
    *(void **)&load = function(library, "awq_linear_load");
    *(void **)&free_linear = function(library, "awq_linear_destroy");
    *(void **)&message = function(library, "awq_last_error_message");
    snprintf(path, sizeof path, "%s/model", argv[2]);
    status = create(NULL, &ctx);
    if (!status) status = load(ctx, path, "model.layers.0.self_attn.o_proj", NULL, &linear);
    before = open_files(); /* the Go runtime opens its poller with the first file */
    for (int i = 0; i < 20; i++) {
      awq_linear *another = NULL;
      if (!status) status = load(ctx, path, "model.layers.0.self_attn.o_proj", NULL, &another);
      free_linear(another);
    }
    after = open_files();
    free_linear(linear);
    missing = load(ctx, path, "nothing", NULL, &linear);
    told = strstr(message(), "nothing") != NULL;
  }
  dup2(out, 1), dup2(err, 2), close(out), close(err);
  ssize_t n = read(ends[0], printed, sizeof printed - 1);
  close(ends[0]), close(ends[1]);
  if (n > 0) fprintf(stderr, "printed: %.*s\n", (int)n, printed);

  if (!library) fprintf(stderr, "%s\n", why);
  check("dlopen with RTLD_NOW | RTLD_LOCAL", library != NULL);
  check("works through dlsym", status == AWQ_OK);
  check("fails through dlsym, with a message and a NULL result", missing == AWQ_ERR_NOT_FOUND && told && !linear);
  check("prints nothing", n <= 0);
/* The Go runtime keeps the files of the cgroup's CPU limit open: one, or two in a version 1 hierarchy. */
  check("opens no more than the cgroup's CPU limit while it loads", loaded >= files && loaded <= files + 2);
  check("leaves no file open", after == before);
  check("leaves the environment alone", environment() == variables);
  int handlers = 1;
  for (int i = 0; i < KEPT; i++) handlers = handlers && !sigaction(kept[i], NULL, &now) && now.sa_handler == mine;
  check("leaves the host's signal handlers alone", handlers);
  if (library) {
    void *again = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    check("loading twice gives the same library", again == library);
    dlclose(again);
    dlclose(library);
    awq_context *second = NULL;
    check("still there after dlclose", create(NULL, &second) == AWQ_OK && second);
    destroy(second);
    destroy(ctx);
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
