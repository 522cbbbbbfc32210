#include "isa_avx2.h"
#include "refine_tile.h"
