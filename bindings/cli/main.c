/* The command `awq`: the library's awq_command_run behind the signals that a terminal program answers. */
#define _XOPEN_SOURCE 700
#include <signal.h>
#include <string.h>

#include "awq/awq.h"

static volatile sig_atomic_t stop;

static void on_signal(int number) {
  (void)number;
  stop = 1;
}

static int32_t cancelled(void *user) {
  (void)user;
  return stop;
}

int main(int argc, char **argv) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  /* RESETHAND: a second Ctrl-C ends the process at once. ONSTACK: the signal may arrive on one of the Go runtime's threads, whose
   * stacks are too small for a handler. SIGPIPE stays as it is, so that `awq ... | head` ends quietly. */
  action.sa_flags = SA_RESTART | SA_ONSTACK | (int)SA_RESETHAND;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  return (int)awq_command_run((int32_t)argc, (const char *const *)argv, cancelled, NULL);
}
