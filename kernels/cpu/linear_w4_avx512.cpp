#include "isa_avx512.h"
#include "linear_tile.h"
