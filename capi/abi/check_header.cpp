// check_header.c as C++17.
#include "check_header.c"
