// The cases once more, compiled as C++17: the header, the structs and the enumerators mean the same there.
#include "cases.c"
