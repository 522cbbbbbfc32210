/* Versions, names of statuses and this thread's last message. Thread-local storage is one pointer: a library with Go inside
 * uses static TLS, of which a process has little left when it loads us late. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

enum { MESSAGE_BYTES = 2048 };

static __thread char *message; /* on the heap, MESSAGE_BYTES long */
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int key_made;

static void make_key(void) { key_made = pthread_key_create(&key, free) == 0; }

static char *slot(void) {
  if (!message) {
    pthread_once(&once, make_key);
    if (!key_made || !(message = malloc(MESSAGE_BYTES))) return NULL;
    message[0] = 0;
    pthread_setspecific(key, message);
  }
  return message;
}

void awqc_clear(void) {
  if (message) message[0] = 0;
}

awq_status awqc_fail_text(awq_status status, const char *text) {
  char *m = slot();
  if (!m) return status;
  size_t n = strnlen(text, MESSAGE_BYTES - 1);
  memcpy(m, text, n);
  m[n] = 0;
  for (size_t i = 0; i < n; i++)
    if (m[i] == '\n' || m[i] == '\r') m[i] = ' '; /* one line, whatever a file name holds */
  return status;
}

awq_status awqc_fail(awq_status status, const char *format, ...) {
  char text[MESSAGE_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return awqc_fail_text(status, text);
}

const char *awq_last_error_message(void) { return message ? message : ""; }

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)

uint32_t awq_version(void) { return AWQ_VERSION_MAJOR * 10000u + AWQ_VERSION_MINOR * 100u + AWQ_VERSION_PATCH; }

const char *awq_version_string(void) { return TEXT(AWQ_VERSION_MAJOR) "." TEXT(AWQ_VERSION_MINOR) "." TEXT(AWQ_VERSION_PATCH); }

const char *awq_status_name(awq_status status) {
  static const char *const names[] = {"AWQ_OK",        "AWQ_ERR_INVALID_ARGUMENT", "AWQ_ERR_UNSUPPORTED", "AWQ_ERR_NOT_FOUND", "AWQ_ERR_CORRUPT",
                                      "AWQ_ERR_IO",    "AWQ_ERR_OUT_OF_MEMORY",    "AWQ_ERR_DEVICE",      "AWQ_ERR_CANCELLED", "AWQ_ERR_INTERNAL",
                                      "AWQ_ERR_FORKED"};
  if (status < 0 || status >= (awq_status)(sizeof names / sizeof *names)) return "unknown status";
  return names[status];
}
