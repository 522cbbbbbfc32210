#include "isa_avx512.h"
#include "refine_tile.h"
