/* The public header from C11 and (as check_header.cpp) from C++17: included twice, every size, offset and number as awq.abi says,
 * every function present with the type that it says. */
#include "awq/awq.h"
#include "awq/awq.h"

#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
#define AWQ_ASSERT static_assert
#else
#define AWQ_ASSERT _Static_assert
#endif
#include "layout.inc"

int main(void) {
  int passed = 0, failed = 0;
  for (size_t i = 0; i < sizeof awq_functions / sizeof *awq_functions; i++) awq_functions[i].address ? passed++ : failed++;
  /* the number, the text and the header tell the same version */
  uint32_t v = awq_version();
  char text[32];
  snprintf(text, sizeof text, "%u.%u.%u", (unsigned)(v / 10000), (unsigned)(v / 100 % 100), (unsigned)(v % 100));
  strcmp(text, awq_version_string()) ? failed++ : passed++;
  v == AWQ_VERSION_MAJOR * 10000 + AWQ_VERSION_MINOR * 100 + AWQ_VERSION_PATCH ? passed++ : failed++;
  /* a thread that never failed has an empty message, not a NULL one */
  awq_last_error_message() && !*awq_last_error_message() ? passed++ : failed++;
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
