#include "isa_avx512vnni.h"
#include "linear_tile.h"
