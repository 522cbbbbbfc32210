/* The command `awq`: a main that hands its arguments to the library, and Ctrl-C with them. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>

#include "awq/awq.h"

static volatile sig_atomic_t stop;

static void on_signal(int signal_number) {
  (void)signal_number;
  stop = 1;
}

static int32_t cancelled(void *user) {
  (void)user;
  return (int32_t)stop;
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL); /* a second Ctrl-C ends the process at once */
  sigaction(SIGTERM, &action, NULL);
  return (int)awq_command_run(argc, (const char *const *)argv, cancelled, NULL);
}
